"""The simulator as a small HTTP/1.1 server, which speaks to nobody but Envoy on this machine."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.edge.simulator.script import Script, read_script
from fluxrouter_server.edge.simulator.speakers import Speaker, speaker_of

__all__ = ["Simulator", "simulator"]

_MAX_HEAD_BYTES: Final = 64 * 1024
_OK: Final = 200
#: Longer than anybody waits for a stream that has stalled.
_STALL_SECONDS: Final = 600.0
#: What is no event of any API's, in several ways.
_MALFORMED: Final = b': a comment\n\ndata: {"choices": [\n\ndata\n\nnonsense: 1\n\ndata: []\n\n'
#: Where it tells what it did.
_COUNTS_PATH: Final = "/counts"


class Simulator:
    """Answers, and counts what it produced.

    Attributes:
        counts: Numbers of requests and of output tokens that were sent, by `requests`, `tokens`,
            and the same followed by a space and the model, or the name that the prompt gives.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # whoever called has gone, or is no HTTP client
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        _, path, _ = first.split(" ", 2)
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        speaker = speaker_of(path)
        if speaker is None:
            counts = path == _COUNTS_PATH
            await _whole(writer, 200 if counts else 404, dict(self.counts) if counts else {})
            return True
        body = json.loads(data)
        return await self._answer(speaker, body, writer)

    async def _answer(
        self, speaker: Speaker, body: Mapping[str, Any], writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; return whether the connection may be used again."""
        script, model = read_script(body, speaker.limit(body)), str(body.get("model"))
        self._count("requests", model, script, 1)
        await asyncio.sleep(script.delay_seconds)
        if script.fault == "reset":
            writer.transport.abort()
            return False
        if script.status != _OK or script.fault == "error":
            error = {"message": f"simulated with the status {script.status}", "type": "simulated"}
            await _whole(writer, script.status, {"error": error})
            return True
        if script.fault == "garbage":
            await _write(writer, 200, "text/html", b"<html>simulated</html>")
            return True
        if body.get("stream"):
            return await self._stream(speaker, script, body, writer)
        await _whole(writer, 200, speaker.whole(script, model))
        self._count("tokens", model, script, len(script.pieces))
        return True

    async def _stream(
        self,
        speaker: Speaker,
        script: Script,
        body: Mapping[str, Any],
        writer: asyncio.StreamWriter,
    ) -> bool:
        model = str(body.get("model"))
        writer.write(_head(200, "text/event-stream", "transfer-encoding: chunked"))
        for number, event in enumerate(speaker.events(script, model, body)):
            if number == script.cut_after:
                await writer.drain()
                writer.transport.abort()
                return False
            if number == script.stall_after:
                await asyncio.sleep(_STALL_SECONDS)
                return False
            if script.fault == "malformed":
                writer.write(_chunk(_MALFORMED))
            writer.write(_chunk(event))
            await writer.drain()
            if any(mark in event for mark in _OUTPUT_MARKS):
                self._count("tokens", model, script, 1)
            if script.gap_seconds:
                await asyncio.sleep(script.gap_seconds)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _count(self, what: str, model: str, script: Script, number: int) -> None:
        self.counts[what] += number
        self.counts[f"{what} {model}"] += number
        if script.count:
            self.counts[f"{what} {script.count}"] += number


#: What events with one token of output have, and no others.
_OUTPUT_MARKS: Final = (b'"content":"', b"response.output_text.delta", b"text_delta")


@asynccontextmanager
async def simulator() -> AsyncIterator[tuple[str, Simulator]]:
    """Run a simulator on this machine's loopback until left; yields its base URL and itself."""
    one = Simulator()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, limit=_MAX_HEAD_BYTES)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", one
    finally:
        server.close()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _whole(writer: asyncio.StreamWriter, status: int, value: object) -> None:
    await _write(writer, status, "application/json", to_json(value))


async def _write(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
    writer.write(_head(status, kind, f"content-length: {len(body)}") + body)
    await writer.drain()


def _head(status: int, kind: str, length: str) -> bytes:
    return f"HTTP/1.1 {status} simulated\r\ncontent-type: {kind}\r\n{length}\r\n\r\n".encode(
        "ascii"
    )
