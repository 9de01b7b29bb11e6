"""The faults that `tests.mutants` plants: at least one for each law and each reject reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A deliberate fault.

    Attributes:
        law: what it breaks.
        fault: what it does, in words.
        file: where it goes.
        old: the text it replaces, once in the file.
        new: the text in its place.
        test: the test that must fail.
    """

    law: str
    fault: str
    file: str
    old: str
    new: str
    test: str


BESIDE = "tests/test_companions.py::test_"
LAWS = "tests/test_laws.py::test_"
PLACES = "tests/test_rejects.py::test_reason_place_and_bytes"
READERS = "tests/test_normalise.py::test_"
JOBS = "tests/test_attribution.py::test_"
STORE = "tests/test_lake.py::test_"
ODD = "pipeline/lake/odd.py"
REGULAR = "sql/normalise/regular.sql"
MARKS = "pipeline/marks.py"
ARCHIVE = "tests/archive/test_archive.py::test_"
PROOF = "tests/archive/test_archive_verify.py::test_"
FETCHING = "pipeline/archive/fetching.py"
LOOKS = "tests/test_verify.py::test_"
VERIFY = "pipeline/lake/verify.py"
SHOWN = "tests/test_hostile_output.py::test_"
MANY = "tests/test_compaction.py::test_"
CRASH = "tests/crash/test_crash.py::test_"
FUZZ = "tests/fuzz/test_fuzz.py::test_"
EXACT = "pipeline/exact.py"
IDENTITY = "pipeline/lake/identity.py"
SCOUT = "pipeline/attribution.py"
INGEST = "pipeline/lake/ingest.py"

