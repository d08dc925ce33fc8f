"""A provider that remembers what it was sent, and answers with one word."""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

__all__ = ["Recorded", "RecordingUpstream", "recording_upstream"]


@dataclass(frozen=True)
class Recorded:
    """A request; names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass
class RecordingUpstream:
    """What came, in order, and where it listens.

    Attributes:
        name: What it answers.
        delay_seconds: How long an answer takes.
    """

    name: str
    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    delay_seconds: float = 0.0


@contextmanager
def recording_upstream(
    name: str, *, certificate: trustme.LeafCert | None = None
) -> Iterator[RecordingUpstream]:
    """Runs one on this machine's loopback, with TLS where it has a certificate.

    It answers with its name.
    """
    upstream = RecordingUpstream(name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = json.loads(self.rfile.read(size))
            upstream.requests.append(Recorded(self.path, headers, body))
            time.sleep(upstream.delay_seconds)
            message = {"role": "assistant", "content": name}
            answer = json.dumps(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
                }
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        upstream.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
