"""What a lake keeps to itself: its files from others, and secrets out of its files."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dumps import A, a_job, a_page, an_event, an_exchange
from hypothesis import given
from hypothesis import strategies as st

from pipeline import credentials, open_lake
from pipeline.cli import run
from pipeline.credentials import masked

KEY = "sk-proj-Zr9QsecretQx7"


@pytest.mark.skipif(os.name != "posix", reason="owners are told by POSIX")
def test_a_lake_is_its_owners(tmp_path: Path) -> None:
    """However much the umask allows, a new lake lets nobody but its owner in."""
    (tmp_path / "x.jsonl").write_text(json.dumps(an_event()) + "\n{oops}\n")
    before = os.umask(0)
    try:
        with open_lake(tmp_path / "deep" / "lake") as lake:
            lake.ingest([tmp_path / "x.jsonl"])
    finally:
        os.umask(before)
    folder = tmp_path / "deep" / "lake"
    for path in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.name != "posix", reason="owners are told by POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o444), (0o027, 0o440), (0o077, 0o400)])
def test_a_lake_that_was_opened_stays_open(tmp_path: Path, mask: int, mode: int) -> None:
    """Its folders say who may enter; what later commits and compaction write, the umask."""
    before = os.umask(mask)
    try:
        with open_lake(tmp_path / "lake") as lake:
            for number in range(2):
                (tmp_path / "x.jsonl").write_text(f"{json.dumps(an_event(number))}\n{{oops}}\n")
                lake.ingest(tmp_path / "x.jsonl")
            lake.compact(keep_hours=0)
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "lake").rglob("*.parquet") if "no-" not in path.name]
    assert files and {path.stat().st_mode & 0o777 for path in files} == {mode}


def everything(lake: Path) -> str:
    """All that stands in the files of a lake, decompressed."""
    text = ""
    for path in lake.rglob("*"):
        if path.suffix == ".parquet":
            text += repr(pq.read_table(path).to_pylist())
        elif path.is_file():
            text += path.read_bytes().decode("latin-1")
    return text


def exchange() -> dict[str, Any]:
    """A recorded exchange whose request shows its key."""
    made = an_exchange(A, a_page(1, 2))
    made["request"]["headers"] = {"Authorization": [f"Bearer {KEY}"]}
    made["response"]["headers"] = {"Set-Cookie": [f"session={KEY}"]}
    return made


NEIGHBOURS = {
    "job.json": {"job": a_job(A) | {"wandb_api_key": KEY}, "events": a_page(1, 2)},
    "beside.json": {"api_key": KEY, "fine_tuning_job_id": A, "events": a_page(1, 2)["data"]},
    "exchange.json": exchange(),
    "among.json": [a_job(A) | {"wandb_api_key": KEY}, an_event(1), an_event(2)],
}


LINES = {
    "lines.jsonl": [a_job(A) | {"integrations": [{"api_key": KEY}]}, an_event(1), an_event(2)],
    "pages.jsonl": [an_event(1), exchange(), an_event(2)],
    "named.jsonl": [an_event(1), {"object": KEY}, {"object": "list", "data": [{"object": KEY}]}],
}


REJECTED = {
    "alone.jsonl": json.dumps({"api_key": KEY}),
    "array.jsonl": json.dumps(["a" * 40, KEY]),
    "cut.jsonl": json.dumps(an_event(3) | {"headers": {"Authorization": f"Bearer {KEY}"}})[:-4],
    "env.jsonl": f"export OPENAI_API_KEY={KEY}\nAZURE_OPENAI_API_KEY='0123456789abcdef' # {{",
    "text.jsonl": json.dumps({"body": json.dumps({"api-key": "0123456789abcdef"})}),
    "tracker.jsonl": '{"wandb": {"api_key": "0123456789abcdef", "project": 1}',
}
"""Beside an event of their own they are no documents, and rejects keep what is no event."""


def test_no_secret_in_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of what a reject keeps, keys are asterisks: as many, so that every byte is at its place."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name, text in REJECTED.items():
        Path("in", name).write_text(f"{json.dumps(an_event())}\n{text}\n")
    for command in (["ingest", "in", "--job-id", A], ["rejects", "--format", "json"]):
        with suppress(SystemExit):
            run([*command, "--lake", "lake"])
    told = capfd.readouterr()
    with open_lake("lake") as lake:
        rejects = lake.sql("select raw, byte_length from rejects").rows()
    assert len(rejects) == 7 and all(len(raw) == size for raw, size in rejects)
    assert all(b"*" * 16 in raw for raw, _ in rejects), rejects
    for text in (everything(Path("lake")), told.out, told.err):
        assert KEY[:8] not in text and "01234567" not in text


def test_what_is_no_credential_is_kept() -> None:
    """Names and words that merely sound like it are none, and numbers stay numbers."""
    for raw in (
        b'{"train_mean_token_accuracy": 0.75, "token": "Hello", "key": "abcdefghijk"}',
        b'{"password": 1234567890, "secrets": ["a"], "api_key": null, "task-sk-learn": "asksk-1"}',
        b'{"message": "The API key is not valid: it was revoked", "id": "ftevent-sk-12"}',
    ):
        assert masked(raw) == raw
    assert masked(b'{"password": "abcdefgh"}') == b'{"password": "********"}'


CREDENTIAL = "Zr9QsecretQx7ab1234Zp"
PARTS = [
    part.encode()
    for part in (
        "api access Account private subscription key token auth session authorization Credentials"
        " passwd PASSWORD passphrase secret HF_TOKEN= x_key= a_secret= gh_pat= ?sig= &sig= cookie"
        " Bearer :// user @ -----BEGIN ----- sk- hf_ gho_ github_pat_ glpat- xoxb- AKIA AIza eyJ"
        f" _ - : = ' [ \\ \" , {CREDENTIAL}"
    ).split()
] + [b" ", b"\n", b"-----BEGIN RSA PRIVATE KEY-----"]


@pytest.mark.parametrize(
    "form",
    [
        "Authorization: Token {}", '"Authorization": "ApiKey {}"', "Cookie: a=b; session={}",
        "Ocp-Apim-Subscription-Key: {}", "curl -H 'Bearer {}'", "HF_TOKEN={}", "glpat-{}",
        '"token": "hf_{}"', "ghp_{}", "AWS_SESSION_TOKEN='{}'", "OPENAI_KEY={}", "API key: {}",
        "AccountKey={}==;", "https://h/p?a=b&sig={}", "https://user:{}@host/p",
        "eyJhbGciOiJIUzI1NiJ9.{}.{}",
        # one for each alternative of the pattern, which no other of them takes
        '"api-key": "{}"', '"access-key": "{}"', '"account-key": "{}"', '"private-key": "{}"',
        '"subscription key": "{}"', '"access-token": "{}"', '"auth-token": "{}"',
        '"session-token": "{}"', '"authorization": "{}"', '"credential": "{}"',
        '"credentials": "{}"', '"passwd": "{}"', '"password": "{}"', '"passphrase": "{}"',
        '"secret-key": "{}"', "MY_TOKEN={}", "MY_KEY={}", "MY_SECRET=a[{}", "MY_PAT={}",
        "sk-{}", "hf_{}", "gho_{}", "ghp_{}", "ghr_{}", "ghs_{}", "ghu_{}", "github_pat_{}",
        "xoxa-{}", "xoxb-{}", "xoxp-{}", "xoxr-{}", "xoxs-{}", "AKIA{}", "AIza{}",
        '"password": "longenough,{}', "-----BEGIN RSA PRIVATE KEY-----\\n{}", '\\"secret\\": \\"{}',
    ],
)  # fmt: skip
def test_forms_of_credentials(form: str) -> None:
    """Headers, variables, addresses, tokens by their shape: the credential goes."""
    text = form.format(*[CREDENTIAL] * form.count("{}")).encode()
    hidden = masked(b"{oops " + text + b" }")
    assert b"secretQ" not in hidden and len(hidden) == len(text) + 8
    assert b"*" * 16 in hidden and hidden.startswith(b"{oops ")


@pytest.mark.parametrize(
    "piece",
    [
        b"secret",
        b"api_key=1",
        b"sk-",
        b'auth"',
        b"secret: ",
        b"_a1",
        b"eyj-",
        b"://a:",
        b"cookie=",
        b"_key=",
        b"bearer ",
        b"eyj-aaaaaaaaa.",
    ],
)
def test_masking_takes_time_in_proportion(piece: bytes) -> None:
    """Bytes that nearly hold credentials all along are passed over once, not once for each."""
    began = time.process_time()
    masked(b"secret" + piece * 100_000 + b"api_key:" + b"1" * 100_000)
    assert time.process_time() - began < 5


def test_masking_passes_over_what_begins_no_credential() -> None:
    """A broken record of megabytes is looked through in a part of the time of the whole pattern."""
    raw = (json.dumps(an_event(data={"train_loss": 0.5}, note="nothing secret")) * 10_000).encode()
    began = time.process_time()
    assert masked(raw) == raw
    took = time.process_time() - began
    began = time.process_time()
    assert not credentials._CREDENTIAL.search(raw)
    assert took < (time.process_time() - began) / 3


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), max_size=40))
def test_masking_looks_wherever_a_credential_begins(parts: list[bytes]) -> None:
    """What is masked is what the pattern finds when it is tried at every byte."""
    raw = b"".join(parts)
    found = credentials._CREDENTIAL.sub(lambda found: credentials._hidden(found, None), raw)
    assert masked(raw) == found


def test_no_secret_of_a_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key beside events or in the environment is neither stored nor printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("in").mkdir()
    for name, content in NEIGHBOURS.items():
        Path("in", name).write_text(json.dumps(content, indent=1))
    for name, rows in LINES.items():
        Path("in", name).write_text("\n".join(map(json.dumps, rows)))
    for command in (
        ["ingest", "in", "--job-id", A], ["summary"], ["show", "sources", "--format", "json"],
        ["rejects"], ["export"], ["ingest", "no such file"],
    ):  # fmt: skip
        with suppress(SystemExit):
            run([*command, "--lake", "lake"])
    told = capfd.readouterr()
    with open_lake("lake") as lake:
        assert lake.sql("select sum(events) as n, count(*) as m from sources").rows() == [(2, 7)]
    assert KEY not in everything(Path("lake")) and KEY not in told.out + told.err
    assert A in told.out
