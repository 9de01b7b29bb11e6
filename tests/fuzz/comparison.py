"""What a lake holds of mutated input against what an independent reader finds in it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import beside
import oracle
from beside import Told
from dumps_of import MARK, Fuzzed, Place
from engine import asked
from strategies import comparable, weight
from verdicts import LEGACY, Verdict, events_in, own_job, parsed, same, spelled

from pipeline.lake.lake import Lake

BESIDE = re.compile(rb"fine_tuning\.job(?!\.event)|fine-tune\b(?!-event)")
"""What tells of a job beside its events."""
CONFLICT = "job_conflict"
NAMES = re.compile(r"its evidence names (.+) \(\w+\) and (.+)", re.DOTALL)
CREATED = re.compile(r"Created fine-tun(?:ing job|e): ([A-Za-z0-9_.-]+)")
AZURE = re.compile("ftevent-[0-9a-f]{32}")
COLUMNS = ("created_at", "level", "type", "message", "step", "total_steps", "misfits")
PARTS = ("events", "companions", "duplicates", "rejects", "ignored", "blank")


class Comparison:
    """The rows of a lake, to be claimed by the records of its files."""

    def __init__(self, lake: Lake, job: str | None, problems: dict[str, str]) -> None:
        """Take all rows out of a lake whose events are to belong to one job, or to any."""
        self.job, self.problems, self.wrong = job, problems, list[str]()
        self.counts: Counter[str] = Counter()
        con = asked(lake)
        tables = {
            name: con.sql(f"from lake_{name}").to_arrow_table().to_pylist()
            for name in ("sources", "events", "rejects", "variants", "companions")
        }
        self._beside: dict[str, dict[int, set[Told]]] = defaultdict(lambda: defaultdict(set))
        for row in tables["companions"]:
            told = Told(row["job_id"], row["kind"], row["content"])
            self._beside[row["source_id"]][row["position"]].add(told)
        self._told = {
            told for rows in self._beside.values() for some in rows.values() for told in some
        }
        self.sources = {row["path"]: row for row in tables["sources"]}
        self._events, self._rejects = defaultdict(list), defaultdict(list)
        for row in tables["events"]:
            self._events[row["source_id"], row["position"]].append(row)
        for row in tables["rejects"]:
            self._rejects[row["source_id"], row["position"]].append(row)
        self._held: dict[str, list[Any]] = defaultdict(list)
        self._given: dict[str, list[Any]] = defaultdict(list)
        self._variants: dict[str, set[Any]] = defaultdict(set)
        for row in tables["variants"]:
            self._variants[row["event_id"]].add(weight(parsed(row["event"])))

    # -- one file -------------------------------------------------------------------------------

    def compare(self, file: Fuzzed) -> None:
        """Compare what became of a file with what it holds."""
        source = self.sources.get(str(file.path))
        if source is None:
            return self._refused(file)
        if source["records"] != sum(source[part] for part in PARTS):
            self._note(file, f"is not conserved: {source}")
        self.counts.update({name: source[name] for name in ("records", *PARTS)})
        if source["form"] == "lines":
            self._by_lines(file, source)
        elif source["form"] == "documents":
            self._by_documents(file, source)
        else:  # a result file: its own tests judge its rows
            self._events = {k: v for k, v in self._events.items() if k[0] != source["source_id"]}
            self._rejects = {k: v for k, v in self._rejects.items() if k[0] != source["source_id"]}
        return None

    def _refused(self, file: Fuzzed) -> None:
        told = self.problems.get(str(file.path))
        if told is None:  # a file of the same content came before it
            return
        self.counts["refused"] += 1
        inside, _ = file.document_events()
        events = [v for v in inside if v.kind == "event"]
        events += [p.verdict for p in file.lines() if p.verdict.kind == "event"]
        begun = file.content.removeprefix(MARK).lstrip()[:1] in (b"{", b"[")  # else a text is named
        if events and begun and "does not read yet" not in told:
            self._note(file, f"{len(events)} events, refused: {told}: {file.content[:2_000]!r}")

    def _by_lines(self, file: Fuzzed, source: dict[str, Any]) -> None:
        kinds: Counter[str] = Counter()
        damages = [
            row["byte_offset"]
            for key, rows in self._rejects.items()
            for row in rows
            if key[0] == source["source_id"] and row["reason"] == "corrupt_compression"
        ]
        if damages and file.path.suffix == ".zst":  # kept block by block: of a broken one, nothing
            file.content = file.content[: damages[0]]
        places = file.lines()
        for place in places:
            key = source["source_id"], place.position
            rows, rejects = self._events.pop(key, []), self._rejects.pop(key, [])
            if file.damaged and place is places[-1]:
                rejects += self._rejects.pop((key[0], place.position + 1), [])
                rejects = [row for row in rejects if row["reason"] != "corrupt_compression"]
            kind = self._expected(place.verdict)
            kinds[kind] += 1
            wrong = {
                "event": self._as_event, "reject": self._as_reject, "container": self._as_container,
                "beside": self._as_nothing,
            }.get(kind, self._as_nothing)(place, rows, rejects)  # fmt: skip
            wrong = wrong or self._told_beside(place, source)
            if wrong:
                self._note(file, f"line {place.position}: {wrong}: {place.raw[:2_000]!r}")
        if not kinds["container"]:
            kinds["reject"] += file.damaged
            others = [place.verdict for place in places if place.verdict.kind == "beside"]
            kinds["told"] = kinds["event"] + sum(len(verdict.told) for verdict in others)
            kinds["ignored"] += sum(verdict.others for verdict in others)
            told = sum(source[part] for part in ("events", "duplicates", "companions"))
            found = (source["blank"], source["rejects"], source["ignored"], told)
            if found != tuple(kinds[name] for name in ("blank", "reject", "ignored", "told")):
                self._note(file, f"(blank, rejects, ignored, told) are {found}, not {dict(kinds)}")

    def _expected(self, verdict: Verdict) -> str:
        """The kind of a verdict, where --job-id names the job of all records."""
        if verdict.kind == "event" and self.job:
            own = own_job(verdict.value)
            if own and own != self.job:
                verdict.reasons = {CONFLICT}
                return "reject"
        return verdict.kind

    def _as_event(self, place: Place, rows: list[Any], rejects: list[Any]) -> str:
        value = place.verdict.value
        self._give(value)
        if rejects:
            return f"an event was rejected: {_short(rejects)}"
        if len(rows) > 1:
            return "more than one event of one line"
        for row in rows:
            self._hold(row, value)
            if row["offset"] != place.offset:
                return f"its offset is {place.offset}, not {row['offset']}"
            return ", ".join(self._differences(row, place.verdict, place.raw))
        return ""

    def _as_reject(self, place: Place, rows: list[Any], rejects: list[Any]) -> str:
        if rows or len(rejects) != 1:
            return f"no reject for {place.verdict.reasons}: {_short(rows)} {_short(rejects)}"
        (reject,) = rejects
        wanted = (place.offset, len(place.raw), place.raw)
        if (reject["byte_offset"], reject["byte_length"], reject["raw"]) != wanted:
            return f"rejected with other bytes: {reject}"
        if reject["reason"] not in place.verdict.reasons:
            return f"rejected as {reject['reason']}, not {place.verdict.reasons}"
        return ""

    def _as_nothing(self, place: Place, rows: list[Any], rejects: list[Any]) -> str:
        if rows or rejects:
            return f"{place.verdict.kind}, but there are {_short(rows)} {_short(rejects)}"
        return ""

    def _told_beside(self, place: Place, source: dict[str, Any]) -> str:
        """Compare what a line tells beside events; a container may leave out some of it."""
        verdict = place.verdict
        held = self._beside[source["source_id"]][place.position]
        wanted = set(verdict.told)
        if verdict.kind == "container":
            more = held - beside.anywhere(verdict.value, lambda part: any(events_in(part)))
            return f"told beside events, though it is not there: {more}" if more else ""
        if held - wanted or wanted - self._told:
            return f"beside events it tells {wanted}, not {held}"
        return ""

    def _as_container(self, place: Place, rows: list[Any], rejects: list[Any]) -> str:
        return self._inside(place.verdict.inside, rows, rejects, whole=True)

    def _inside(
        self, inside: list[Verdict], rows: list[Any], rejects: list[Any], *, whole: bool
    ) -> str:
        """Compare the events in a document with rows; it need not be whole."""
        if not self.job:
            self._conflicts(inside, rejects)
        kinds = [self._expected(verdict) for verdict in inside]
        events = [v for v, kind in zip(inside, kinds, strict=True) if kind == "event"]
        by_id = defaultdict(list)
        for verdict in events:
            self._give(verdict.value)
            by_id[verdict.value.get("id") or None].append(verdict)
        for row in rows:
            known = by_id.get(row["event_id"]) or by_id.get(None) or []
            tried = [(self._differences(row, verdict, None), verdict) for verdict in known]
            if not tried:
                return f"an event that is not there: {row['event_id']} at {row['offset']}"
            differences, verdict = min(tried, key=lambda pair: len(pair[0]))
            if differences:
                return ", ".join(differences)
            self._hold(row, verdict.value)
        told = Counter(row["reason"] for row in rejects)
        # Of several faults one is told: what has a single one takes its reason first.
        for verdict, kind in sorted(
            zip(inside, kinds, strict=True), key=lambda p: len(p[0].reasons)
        ):
            if kind == "reject" and whole:
                reason = next((r for r in verdict.reasons if told[r]), None)
                if reason is None:
                    return f"no reject inside for {verdict.reasons}: {_short(rejects)}"
                told[reason] -= 1
        return ""

    def _conflicts(self, inside: list[Verdict], rejects: list[Any]) -> None:
        """Where no job is given: events that a document tells another job than they do are rejects.

        Which job the document tells is for other tests; that an event in it tells one is not.
        """
        said = [v.value.get("message") for v in inside if isinstance(v.value, dict)]
        named = {found[1] for text in said if (found := CREATED.match(str(text)))}
        told = [
            comparable(parsed(row["raw"].decode()))
            for row in rejects
            if row["reason"] == CONFLICT
            and (names := NAMES.fullmatch(row["detail"]))
            and names[1] != names[2]
            and named & {names[1], names[2]}
        ]
        for verdict in inside:
            if verdict.kind == "event" and (value := comparable(verdict.value)) in told:
                told.remove(value)
                verdict.kind, verdict.reasons = "reject", {CONFLICT}

    def _by_documents(self, file: Fuzzed, source: dict[str, Any]) -> None:
        keys = [key for key in (*self._events, *self._rejects) if key[0] == source["source_id"]]
        rows = [row for key in dict.fromkeys(keys) for row in self._events.pop(key, [])]
        rejects = [row for key in dict.fromkeys(keys) for row in self._rejects.pop(key, [])]
        inside, whole = file.document_events()
        wrong = self._inside(inside, rows, rejects, whole=whole)
        if wrong:
            self._note(file, f"{wrong}: {file.content[:4_000]!r}")
        events = sum(self._expected(verdict) == "event" for verdict in inside)
        found = source["events"] + source["duplicates"]  # of companions too
        if found != events and not (found > events and BESIDE.search(file.content)):
            found = f"{source['events']} + {source['duplicates']}"
            self._note(file, f"{found} events, not {events}: {file.content[:4_000]!r}")
        if not whole and not file.damaged and not rejects:
            self._note(file, f"breaks off without a reject: {file.content[:4_000]!r}")

    def _differences(self, row: Any, verdict: Verdict, raw: bytes | None) -> Iterator[str]:
        return list(differences(row, verdict, raw, self.job))

    # -- all files ------------------------------------------------------------------------------

    def _give(self, value: dict[str, Any]) -> None:
        if value.get("id"):
            self._given[value["id"]].append(value)

    def _hold(self, row: Any, value: dict[str, Any]) -> None:
        if value.get("id"):
            self._held[value["id"]].append(value)

    def settle(self) -> None:
        """Compare which of equal identities stayed, and that no row is left unclaimed."""
        for key in (*self._events, *self._rejects):
            self.wrong.append(f"a row of no file: {key}")
        for event_id, values in self._given.items():
            held = self._held[event_id]
            if not held or (self.job and len(held) > 1):
                self.wrong.append(f"{event_id!r} is there {len(held)} times: {values}")
            elif self.job:
                weights = {weight(value) for value in values}
                if weight(held[0]) != max(weights):
                    self.wrong.append(f"{event_id!r}: another content won: {values}")
                if self._variants[event_id] != weights - {max(weights)}:
                    self.wrong.append(
                        f"{event_id!r}: variants {self._variants[event_id]}: {values}"
                    )

    def winners(self) -> dict[str, list[Any]]:
        """Event id -> the contents that stayed."""
        return self._held

    def _note(self, file: Fuzzed, text: str) -> None:
        self.wrong.append(f"{file.path}: {text}")


def differences(row: Any, verdict: Verdict, raw: bytes | None, job: str | None) -> Iterator[str]:
    """In which columns a row of events is not what its record says."""
    event, value = verdict.event, verdict.value
    assert event is not None
    wanted = {name: getattr(event, name) for name in COLUMNS} | {"object": value.get("object")}
    wanted["misfits"] = event.misfits or None
    if value.get("id"):
        wanted["event_id"] = value["id"]
    legacy = value.get("object") == LEGACY
    azure = AZURE.fullmatch(value.get("id") or "")
    wanted["dialect"] = "legacy" if legacy else "azure" if azure else "openai"
    if job:
        wanted["job_id"] = job
    for name, content in wanted.items():
        if row[name] != content:
            yield f"{name} is {row[name]!r}, not {content!r}"
    for name in oracle.KNOWN:
        if not same(row[name], event.metrics.get(name)):
            yield f"{name} is {row[name]!r}, not {event.metrics.get(name)!r}"
    found = dict(row["other_metrics"] or [])
    if found.keys() != event.other.keys() or any(
        not same(found[key], event.other[key]) for key in found
    ):
        yield f"other_metrics are {found}, not {event.other}"
    sent = value.get("data", oracle.ABSENT)
    if (row["data"] is None) != (sent is oracle.ABSENT):
        yield f"data is {row['data']!r}"
    elif row["data"] is not None and raw is not None:
        last = [part[1] for part in spelled(raw.decode().strip(" \t\r\n\ufeff"))[1:]
                if part[0] == "data"][-1]  # fmt: skip
        if spelled(row["data"]) != last or row["data"] not in raw.decode():
            yield f"data is {row['data']!r}, not as sent"
    elif row["data"] is not None and comparable(parsed(row["data"])) != comparable(sent):
        yield f"data is {row['data']!r}, not {sent!r}"


def _short(rows: list[Any]) -> list[str]:
    return [f"{row.get('reason') or row.get('event_id')} ({row.get('detail', '')})" for row in rows]
