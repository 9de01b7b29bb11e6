"""No secret that the client knows, or that lies in a job object, is kept, printed or logged."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from keeping import B, small
from server import KEY, NOW, Api, an_event, serving

from pipeline.archive.redaction import Redactor
from pipeline.cli import run
from pipeline.errors import ExitCode
from pipeline.zstd import zstd


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The small account, in the environment of this process; it runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with serving(small()) as api:
        names = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}
        with mock.patch.dict(os.environ, names):
            yield api


HIDDEN = "tr4cker-0123456789abcdef"


@pytest.mark.parametrize(
    ("member", "left"),
    [
        ({"name": "Authorization", "value": "x"}, {"name": "Authorization", "value": "[removed]"}),
        ({"key": "X-Api-Key", "value": ["x"]}, {"key": "X-Api-Key", "value": "[removed]"}),
        ({"name": "lr", "value": "x"}, {"name": "lr", "value": "x"}),
        (f"https://u:{HIDDEN}@wandb.ai/a", "https://u:[removed]@wandb.ai/a"),
        (f"sent with Bearer {HIDDEN}", "sent with Bearer [removed]"),
        (f"HF_TOKEN={HIDDEN} run.sh", "HF_TOKEN=[removed] run.sh"),
        (f'it said "{HIDDEN}" \u2028', f'it said "{HIDDEN}" \u2028'),
    ],
)
def test_credentials_are_known_by_form_and_by_what_stands_beside_them(
    member: Any, left: Any
) -> None:
    """Headers as pairs, passwords in URLs, keys in texts: out; all other bytes are as sent."""
    body = json.dumps({"id": "a", "x": member, "z": "\u00fc"}, indent=1).encode()
    kept, removed = Redactor().body(body, of_jobs=True)
    assert json.loads(kept) == {"id": "a", "x": left, "z": "\u00fc"}
    assert removed == (member != left)
    if isinstance(member, str):
        assert kept == body.replace(
            HIDDEN.encode() * removed or b"-", b"[removed]" * removed or b"-"
        )
    assert Redactor().body(kept, of_jobs=True) == (kept, 0)


def test_a_secret_is_found_behind_escapes() -> None:
    """JSON may spell any letter of a key as a number: it is the key all the same."""
    redactor = Redactor([KEY])
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    body = f'{{"id": "a", "message": "is {spelled}"}}'.encode()
    kept, removed = redactor.body(body, of_jobs=False)
    assert json.loads(kept) == {"id": "a", "message": "is [removed]"} and removed == 1


HEADERS = f"""X-My: hdrS3cret
Authorization: Bearer {HIDDEN}
X-Env: production-like
X-Timeout: 900000
X-Note: a training of ours
Accept: text/x-1"""


def test_what_the_client_was_given_comes_back_nowhere(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that echoes headers in errors, request ids and bodies: no file, no line has them."""
    secrets = (KEY, "hdrS3cret", HIDDEN, "pr0xyPassword")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", HEADERS)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pr0xyPassword@127.0.0.1:9")
    echo = " ".join(secrets)
    api.request_id = f"Bearer {echo}"
    answer = api.answer
    headers = {"authorization": f"Bearer {KEY}"}
    api.answer = lambda path, _: answer(path, headers)  # type: ignore[method-assign]
    api.events[B].append(
        an_event(B, 70, NOW - 80, message=f"{echo}; production-like training, text/x-1")
    )
    api.jobs[0]["suffix"] = echo
    assert run(["archive", "--out", "a"]) == ExitCode.OK
    assert run(["archive", "verify", "a"]) == ExitCode.OK
    api.answer = lambda path, _: (401, json.dumps({"error": {"message": echo}}).encode())  # type: ignore[method-assign]
    assert run(["archive", "--out", "a"]) == ExitCode.USAGE
    told = capsys.readouterr()
    out = Path("a")
    kept = [zstd.decompress(path.read_bytes()) for path in out.rglob("*.zst")]
    kept += [(out / "manifest.jsonl").read_bytes(), (told.out + told.err).encode()]
    assert not [secret for secret in secrets if secret.encode() in b"".join(kept)]
    assert b"production-like training, text/x-1" in b"".join(kept)


def test_ids_that_hold_a_secret_are_kept_without_it(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Job, event, checkpoint and file are fetched by their ids, and named without the secret."""
    job = f"ftjob-{KEY}"
    events = [an_event(job, n, NOW - 9_000 + 90 * n, id=f"ev{n}-{KEY}") for n in range(7)]
    api.add(job, events, status="running", files={f"file-{KEY}": b"step\n1\n"}, checkpoints=4)
    for call in (["archive", "--out", "a"], ["archive", "--out", "a", "--job", job]):
        assert run(call) == ExitCode.OK
        assert run(["archive", "verify", "a"]) == ExitCode.OK
        api.events[job].append(an_event(job, 8, NOW - 80, id=f"ev8-{KEY}"))
    out, told = Path("a"), capsys.readouterr()
    bodies = [zstd.decompress(path.read_bytes()) for path in out.rglob("*.zst")]
    assert b"ev8-[removed]" in b"".join(bodies) and b"step\n1\n" in bodies
    names = "".join(path.as_posix() for path in out.rglob("*"))
    text = f"{names}{(out / 'manifest.jsonl').read_text()}{b''.join(bodies)!r}{told.out}{told.err}"
    assert KEY not in text


def test_what_the_client_logs_is_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log line, with the error it tells, has no secret in it."""
    handler = logging.StreamHandler(stream := io.StringIO())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    Redactor([KEY]).guard_logs()
    try:
        raise ValueError(KEY)
    except ValueError:
        logging.getLogger("openai").warning("sent %s", {"x-my": KEY}, exc_info=True)
    assert KEY not in stream.getvalue() and "ValueError" in stream.getvalue()
