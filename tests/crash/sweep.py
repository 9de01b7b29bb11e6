"""Crash sweep: a command is killed, or refused, at each system call that changes the lake.

A clean run under strace tells the calls. Then, for each, the command runs again on the same lake:
strace kills it as it enters the call, or makes the call fail. The lake has to be whole, to hold
either what it held or what it should hold, and to end as it should when the command is repeated.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import Command
from soundness import Row, events_in, rejects_in, unsound
from zygote import Ended, started

SYSCALLS = (
    "openat", "open", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate",
    "truncate", "fallocate", "copy_file_range", "sendfile", "rename", "renameat", "renameat2",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat",
    "fsync", "fdatasync", "sync_file_range", "msync", "chmod", "fchmod", "fchmodat", "utimensat",
)  # fmt: skip
ERRORS = ("ENOSPC", "EIO", "EDQUOT")
KILL = "SIGKILL"
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_VARIES = re.compile(r"[0-9a-f]{8,}|(?<=/)\d+(?=-)|\d+")


@dataclass(frozen=True)
class Point:
    """A system call of a command that changes the lake.

    Attributes:
        thread: main or other: the main thread is traced alone, others with all.
        call: its name.
        number: of the calls of that name in its thread, from 1.
        kind: the call with its file, without what varies from run to run.
        at: its place among all of the command's changing calls, from 0.
    """

    thread: str
    call: str
    number: int
    kind: str
    at: int


@dataclass(frozen=True)
class State:
    """What a lake holds: events, and the bytes of rejects."""

    events: list[Row]
    rejects: list[bytes]


class Sweep:
    """One command in one folder, to be tried again and again."""

    def __init__(self, command: Command, folder: Path) -> None:
        """Prepare the lake, learn the calls of a clean run, and what it makes of the lake."""
        self.command, self._base = command, folder
        self._passed: set[tuple[bool, str]] = set()
        self.place, self._template = folder / "place", folder / "template"
        self.place.mkdir(parents=True)
        wanted = command.prepare(self.place)
        shutil.copytree(self.place, self._template)
        self.before = self.state()
        log = folder / "clean"
        calls = "trace=" + ",".join(f"?{name}" for name in SYSCALLS)
        ended = self._run(["-f", "-y", "-o", str(log), "-e", calls])
        assert ended.code == 0, ended
        self.after = self.state()
        assert not (wrong := unsound(self.place / "lake", settled=True)), wrong
        assert self.after.events == wanted, "the oracle knows other events"
        self.points, self.masked = _points(log.read_text(errors="replace"), self.place / "lake")

    def _run(self, strace: Sequence[str] | None = None) -> Ended:
        return started().run(self.command.args, cwd=self.place, strace=strace)

    def state(self) -> State:
        """What the lake holds now."""
        lake = self.place / "lake"
        if not is_lake(lake):
            return State([], [])
        return State(events_in(lake), rejects_in(lake))

    def kinds(self) -> list[Point]:
        """The first call of each kind."""
        first = {(point.thread, point.kind): point for point in reversed(self.points)}
        return sorted(first.values(), key=lambda point: point.at)

    def joints(self) -> list[Point]:
        """Where a commit hinges: names given, the ledger synced."""
        return [point for point in self.kinds() if point.call in ("rename", "fdatasync")]

    def attempt(self, point: Point, fault: str, tally: Counter[str]) -> list[str]:
        """Run the command with a fault at a point; what is wrong afterwards."""
        for _ in range(3):  # it may have opened a file more or less than in the clean run
            ended, hit = self._faulted(point, fault)
            if hit:
                break
        wrong = []
        if not hit:
            tally["not reached"] += 1
        elif fault == KILL:
            tally["killed"] += 1
        else:
            tally["refused" if ended.code else "borne"] += 1
            wrong = self._told(ended)
        place = f"{point.kind} ({point.call} {point.number} of the {point.thread} thread)"
        wrong += self._judged(ended)
        return [f"{self.command.name}, {fault} at {place}: {text}" for text in wrong]

    def _faulted(self, point: Point, fault: str) -> tuple[Ended, bool]:
        """Run the command on the prepared lake, and whether the fault hit a call on the lake."""
        shutil.rmtree(self.place / "lake", ignore_errors=True)
        if (self._template / "lake").exists():
            shutil.copytree(self._template / "lake", self.place / "lake")
        log = self._base / "log"
        effect = f"signal={KILL}" if fault == KILL else f"error={fault}"
        threads = [] if point.thread == "main" else ["-f"]
        options = [*threads, "-y", "-o", str(log), "-e", f"trace={point.call}",
                   "-e", f"inject={point.call}:{effect}:when={point.number}"]  # fmt: skip
        ended = self._run(options)
        if fault == KILL:
            return ended, ended.code == -9
        injected = re.findall(r".*\(INJECTED\)", log.read_text(errors="replace"))
        return ended, any(str(self.place / "lake") in line for line in injected)

    def _told(self, ended: Ended) -> list[str]:
        """What is wrong with how a failure was told."""
        if ended.code == 0:
            return []
        if ended.code != 3:
            return [f"exit code {ended.code}: {ended.stderr}"]
        if ended.stderr.count("\n") != 1 or str(self.place / "lake") not in ended.stderr:
            return [f"not one line that names the lake: {ended.stderr}"]
        return []

    def _judged(self, ended: Ended) -> list[str]:
        """What is wrong with the lake after a fault, and after the command was repeated.

        Many faults leave the same files, byte for byte: these are judged once.
        """
        lake = self.place / "lake"
        wrong = ["hung"] if ended.hung else []
        left = (ended.code == 0, _fingerprint(lake))
        if left in self._passed:
            return wrong
        if is_lake(lake):
            wrong += unsound(lake, settled=ended.code == 0)
        if wrong:
            return wrong
        found = self.state()
        if found != self.after and (found != self.before or ended.code == 0):
            return ["the lake holds neither what it held nor what it should"]
        again = self._run()
        if again.code != 0:
            return [f"once more: exit code {again.code}: {again.stderr}"]
        wrong = [f"once more: {text}" for text in unsound(lake, settled=True)]
        if not wrong and self.state() != self.after:
            wrong.append("once more: the lake does not hold what it should")
        if not wrong:
            self._passed.add(left)
        return wrong


def is_lake(folder: Path) -> bool:
    """Whether a lake can be opened in a folder; where there is none yet, that is no fault."""
    from pipeline import open_lake
    from pipeline.errors import LakeError

    try:
        open_lake(folder, create=False).close()
    except LakeError as error:
        if "no lake here" in str(error):
            return False
        raise
    return True


def _fingerprint(lake: Path) -> str:
    """The names and bytes of a lake's files; of unfinished ones below `tmp/` only their number."""
    digest, unfinished = hashlib.sha256(), 0
    for path in sorted(lake.rglob("*")):
        name = str(path.relative_to(lake))
        if name.startswith("tmp/"):
            unfinished += 1
        else:
            content = path.read_bytes() if path.is_file() else b"folder"
            digest.update(repr((name, len(content))).encode() + content)
    return f"{digest.hexdigest()} {unfinished}"


def _points(log: str, lake: Path) -> tuple[list[Point], int]:
    """The changing calls of a traced run, and how many of them strace cannot single out.

    strace counts the calls of each thread for itself: where two threads have an N-th call of a
    name, only the earlier of them can be hit among all threads; in the main thread, each.
    """
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, int], str] = {}
    points: list[Point] = []
    masked, main = 0, None
    for line in log.splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        thread, call, rest = match.groups()
        main = main or thread
        counts[thread, call] += 1
        number = counts[thread, call]
        owner = first.setdefault((call, number), thread)
        if str(lake) not in rest or (call == "openat" and not re.search("O_CREAT|O_TRUNC", rest)):
            continue
        if thread != main and owner != thread:
            masked += 1
            continue
        target = re.search(re.escape(str(lake)) + r'([^">]*)', rest)
        kind = f"{call} lake{_VARIES.sub('*', target[1] if target else '')}"
        points.append(Point("main" if thread == main else "other", call, number, kind, len(points)))
    return points, masked
