"""A server for connectconformance, a suite of somebody else's, on our transports.

The suite is the Go module connectrpc.com/conformance. It starts `program` and calls the service
that its contract describes; what is tested is the transport below that service.
"""