MUTANTS = (
    # -- conservation
    Mutant("conservation", "blank lines are not counted", ODD,
           'self.tally[source, "blank", ""] += 1', "pass", LAWS + "conservation"),
    Mutant("conservation", "duplicates are counted as events", "pipeline/lake/reports.py",
           "repeats = settled.fresh[reading.source_id]", "repeats = 0",
           LAWS + "conservation"),
    Mutant("conservation", "a row lost to a later file stays counted", "pipeline/lake/change.py",
           "lost = settled.held.copy()", "lost = type(settled.held)()", LAWS + "identity"),
    Mutant("conservation", "events of one body go with any of their repeats",
           "sql/lake/without_losers.sql", "    and one_file.position = losers.position\n", "",
           "tests/test_ingest.py::test_repeats_inside_a_recorded_body"),
    Mutant("conservation", "a grown file is read on from its records, not its lines",
           "pipeline/lake/growth.py", "reading.first = lines + (ended and open_line)",
           'reading.first = old["records"]', "tests/test_ingest.py::test_a_file_that_grows"),
    Mutant("conservation", "the reject of a once cut-off line stays", INGEST,
           "        drop_rejects(store, commit, readings)\n", "",
           "tests/test_ingest.py::test_a_file_that_grows"),
    # -- lossless
    Mutant("lossless", "unknown fields are left out", IDENTITY,
           "    if extra:\n", "    if False:\n", LAWS + "lossless"),
    Mutant("lossless", "a null payload becomes an absent one", REGULAR,
           "case when null_payload then 'null' else payload end", "payload",
           READERS + "common_events_take_the_quick_way"),
    Mutant("lossless", "rejected bytes are stripped", ODD,
           'raw = record.raw.removesuffix(b"\\n")', 'raw = record.raw.rstrip(b"}\\n")',
           LAWS + "lossless"),
    Mutant("lossless", "unknown fields are not kept", EXACT,
           "    if odd:\n        event.extra", "    if False:\n        event.extra",
           LAWS + "lossless"),
    Mutant("lossless", "the export does not name its jobs", "pipeline/lake/export.py",
           'if name != job:', "if False:", LAWS + "lossless"),
    # -- repeat
    Mutant("repeat", "a job given does not count", INGEST,
           "        version and store.ledger.known(reading.content_hash, reading.hint)",
           '        version and store.ledger.known(reading.content_hash, "")', STORE + "the_same_file_again"),
    Mutant("repeat", "what the lake holds is not looked at", "pipeline/lake/change.py",
           "if held or taken.pending or names.jobs or settle.repeats(con, fresh):",
           "if taken.pending or names.jobs or settle.repeats(con, fresh):", LAWS + "repeat"),
    # -- order of arrival
    Mutant("order of arrival", "of contents equal in meaning the first stays",
           "sql/lake/losers.sql", "order by coalesce(place, 0), same, is_held desc",
           "order by coalesce(place, 0), is_held desc, same", LAWS + "order_of_arrival"),
    Mutant("order of arrival", "who came first wins", "sql/lake/losers.sql",
           "order by coalesce(place, 0), same, is_held desc", "order by is_held desc, place",
           LAWS + "order_of_arrival"),
    Mutant("order of arrival", "earlier nameless events are not adopted",
           "pipeline/lake/settle.py", "            elif member != job:\n",
           "            elif False:\n", JOBS + "attribution_needs_no_order"),
    # -- split
    Mutant("split", "file names tell nothing", "pipeline/sources.py",
           "            return jobs.pop() if len(jobs) == 1 else None\n        if folder",
           "            return None\n        if folder", LAWS + "split"),
    # -- identity
    Mutant("identity", "{} differs from absent", IDENTITY, "(None, {})", "(None,)",
           LAWS + "identity"),
    Mutant("identity", "1 differs from 1.0", IDENTITY, "        return int(value)\n",
           "        return value\n", LAWS + "identity"),
    Mutant("identity", "the smallest content wins", "pipeline/lake/settle.py",
           "group.sort(key=lambda entry: entry[0], reverse=True)",
           "group.sort(key=lambda entry: entry[0])", LAWS + "identity"),
    Mutant("identity", "contents that differ in data only count as equal",
           "sql/lake/contested.sql", "given.data, given.extra\n    ) as same",
           "given.extra\n    ) as same", LAWS + "identity"),
    Mutant("identity", "a variant is kept each time it comes", "pipeline/lake/change.py",
           "if tuple(row[k] for k in keys) not in kept]", "]", LAWS + "repeat_of_variants"),
    # -- order in time
    Mutant("order in time", "newest-first streams are not turned", "pipeline/lake/batches.py",
           "self.signs.append(-1 if stream.newest_first else 1)", "self.signs.append(1)",
           LAWS + "conservation"),
    Mutant("order in time", "queued ranks after started", "sql/views/staging/stg_events.sql",
           "when 'queued' then 3", "when 'queued' then 5", LAWS + "order_in_time"),
    Mutant("order in time", "steps of messages are not read", "sql/views/staging/stg_events.sql",
           "when lifecycle in ('step', 'checkpoint')", "when lifecycle = 'checkpoint'",
           LAWS + "order_in_time"),
    # -- late keys
    Mutant("late keys", "unknown numbers are dropped", EXACT,
           "        else:\n            event.other_metrics.update(_leaves(value, _escape(name)))",
           "", LAWS + "late_keys"),
    Mutant("late keys", "unknown keys pass for none", REGULAR,
           "            = 14", "            >= 14", LAWS + "late_keys"),
    # -- the quick reader
    Mutant("one verdict", "a bare word passes for a message", REGULAR,
           "            and strlen(e.message) > 9\n", "", READERS + "each_word_in_each_place"),
    Mutant("one verdict", "trailing commas pass", MARKS, "    if len(commas):\n", "    if False:\n",
           READERS + "regular_records_are_read_exactly"),
    Mutant("one verdict", "true passes for 1", REGULAR,
           "then not (contains(payload, 'true') or contains(payload, 'false'))", "then true",
           READERS + "each_word_in_each_place"),
    Mutant("one verdict", "a step loses its last digits", REGULAR,
           "d.step = floor(d.step) and abs(d.step) < 9007199254740992", "d.step = floor(d.step)",
           READERS + "each_word_in_each_place"),
    Mutant("one verdict", "an unknown level passes", REGULAR, "            and level is not null\n",
           "", READERS + "each_word_in_each_place"),
    Mutant("one verdict", "bytes that are no UTF-8 pass", MARKS,
           "    flat[_foul(block)] = False\n", "", READERS + "foul_bytes_stay_in_their_record"),
    Mutant("one verdict", "infinite steps end the ingest", EXACT,
           "number is not None and number % 1 == 0", "number is not None and int(number) == number",
           READERS + "each_word_in_each_place"),
    # -- one of each reject reason
    Mutant("invalid_utf8", "foul bytes are replaced", EXACT,
           'raw.decode("utf-8")', 'raw.decode("utf-8", "replace")', PLACES),
    Mutant("malformed_json", "broken lines count as cut off", EXACT,
           'else "malformed_json"', 'else "cut_off"', PLACES),
    Mutant("cut_off", "a cut-off line counts as broken", EXACT,
           'reason = "cut_off" if last and', 'reason = "cut_off" if False and', PLACES),
    Mutant("too_deep", "depth counts as broken", EXACT,
           'Reject("too_deep", "nested deeper than Python\'s json follows")',
           'Reject("malformed_json", "nested deeper")', PLACES),
    Mutant("too_large", "long lines pass", "pipeline/forms/lines.py",
           "            if len(raw) > max_record_bytes:\n", "            if False:\n", PLACES),
    Mutant("not_an_object", "a bare number is ignored", EXACT,
           'return Reject("not_an_object", f"{_kind(value)}: {text[:60]}")',
           'return Ignored("scalar")', PLACES),
    Mutant("unknown_object", "any object is ignored", EXACT,
           'return Reject("unknown_object", _keys(value))', 'return Ignored("object")', PLACES),
    Mutant("missing_field", "a null field is wrong, not missing", EXACT,
           "if value.get(name) is None and not", "if name not in value and not", PLACES),
    Mutant("wrong_type", "true passes for a time", EXACT,
           "if isinstance(created_at, bool) or not isinstance(created_at, int | float):",
           "if not isinstance(created_at, int | float):", PLACES),
    Mutant("bad_time", "times before 1970 pass", EXACT,
           "if not (0 <= created_at <= _LAST_TIME):", "if not (created_at <= _LAST_TIME):", PLACES),
    Mutant("lone_surrogate", "half a pair passes", EXACT,
           "        if not _storable(content):\n", "        if False:\n", PLACES),
    Mutant("job_conflict", "contrary evidence is merged", "pipeline/lake/batches.py",
           'if stream.conflict and stream.told_by != "flag":', "if False:",
           "tests/test_rejects.py::test_job_conflict"),
    Mutant("corrupt_compression", "damage is not told", "pipeline/lake/intake.py",
           "if reading.damage:", "if False:", "tests/test_rejects.py::test_corrupt_compression"),
    Mutant("rejects", "the offset is the position", ODD,
           '"byte_offset": record.offset', '"byte_offset": record.position', PLACES),
    Mutant("rejects", "replayed rejects stay", "sql/lake/still_rejected.sql",
           "anti join passed using (source_id, position, byte_offset)", "",
           "tests/test_rejects.py::test_replay"),
    Mutant("rejects", "replay does not count", "pipeline/lake/mend.py",
           "store.ledger.recount(counts)", "pass",
           "tests/test_rejects.py::test_replay"),
    # -- attribution
    Mutant("attribution", "a name is nearer than a creation message", SCOUT,
           "        elif created:\n", "        elif created and not self._hint:\n",
           JOBS + "nearer_evidence_wins"),
    Mutant("attribution", "contrary evidence does not stop --job-id", "pipeline/lake/reading.py",
           "if contrary and not self.force:", "if False:", JOBS + "flag_against_evidence"),
    Mutant("attribution", "files are taken to run with time", "pipeline/glimpses.py",
           "        return 1 if low.time < high.time else -1\n", "        return 1\n",
           JOBS + "many_jobs_in_one_file"),
    Mutant("attribution", "what was told on sight stands whatever the end tells",
           "pipeline/lake/reading.py", "_replace(last=told[-1].last) != told[-1]:",
           "first is told:", JOBS + "read_on_sight"),
    Mutant("attribution", "job objects far down are overlooked", ODD,
           "job_line(record.raw, 0):", "False:", JOBS + "read_on_sight"),
    Mutant("attribution", "Validating does not stay with Created", SCOUT,
           "same = glimpse is not None and", "same = False and",
           JOBS + "validating_beside_created"),
    Mutant("attribution", "time stamps used as ids link jobs", "sql/lake/shared_ids.sql",
           "            and event_id[10:24] <> event_id[25:39]\n", "",
           JOBS + "times_as_ids_link_nothing"),
    Mutant("attribution", "variants stay behind", "pipeline/lake/change.py",
           "        self._rename_variants(con, jobs)\n", "",
           JOBS + "variants_follow_their_job"),
    Mutant("attribution", "a field of the event names no job", EXACT,
           '(value[k] for k in JOB_FIELDS if', "(value[k] for k in () if",
           JOBS + "job_field_of_an_event"),
    # -- what lies beside events
    Mutant("companions", "unknown fields are kept", "pipeline/companions.py",
           "    kept = {}\n    for name, wanted", "    kept = dict(value)\n    for name, wanted",
           BESIDE + "wherever_it_lies"),
    Mutant("companions", "a listed field holds anything", "pipeline/companions.py",
           "content = _KINDS[wanted](content)", "pass", BESIDE + "what_is_listed"),
    Mutant("companions", "repeats are kept", "sql/lake/new_companions.sql",
           "anti join held using (job_id, kind, content)\n", "", BESIDE + "whose_result_file"),
    Mutant("companions", "of two jobs that name a result file one gets it",
           "pipeline/lake/ingest.py", "if len(jobs) != 1:", "if not jobs:",
           BESIDE + "whose_result_file"),
    Mutant("companions", "result rows stay behind", "sql/lake/renamed_companions.sql",
           "case when fresh.kind = 'result' then coalesce(names.new, fresh.job_id) "
           "else fresh.job_id end", "fresh.job_id", BESIDE + "assign_moves"),
    # -- the store
    Mutant("store", "a failed commit stays", "pipeline/lake/ledger.py",
           '                self._db.execute("rollback")\n            raise',
           '                self._db.execute("commit")\n            raise',
           STORE + "a_crash_before_the_commit"),
    Mutant("store", "a rival's commit goes unseen", "pipeline/lake/growth.py",
           "return row is not None\n", "return False\n",
           STORE + "the_same_content_committed_meanwhile"),
    Mutant("store", "a rival's reading on goes unseen", "pipeline/lake/growth.py",
           '    if row["content_hash"] == reading.grown_from["content_hash"]:\n',
           "    if True:\n", STORE + "growth_committed_meanwhile"),
    Mutant("store", "newer lakes are opened", "pipeline/lake/ledger.py",
           "if version > LAKE_VERSION:", "if False:",
           STORE + "a_newer_lake_is_refused"),
    Mutant("store", "compaction keeps the old files live", "pipeline/lake/compact.py",
           "                commit.remove(file)\n", "                pass\n", STORE + "compaction"),
    Mutant("store", "old files go at once", "pipeline/lake/store.py",
           "_KEPT = timedelta(hours=24)", "_KEPT = timedelta(hours=-1)", STORE + "compaction"),
    Mutant("store", "segments of a crash stay for ever", "pipeline/lake/store.py",
           "if path.name not in named and touched < moment:", "if False:",
           STORE + "a_crash_before_the_commit"),
    # -- any input
    Mutant("fuzz", "true is a number", EXACT,
           "    if isinstance(value, bool):\n        return None\n", "", FUZZ + "any_records"),
    Mutant("fuzz", "numbers beyond doubles are none", EXACT,
           "return math.inf if value > 0 else -math.inf", "return None", FUZZ + "any_records"),
    Mutant("fuzz", "a text with half a surrogate pair is stored", EXACT,
           "if not _storable(content):", "if False:", FUZZ + "any_records"),
    Mutant("fuzz", "equal names in a list hide each other", EXACT,
           "unique, count = name, counts.get(name, 0) + 1", "unique, count = name, 1",
           FUZZ + "any_records"),
    Mutant("fuzz", "the first of equal keys counts for the payload", EXACT,
           "return {key: text[start:end] for key, start, end, _ in spans(text, 0)}",
           "return {k: text[s:e] for k, s, e, _ in reversed(list(spans(text, 0)))}",
           FUZZ + "mutated_records"),
    Mutant("fuzz", "gzip data is read by the piece only", "pipeline/forms/compression.py",
           "                yield from _before_damage(before, data)\n", "",
           FUZZ + "mutated_records"),
    Mutant("fuzz", "a broken document gives nothing", "pipeline/forms/walker.py",
           "                if waiting.events == events:\n                    waiting.keep(first)\n"
           "                yield from", "                waiting.keep(first)\n"
           "                yield from", FUZZ + "mutated_records"),
    Mutant("fuzz", "offsets are of the file without its mark", "pipeline/lake/guard.py",
           "self.skipped = 3", "self.skipped = 0", FUZZ + "mutated_records"),
    Mutant("lossless", "an empty id is forgotten", EXACT,
           "return not value or value.startswith(CONTENT_ID)", "return False",
           LAWS + "lossless_ids"),
    Mutant("lossless", "an export's line is one piece of evidence among others", SCOUT,
           "exported = len(value) == 2", "exported = False",
           JOBS + "an_export_names_jobs_beyond_doubt"),
    Mutant("jobs", "fields of events are weighed below an export's line", ODD,
           "if event.job is not None and stream not in streams.exported:",
           "if event.job is not None:", JOBS + "an_export_names_jobs_beyond_doubt"),
    Mutant("jobs", "events apart from their stream have no direction",
           "pipeline/lake/reports.py", '"newest_first": int(stream.newest_first),',
           '"newest_first": int(stream.newest_first and "@" not in name),',
           JOBS + "job_fields_in_a_page"),
    Mutant("jobs", "an event that mentions a job object is one", SCOUT,
           'if not isinstance(value, dict) or value.get("object") != "fine_tuning.job":',
           'value = value.get("data", {}).get("job", value)\n    if not value:',
           JOBS + "a_job_inside_an_event"),
    # -- verification
    Mutant("verify", "contents are not hashed", VERIFY,
           "    return f\"its content was changed: its hash is {digest} now\""
           " if digest != path.stem else None\n",
           "    return None\n", LOOKS + "each_damage_is_found"),
    Mutant("verify", "files are not looked for", VERIFY,
           "if (folder, path.name) not in named", "if False", LOOKS + "each_damage_is_found"),
    Mutant("verify", "snapshots are not compared", VERIFY,
           "yield from self._snapshots(con)", "pass", LOOKS + "each_damage_is_found"),
    Mutant("verify", "no rule about rows is tried", VERIFY,
           "for check in views.checks():", "for check in ():", LOOKS + "each_damage_is_found"),
    Mutant("verify", "commits under way are strays", VERIFY,
           "                strays = self._unnamed()\n", "                pass\n",
           LOOKS + "a_commit_under_way_is_no_stray"),
    Mutant("store", "open.sql stays behind after a crash", "pipeline/lake/store.py",
           "        if writable and self.ledger.version():\n", "        if False:\n",
           LOOKS + "a_crash_before_open_sql_is_mended"),
    Mutant("store", "an overtaken writer leaves the older open.sql", "pipeline/lake/store.py",
           "        while (version := self.ledger.version()) != self.script_version():",
           "        for version in [self.ledger.version()]:",
           LOOKS + "the_last_writer_of_open_sql_is_the_latest"),
    # -- many small commits
    Mutant("small commits", "every snapshot is written whole", "pipeline/lake/store.py",
           "anew = whole or", "anew = True or", MANY + "snapshots_grow_with_what_is_new"),
    Mutant("small commits", "changed rows are not written anew", "pipeline/lake/store.py",
           "table in self.ledger.rewritten or", "", MANY + "rows_that_change_are_written_anew"),
    Mutant("small commits", "snapshots pile up", "pipeline/lake/store.py",
           " or len(parts) >= MOST_PARTS", "", MANY + "many_small_ingests"),
    Mutant("small commits", "replaced files stay although nobody wants them",
           "pipeline/lake/store.py", "removed_before(now() - keep)", "removed_before(moment)",
           MANY + "keep_nothing"),
    # -- output
    Mutant("output", "formulas stay formulas", "pipeline/cli/spreadsheet.py",
           '_BEGINNING.sub("\'", text)', "text", SHOWN + "spreadsheets_find_no_formula"),
    Mutant("output", "a cell within a cell is forgotten", "pipeline/cli/spreadsheet.py",
           "(?:^|(?<=[;\\t\\r\\n]))", "(?:^)", SHOWN + "no_text_is_a_formula"),
    Mutant("output", "Markdown is not escaped", "pipeline/cli/table.py",
           r'return _MARKDOWN.sub(r"\\\1", text)', "return text", SHOWN + "people_see_inert_text"),
    Mutant("output", "controls reach tables", "pipeline/cli/cells.py",
           '"" if t is None else inert(t) for t', '"" if t is None else t for t',
           SHOWN + "people_see_inert_text"),
    # -- crashes, power cuts, races
    Mutant("crash", "a commit becomes true in two halves", "pipeline/lake/store.py",
           "        self.ledger.end_commit(self.id)\n",
           "        self.ledger.end_commit(self.id)\n        self.ledger._db.execute('commit')\n"
           "        self.ledger._db.execute('begin immediate')\n", CRASH + "killed_and_refused"),
    Mutant("crash", "a lake has its ledger first", "pipeline/lake/store.py",
           "        if create:\n            self._make()\n",
           "        self.path.mkdir(exist_ok=True)\n"
           "        Ledger(self.path / 'ledger.db', create=create).close()\n"
           "        if create:\n            self._make()\n", CRASH + "killed_and_refused"),
    Mutant("crash", "open.sql is left to the next commit", INGEST,
           "    store.write_script()\n", "    if read:\n        store.write_script()\n",
           CRASH + "killed_and_refused"),
    Mutant("crash", "assign cannot be repeated", "pipeline/lake/mend.py",
           "if not wanted and job not in jobs:", "if not wanted:", CRASH + "killed_and_refused"),
    Mutant("crash", "a full disk is told without a path", "pipeline/lake/faults.py",
           'raise LakeError(f"{place}: {error.strerror', 'raise LakeError(f"{error.strerror',
           CRASH + "killed_and_refused"),
    Mutant("crash", "commits are reported before they are true", "pipeline/cli/ingest.py",
           "    with open_lake(lake_dir) as lake, progress_bar() as progress:\n",
           "    print('done', flush=True)\n"
           "    with open_lake(lake_dir) as lake, progress_bar() as progress:\n",
           CRASH + "killed_at_random"),
    Mutant("power", "segments are not synced", "pipeline/lake/segments.py",
           "        os.fsync(file.fileno())\n    name", "    name", CRASH + "power_cuts"),
    Mutant("power", "the ledger is not synced", "pipeline/lake/ledger.py",
           "pragma synchronous = full", "pragma synchronous = off", CRASH + "power_cuts"),
    Mutant("races", "the lock is taken with the first change only", "pipeline/lake/ledger.py",
           'self._db.execute("begin immediate")\n        except',
           'self._db.execute("begin")\n        except', CRASH + "races"),
    Mutant("races", "what rivals committed meanwhile is not looked at", "pipeline/lake/change.py",
           "held = [self._store.folder(\"events\") / name for name in ledger.segments_of(jobs)]",
           "held = []", CRASH + "races"),
    Mutant("races", "a rival's commit of the same content goes unseen", "pipeline/lake/growth.py",
           "return row is not None\n", "return False\n", CRASH + "races"),
    Mutant("races", "who waits does not say for whom", "pipeline/lake/ledger.py",
           "                waiting(holder)\n", '                waiting("another process")\n',
           CRASH + "who_waits_says_for_whom"),
    Mutant("archive", "a walk joins what is known at the first known event", FETCHING,
           "page.last in known and page.oldest < bar", "page.last in known",
           ARCHIVE + "an_event_that_slips_in_below_others_is_brought_at_once"),
    Mutant("archive", "the last walk of a job that ended joins an earlier one", FETCHING,
           "page.has_more and not walk.final and", "page.has_more and",
           ARCHIVE + "an_event_that_takes_its_place_below_others_is_there_when_the_job_has_ended"),
    Mutant("archive", "a job is done as soon as it ends", "pipeline/archive/pages.py",
           "SETTLE_SECONDS = 900", "SETTLE_SECONDS = 0",
           ARCHIVE + "a_job_that_has_just_ended_is_looked_at_again"),
    Mutant("archive", "an interrupted walk begins anew", "pipeline/archive/chains.py",
           "return walk if walk and not walk.ended and", "return walk if not walk and",
           ARCHIVE + "what_still_fails_is_told_and_the_rest_is_there"),
    Mutant("archive", "a body cut off under a good length is believed",
           "pipeline/archive/account.py",
           "raise httpx2.RemoteProtocolError(str(error), request=response.request) from None",
           "pass", ARCHIVE + "faults_that_pass_are_tried_again"),
    Mutant("archive", "lines need not follow one another", "pipeline/archive/manifest.py",
           'line is None or line.get("prev") != self.link', "line is None",
           PROOF + "a_changed_line_is_found"),
    Mutant("archive", "verify believes what a line says of its page", "pipeline/archive/verify.py",
           "if said != (", "if () == (", PROOF + "a_page_must_be_what_its_line_says"),
    Mutant("archive", "a gap between two pages goes unseen", "pipeline/archive/chains.py",
           'self.ended or line["page"] != len(self.paths) or line["after"] != self.cursor',
           "self.ended", PROOF + "pages_must_follow_one_another"),
    Mutant("archive", "bodies without a line are deleted", "pipeline/archive/store.py",
           'if f"-{digest[:12]}." not in file.name:', "if digest:",
           PROOF + "nothing_is_deleted_when_the_manifest_is_lost"),
    Mutant("archive", "an escaped key passes", "pipeline/archive/redaction.py",
           "{secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), *secret.split()}",
           "{secret}", "tests/archive/test_archive_cli.py::test_no_spelling_of_a_secret_passes"),
    Mutant("watch", "what was shown is not noted", "pipeline/archive/watch.py",
           'self._store.keep({"kind": "shown", "job": news.job.id, "events": ids})', "pass",
           "tests/archive/test_watch.py::test_only_the_newest_events_of_a_job_that_is_new_to_it_"
           "are_shown"),
)  # fmt: skip
