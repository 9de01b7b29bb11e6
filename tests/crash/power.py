"""Power loss: the disk of a lake stops at a random moment, and what was not synced is gone.

The lake lies on an ext4 of its own on a loop device. `EXT4_IOC_SHUTDOWN` with NOLOGFLUSH stops it
as a power cut does: no write reaches the device any more, not even what the journal had in memory.
Needs root, loop devices and strace (for the control, in which fsync does nothing).
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands import JOBS, creation, event, write
from kills import sources_of
from soundness import events_in, events_of, unsound
from sweep import is_lake
from zygote import started

SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
"""EXT4_IOC_SHUTDOWN = _IOR('X', 125, __u32)."""
NO_LOG_FLUSH = 2
MEGABYTES = 64
NO_SYNC = ["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,sync_file_range",
           "-e", "inject=fsync,fdatasync,sync_file_range:retval=0"]  # fmt: skip
"""strace, so that syncing does nothing and says that it did."""


def missing() -> str | None:
    """Why power cannot be cut here; None where it can."""
    if os.geteuid() != 0:
        return "cutting the power of a disk needs root"
    for tool in ("losetup", "mkfs.ext4", "mount", "umount", "strace"):
        if shutil.which(tool) is None:
            return f"cutting the power of a disk needs {tool}"
    if not Path("/dev/loop-control").exists():
        return "cutting the power of a disk needs loop devices"
    done = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    return f"no loop device: {done.stderr.strip()}" if done.returncode else None


class Disk:
    """An ext4 on a loop device whose power can be cut; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Make the disk and mount it."""
        self.place, image = folder / "disk", folder / "image"
        self.place.mkdir(exist_ok=True)
        with image.open("wb") as file:
            file.truncate(MEGABYTES << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        self._device = _run("losetup", "-f", "--show", str(image)).strip()
        self.mount()

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.place)], check=False, capture_output=True)
        _run("losetup", "-d", self._device)

    def mount(self) -> None:
        """Mount it; after a cut this replays the journal, as a boot does."""
        _run("mount", "-t", "ext4", self._device, str(self.place))

    def unmount(self) -> None:
        """Take it off."""
        _run("umount", str(self.place))

    def cut(self) -> None:
        """Cut the power."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@dataclass
class Losses:
    """What came of it.

    Attributes:
        trials: how often the power was cut.
        amid: of them, while a command was under way.
        acknowledged: dumps that commands had acknowledged before, over all trials.
        lost: trials after which something acknowledged was gone or the lake was broken.
        wrong: what, in words.
    """

    trials: int = 0
    amid: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)


def power_losses(
    folder: Path, *, trials: int, seed: int, synced: bool = True, longest: float = 2.0
) -> Losses:
    """Cut the power so many times, each on a lake of its own.

    Args:
        folder: to work in.
        trials: how many.
        seed: of the moments.
        synced: False for the control: syncing does nothing, so data must be lost.
        longest: the latest moment, after the first command began [s].
    """
    draw, result = random.Random(seed), Losses()
    dumps = _dumps(folder / "dumps")
    steps = [["ingest", f"../dumps/{path.name}"] for path in dumps]
    steps.insert(len(steps) // 2, ["compact"])
    strace = None if synced else NO_SYNC
    for _ in range(trials):
        with Disk(folder) as disk:
            acknowledged, amid = _until_cut(disk, steps, draw.uniform(0.02, longest), strace)
            disk.unmount()
            disk.mount()
            wrong = _judged(disk.place, acknowledged)
            if not wrong and synced:
                wrong = _finished(disk.place, steps, dumps)
        result.trials += 1
        result.amid += amid
        result.acknowledged += len(acknowledged)
        result.lost += bool(wrong)
        result.wrong += wrong[:3]
    return result


def _dumps(folder: Path) -> list[Path]:
    """Small dumps, some of whose events are in two of them."""
    return [
        write(
            folder / f"{number:02}.jsonl",
            [creation(job), *(event(job, n) for n in range(1 + number, 4 + 2 * number))],
        )
        for number in range(12)
        for job in [number % len(JOBS)]
    ]


def _until_cut(
    disk: Disk, steps: list[list[str]], moment: float, strace: Sequence[str] | None
) -> tuple[set[str], bool]:
    """Run the steps until the power goes; the dumps acknowledged, and whether a command was hit."""
    acknowledged: set[str] = set()
    zygote = started()  # before the clock runs
    cut = threading.Event()

    def cut_power() -> None:
        cut.set()
        disk.cut()

    timer = threading.Timer(moment, cut_power)
    timer.start()
    amid = False
    for step in steps:
        ended = zygote.run([*step, "--lake", "lake"], cwd=disk.place, strace=strace)
        if ended.code != 0:
            amid = True
            if not cut.is_set():
                raise AssertionError(f"{step}: failed before the cut: {ended}")
            break
        acknowledged |= {Path(path).name for path in step[1:]}
    timer.join()
    return acknowledged, amid


def _judged(place: Path, acknowledged: set[str]) -> list[str]:
    """What is wrong with the lake after the power came back."""
    lake = place / "lake"
    try:
        if not is_lake(lake):
            return [f"no lake, but {len(acknowledged)} dumps acknowledged"] if acknowledged else []
        lost = acknowledged - sources_of(lake)
        wrong = [f"acknowledged, but not in the lake: {sorted(lost)}"] if lost else []
        return wrong + unsound(lake)
    except Exception as error:  # whatever a torn ledger does to its readers
        return [f"the lake does not open: {error!r}"]


def _finished(place: Path, steps: list[list[str]], dumps: list[Path]) -> list[str]:
    """What is wrong once all commands have been run again."""
    for step in steps:
        ended = started().run([*step, "--lake", "lake"], cwd=place)
        if ended.code != 0:
            return [f"once more: {' '.join(step)}: exit code {ended.code}: {ended.stderr}"]
    wrong = unsound(place / "lake", settled=True)
    if not wrong and events_in(place / "lake") != events_of(dumps):
        wrong = ["once more: the lake does not hold the events of the dumps"]
    return wrong
