"""An imitation of the fine-tuning endpoints of OpenAI and Azure, and of their faults."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Item = dict[str, Any]
KEY = "sk-test-do-not-tell-4f9c21aa"
NOW = 1_790_000_000
"""The server's clock [s since 1970]."""

FAULTS = ("429", "500", "503", "408", "drop", "cut", "malformed", "html", "no_more", "slow")
"""What can go wrong with one request; all of it goes away by trying again."""

HANG_SECONDS = 0.4
"""How long the fault `hang` keeps a request waiting; for clients of less patience."""


class Api:
    """What an account holds, and how the server misbehaves.

    Attributes:
        jobs: job objects, in the order of creation.
        events: of each job, in the order they arrived; those of one second stand as they came.
        checkpoints: of each job.
        files: object and content of each file.
        cap: the most items of a page, whatever the client asks for.
        faults: what happens to the next requests, None for nothing.
        before: called with the path before each request is answered, as to add events.
        asked: paths with their queries, in the order they came.
        latency: before each answer [s].
        again: what a refusal's Retry-After says [s].
        request_id: its name for every request, instead of one of its own.
        busy: requests under way.
        busiest: the most there were at once.
    """

    def __init__(self, *, azure: bool = False, cap: int = 100) -> None:
        """An empty account."""
        self.azure, self.cap = azure, cap
        self.jobs: list[Item] = []
        self.events: dict[str, list[Item]] = {}
        self.checkpoints: dict[str, list[Item]] = {}
        self.files: dict[str, tuple[Item, bytes]] = {}
        self.faults: deque[str | None] = deque()
        self.before: Callable[[str], None] = lambda path: None
        self.asked: list[str] = []
        self.latency = 0.0
        self.again = "0.01"
        self.request_id = ""
        self.busy = self.busiest = 0
        self.lock = threading.RLock()
        self.url = ""

    def add(
        self,
        job: str,
        events: Iterable[Item] = (),
        *,
        status: str = "succeeded",
        created: int = NOW - 90_000,
        files: dict[str, bytes] | None = None,
        checkpoints: int = 0,
        **fields: Any,
    ) -> None:
        """Add a job, oldest event first."""
        ended = status in ("succeeded", "failed", "cancelled")
        self.jobs.append(
            {
                "object": "fine_tuning.job",
                "id": job,
                "created_at": created,
                "finished_at": created + 5_000 if ended else None,
                "status": status,
                "model": "gpt-4o-mini-2024-07-18",
                "result_files": list(files or {}),
                **fields,
            }
        )
        self.events[job] = list(events)
        self.checkpoints[job] = [
            {
                "object": "fine_tuning.job.checkpoint",
                "id": f"ftckpt_{job[-6:]}{n:04}",
                "created_at": created + n,
                "fine_tuning_job_id": job,
                "fine_tuned_model_checkpoint": f"ft:gpt-4o-mini:{n}",
                "step_number": n,
                "metrics": {"step": n, "train_loss": 1 / (n + 1)},
            }
            for n in range(checkpoints)
        ]
        for name, content in (files or {}).items():
            about = {"object": "file", "id": name, "bytes": len(content), "created_at": created}
            self.files[name] = ({**about, "filename": f"{name}.csv"}, content)

    def finish(self, job: str, status: str = "succeeded", ended: int = NOW - 4_000) -> None:
        """Let a job end."""
        (found,) = (item for item in self.jobs if item["id"] == job)
        found.update(status=status, finished_at=ended)

    # -- answers --------------------------------------------------------------------------------

    def answer(self, target: str, headers: Any) -> tuple[int, bytes]:
        """Status and body for a request."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        prefix = "/openai" if self.azure else "/v1"
        told = headers["api-key"] if self.azure else headers["authorization"]
        if told != (KEY if self.azure else f"Bearer {KEY}"):
            return 401, _error(f"Incorrect API key provided: {told}")
        if self.azure and "api-version" not in query:
            return 400, _error("api-version is missing")
        with self.lock:
            path = parts.path.removeprefix(prefix).strip("/").split("/")
            return self._route([unquote(part) for part in path], query)

    def _route(self, path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
        match path:
            case ["fine_tuning", "jobs"]:
                return self._page(list(reversed(self.jobs)), query)
            case ["fine_tuning", "jobs", job]:
                found = next((item for item in self.jobs if item["id"] == job), None)
                return (200, _json(found)) if found else (404, _error("no such job"))
            case ["fine_tuning", "jobs", job, "events"] if job in self.events:
                return self._page(newest_first(self.events[job]), query)
            case ["fine_tuning", "jobs", job, "checkpoints"] if job in self.checkpoints:
                return self._page(newest_first(self.checkpoints[job]), query)
            case ["files", name] if name in self.files:
                return 200, _json(self.files[name][0])
            case ["files", name, "content"] if name in self.files:
                return 200, self.files[name][1]
            case _:
                return 404, _error("not found")

    def _page(self, items: list[Item], query: dict[str, str]) -> tuple[int, bytes]:
        start = 0
        if "after" in query:
            places = [n for n, item in enumerate(items) if item["id"] == query["after"]]
            if not places:
                return 404, _error("no such cursor")
            start = places[0] + 1
        size = min(int(query.get("limit", "20")), self.cap)
        data = items[start : start + size]
        more = start + size < len(items)
        return 200, _json({"object": "list", "data": data, "has_more": more})


def newest_first(items: list[Item]) -> list[Item]:
    """As the API lists them: by time, of one second the last to come first."""

    def age(item: Item) -> float:
        at = item["created_at"]
        return -at if isinstance(at, int) else -NOW

    found = items[::-1]
    return sorted(found, key=age)


def an_event(job: str, number: int, at: int, **fields: Any) -> Item:
    """The metrics event of a step."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job[-8:]}{number:016}",
        "created_at": at,
        "level": "info",
        "message": f"Step {number}: training loss={1 / (number + 1):.2f}",
        "data": {"step": number, "train_loss": 1 / (number + 1)},
        "type": "metrics",
        **fields,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _error(message: str) -> bytes:
    return _json({"error": {"message": message, "type": "error", "code": None}})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        api = self.server.api
        with api.lock:
            api.busy += 1
            api.busiest = max(api.busy, api.busiest)
        self._answer(api)

    def _answer(self, api: Api) -> None:
        with api.lock:
            api.asked.append(self.path)
            api.before(self.path)
            fault = api.faults.popleft() if api.faults else None
        if api.latency:
            time.sleep(api.latency)
        if fault == "hang":
            time.sleep(HANG_SECONDS)
        if fault == "drop":
            self._done()
            self.close_connection = True
            return
        if fault and fault.isdigit():
            self._send(int(fault), _error("try again"), api.again)
            return
        status, body = api.answer(self.path, self.headers)
        if fault == "malformed" and body.startswith(b"{"):  # half a file looks like a file
            body = body[: len(body) // 2]
        elif fault == "html":
            body = b"<html>gateway</html>"
        elif fault == "no_more":
            body = body.replace(b'"has_more"', b'"has_less"')
        self._send(status, body, cut=fault == "cut", slow=fault == "slow")

    def _done(self) -> None:
        with self.server.api.lock:
            self.server.api.busy -= 1

    def _send(
        self, status: int, body: bytes, again: str = "", *, cut: bool = False, slow: bool = False
    ) -> None:
        self._done()  # the client may ask again as soon as it has the answer
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string(NOW))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        api = self.server.api
        self.send_header("x-request-id", api.request_id or f"req_{len(api.asked)}")
        if again:
            self.send_header("Retry-After", again)
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half] if cut or slow else body)
        if slow:
            self.wfile.flush()
            time.sleep(0.02)
            self.wfile.write(body[half:])
        self.close_connection = self.close_connection or cut


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api: Api) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve an account on a free port; `api.url` is its base URL or Azure endpoint."""
    server = _Server(api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host = f"http://127.0.0.1:{server.server_address[1]}"
    api.url = host if api.azure else f"{host}/v1"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
