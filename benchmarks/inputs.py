"""What is measured on: dumps written by `tunelog synth`, and a lake grown by many ingests."""

from __future__ import annotations

import json
import shutil
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import TUNELOG, run

EVENTS, JOBS, FILES = 1_500_000, 1_500, 20_000
LAKE_EVENTS, LAKE_INGESTS = 10_000_000, 20
KNOWN_JOBS, NEW_EVENTS = 10, 1_000
_KIND = ("--dialect", "openai", "--method", "supervised")


@dataclass(frozen=True)
class Inputs:
    """Files to be read, at a scale.

    Attributes:
        folder: where they lie.
        scale: 1 for the sizes named in this module.
        large: a large lake that is there already, to be read only.
    """

    folder: Path
    scale: float
    large: Path | None = None

    def sized(self, number: int) -> int:
        """A size at this scale."""
        return max(round(number * self.scale), 1)

    def _synth(self, name: str, events: int, jobs: int, *options: str, seed: int = 0) -> Path:
        path = self.folder / name
        if not path.exists():
            sizes = ("--events", str(events), "--jobs", str(jobs), "--seed", str(seed))
            run([*TUNELOG, "synth", str(path), *sizes, *_KIND, *options])
        return path

    def lines(self, times: int = 1) -> Path:
        """One file of JSON lines, `times` as large as the usual one."""
        events, jobs = self.sized(EVENTS * times), self.sized(JOBS * times)
        return self._synth(f"lines-{times}.jsonl", events, jobs)

    def array(self) -> Path:
        """As many events in one JSON document, each with a field that names its job."""
        return self._synth("array.json", self.sized(EVENTS), self.sized(JOBS), "--form", "array")

    def page(self) -> Path:
        """The very lines of `lines` in one array."""
        path = self.folder / "page.json"
        with self.lines().open("rb") as lines, path.open("wb") as page:
            page.write(b"[")
            for number, line in enumerate(lines):
                page.write((b"," if number else b"") + line)
            page.write(b"]")
        return path

    def many_files(self) -> Path:
        """A folder of small files, one a job, 75 events each."""
        files = self.sized(FILES)
        return self._synth("files", files * EVENTS // FILES, files, "--form", "files")

    def lake(self, news: int) -> tuple[Path, list[Path]]:
        """A large lake, and files of new events of jobs that it knows.

        Args:
            news: how many such files.

        Returns:
            The lake, and the files: of each of some jobs the creation message, which the lake
            has, and the job's last events, which it has not.
        """
        lake = self.folder / "lake"
        events = self.sized(LAKE_EVENTS) // LAKE_INGESTS
        jobs = max(events // 1_000, 2 * KNOWN_JOBS * news)
        wanted: list[Path] = []
        for number in range(LAKE_INGESTS):
            long = ("--outcome", "succeeded")
            dump = self._synth("growing.jsonl", events, jobs, *long, seed=100 + number)
            if not number:
                wanted = self._hold_back(dump, news)
            run([*TUNELOG, "ingest", str(dump), "--lake", str(lake)])
            dump.unlink()
        return lake, wanted

    def _hold_back(self, dump: Path, news: int) -> list[Path]:
        """Move the last events of the first jobs of a dump to files of their own."""
        tail = NEW_EVENTS // KNOWN_JOBS
        whole = dump.with_suffix(".whole")
        dump.rename(whole)
        paths = [self.folder / f"new-{number}.jsonl" for number in range(news)]
        parts = [path.open("wb") for path in paths]
        taken = 0
        with whole.open("rb") as source, dump.open("wb") as rest:

            def close(job: deque[bytes]) -> None:
                nonlocal taken
                if taken < KNOWN_JOBS * news and len(job) > tail + 1:
                    part = parts[taken % news]
                    part.write(job[0])
                    part.writelines(list(job)[-tail:])
                    rest.writelines(list(job)[:-tail])
                    taken += 1
                else:
                    rest.writelines(job)
                job.clear()

            job: deque[bytes] = deque()
            for line in source:
                if b'"Created fine-tuning job: ' in line and job:
                    close(job)
                job.append(line)
            close(job)
        for part in parts:
            part.close()
        whole.unlink()
        if taken < KNOWN_JOBS * news:
            raise RuntimeError(f"only {taken} jobs are long enough: raise --scale")
        return paths


def totals(lake: Path) -> dict[str, int]:
    """What `tunelog sql` counts in a lake: events and jobs."""
    query = "select sum(events)::bigint as events, count(*) as jobs from jobs"
    answer = run([*TUNELOG, "sql", query, "--lake", str(lake), "--format", "jsonl"]).output
    return dict(json.loads(answer))


def emptied(path: Path) -> Path:
    """A path at which there is nothing."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    return path
