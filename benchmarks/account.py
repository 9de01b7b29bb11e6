"""An account with many jobs, served from memory after a fixed time: the API at its best.

``python -m benchmarks.account JOBS EVENTS LATENCY`` prints the base URL, and serves until its
standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pipeline.synth.stream import START, job

PAGE = 100
Bodies = dict[bytes, bytes]


def bodies(jobs: int, events: int) -> Bodies:
    """Target of a request -> response, for every request that an archive of the account makes."""
    found: Bodies = {}
    listed = []
    for index in range(jobs):
        made = job(7, index, events=events, start=START + 3_600 * index)
        name, file = made.job_id, f"file-{index:024}"
        base = f"/v1/fine_tuning/jobs/{name}"
        _add_pages(found, f"{base}/events", list(made.events)[::-1])
        _add_pages(found, f"{base}/checkpoints", [])
        rows = "".join(f"{step},{1 / step:.5f},,,\n" for step in range(1, events))
        head = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"
        content = f"{head}{rows}".encode()
        about = {"object": "file", "id": file, "bytes": len(content), "filename": "metrics.csv"}
        found[f"/v1/files/{file}".encode()] = json.dumps(about).encode()
        found[f"/v1/files/{file}/content".encode()] = content
        listed.append(
            {
                "object": "fine_tuning.job",
                "id": name,
                "created_at": START + 3_600 * index,
                "finished_at": START + 3_600 * index + 3_000,
                "status": "succeeded",
                "model": "gpt-4o-mini-2024-07-18",
                "result_files": [file],
            }
        )
    _add_pages(found, "/v1/fine_tuning/jobs", listed[::-1])
    return found


def _add_pages(found: Bodies, path: str, items: list[dict[str, Any]]) -> None:
    for start in range(0, max(len(items), 1), PAGE):
        data = items[start : start + PAGE]
        more = start + PAGE < len(items)
        after = f"&after={items[start - 1]['id']}" if start else ""
        page = {"object": "list", "data": data, "has_more": more}
        found[f"{path}?limit={PAGE}{after}".encode()] = json.dumps(page).encode()


class Connection(asyncio.Protocol):
    """Answers one request after another, each after the latency."""

    def __init__(self, found: Bodies, latency: float) -> None:
        """Answer from these bodies."""
        self._found, self._latency, self._rest = found, latency, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer, once the head of a request is whole."""
        self._rest += data
        if not self._rest.endswith(b"\r\n\r\n"):
            return
        target = self._rest.split(b" ", 2)[1]
        self._rest = b""
        body = self._found.get(target, b"")
        status = b"200 OK" if body else b"404 Not Found"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        answer = head % (status, len(body)) + body
        asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)


async def serve(found: Bodies, latency: float) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(found, latency), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(bodies(int(sys.argv[1]), int(sys.argv[2])), float(sys.argv[3])))
