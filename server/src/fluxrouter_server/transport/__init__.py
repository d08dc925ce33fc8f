"""Carries calls to the servicers of `api` and ends them well: listeners, interceptors, drain."""
