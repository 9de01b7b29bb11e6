"""Answers that lie elsewhere: what was asked decides what they must be; no key goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
import pytest
import server
from keeping import A, account, assert_equal, lines, run, small
from server import KEY, serving

Sent = list[tuple[str, dict[str, str]]]


@pytest.mark.parametrize("azure", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_redirected_answer_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, azure: bool, elsewhere: bool
) -> None:
    """Result files, pages and objects that lie at other addresses are kept as what was asked for;
    another host is told no key, and the manifest no signature."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-gateway-key: {KEY}")
    api, store = small(azure=azure), server.Api()
    seen: Sent = []
    with serving(api), serving(store):
        host = (store if elsewhere else api).url.replace("/v1", "")
        send = server._Handler._send

        def answered(target: str, headers: Any) -> tuple[int, bytes]:
            seen.append((target, dict(headers)))
            asked = bytes.fromhex(target.partition("?")[0].removeprefix("/blob/")).decode()
            with api.lock:
                return api._route(asked.strip("/").split("/"), {"limit": "3"})

        def redirected(handler: Any, status: int, body: bytes, *args: Any, **how: Any) -> None:
            path = handler.path.partition("?")[0].removeprefix("/openai").removeprefix("/v1")
            ends = ("/content", "/files/file-aaa", f"{A}/checkpoints")
            if not path.startswith("/blob") and path.endswith(ends):
                handler._done()
                handler.send_response(302)
                handler.send_header("Location", f"{host}/blob/{path.encode().hex()}?sig=SIGNATURE")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
            else:
                send(handler, status, body, *args, **how)

        plain = api.answer

        def either(target: str, headers: Any) -> tuple[int, bytes]:
            return (answered if target.startswith("/blob") else plain)(target, headers)

        api.answer = either  # type: ignore[method-assign]
        store.answer = answered  # type: ignore[method-assign]
        api.checkpoints[A] = api.checkpoints[A][:3]
        monkeypatch.setattr(server._Handler, "_send", redirected)
        with mock.patch("openai._base_client.MAX_RETRY_DELAY", 0.01):
            report = run(api, tmp_path / "a", retries=1)
        assert not report.failed
        assert_equal(tmp_path / "a", api)
    assert len(seen) == 4
    if elsewhere:
        assert not any(KEY in str(headers) for _, headers in seen)
    manifest = str(lines(tmp_path / "a"))
    assert "SIGNATURE" not in manifest and "/blob" not in manifest
    assert "/files/file-aaa/content" in manifest


@pytest.mark.parametrize("azure", [False, True])
@pytest.mark.parametrize(
    ("asked", "leads_to", "told"),
    [
        ("https://host:8443", "http://host:8443", False),
        ("https://host", "http://host", False),
        ("https://host", "https://host:8443", False),
        ("https://host", "https://host:443", True),
        ("http://host", "https://host", True),
        ("http://host", "https://other", False),
    ],
)
def test_no_secret_follows_to_another_origin(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    azure: bool,
    asked: str,
    leads_to: str,
    told: bool,
) -> None:
    """In clear text least of all: neither the key nor a header of the user's own."""
    secret = "gw-secret-12345-abc"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway-Token: {secret}")
    sent: list[httpx2.Request] = []

    def answered(transport: Any, request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        if len(sent) == 1:
            return httpx2.Response(307, headers={"Location": f"{leads_to}/there"})
        return httpx2.Response(200, json={"object": "list", "data": [], "has_more": False})

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", answered)
    api = server.Api(azure=azure)
    api.url = asked
    with account(api, retries=0) as found:
        found.get("/fine_tuning/jobs")
    first, second = (str(request.headers.raw) for request in sent)
    assert KEY in first and secret in first
    assert (secret in second) == told and (told or KEY not in second)
