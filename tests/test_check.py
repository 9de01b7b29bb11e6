"""`tunelog check` as a CI meets it: real processes, exit codes, formats, settings."""

from __future__ import annotations

import json
import os
from operator import itemgetter
from pathlib import Path

import pytest
from dumps import A, an_event
from zygote import Ended, started

from pipeline import checks, open_lake, settings
from pipeline.errors import UsageError
from pipeline.sqlfiles import sql_text

ROOT = Path(__file__).parents[1]
SPIKES = ROOT / "tests" / "golden" / "verdicts" / "spikes_trip" / "input.jsonl"
FAILED = ROOT / "tests" / "golden" / "verdicts" / "all_rules_trip" / "input.jsonl"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the lakes `spikes`, `failed` and `empty`."""
    folder = tmp_path_factory.mktemp("check")
    for name, path in {"spikes": SPIKES, "failed": FAILED, "empty": None}.items():
        with open_lake(folder / name) as lake:
            lake.make()
            if path:
                lake.ingest([path])
    (folder / "calm.toml").write_text("[thresholds.loss_spikes]\nleast_rise = 9\n")
    return folder


def check(place: Path, *args: str, code: int, columns: str = "") -> Ended:
    """Run `tunelog check` in the folder."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": columns}
    done = started().run(["check", *args], cwd=place, env=environ)
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_exit_codes(place: Path) -> None:
    """1 where a named rule trips, 0 where others do, 2 for an unknown one, 1 without a job."""
    assert "check passed" in check(place, "--lake", "spikes", code=0).stderr
    assert (
        "check failed in 1" in check(place, "--lake", "spikes", "--fail-on", "spike", code=1).stderr
    )
    check(place, "--lake", "failed", "--fail-on", "none", code=0)
    told = check(place, "--lake", "spikes", "--fail-on", "spikes", code=2).stderr
    assert told == "--fail-on: no rule 'spikes': did you mean 'spike'?\n"
    assert "nothing was checked" in check(place, "--lake", "empty", code=1).stderr


def test_formats(place: Path) -> None:
    """JSON has one verdict per rule with its evidence, Markdown the same for people."""
    whole = check(place, "--lake", "failed", "--all", "--format", "json", code=1).stdout
    rows = json.loads(whole)
    assert [row["rule"] for row in rows] == list(settings.RULES)
    failing = {row["rule"] for row in rows if row["fails"]}
    assert failing == {"error", "nan", "divergence"}
    (stall,) = [row for row in rows if row["rule"] == "stall"]
    assert stall["step"] == 30 and stall["value"] > stall["threshold"] == 1800
    shown = check(place, "--lake", "failed", "--format", "markdown", code=1).stdout
    assert shown.count("| tripped |") == 7 and "60 min after step 30" in shown


def test_nothing_tripped_is_no_table(place: Path) -> None:
    """Where nothing trips Markdown is empty, JSON the empty list, CSV its header."""
    calm = ("--lake", "spikes", "--config", "calm.toml", "--format")
    assert check(place, *calm, "markdown", code=0).stdout == ""
    assert json.loads(check(place, *calm, "json", code=0).stdout) == []
    assert check(place, *calm, "csv", code=0).stdout.count("\n") == 1
    check(place, *calm, "markdown", "-o", "calm.md", code=0)
    assert (place / "calm.md").read_text() == ""


def test_only_what_tripped_is_printed(place: Path) -> None:
    """A line for each verdict that tripped, under its job and wrapped to the width; --all adds the
    others, and what passes prints nothing but a count."""
    done = check(place, "--lake", "failed", code=1)
    job, *lines = done.stdout.splitlines()
    assert job == "ftjob-GoldenGoldenGoldenGolden" and len(lines) == 7
    assert [line.split()[:2] for line in lines[:2]] == [["fails", "error"], ["fails", "nan"]]
    assert ["tripped", "stall"] in [line.split()[:2] for line in lines]
    assert done.stderr.startswith("1 job checked: 1 tripped a rule (error 1, nan 1, divergence 1")
    whole = check(place, "--lake", "spikes", "--all", code=0).stdout.splitlines()
    assert len(whole) == 8 and whole[3].split()[:2] == ["ok", "divergence"]
    for width in (60, 40):
        narrow = check(place, "--lake", "failed", code=1, columns=str(width)).stdout.splitlines()
        assert len(narrow) > 7 and max(map(len, narrow)) <= width
        assert " ".join(" ".join(narrow).split()) == " ".join(done.stdout.split())
    check(place, "--lake", "failed", "-o", "verdicts.txt", code=1, columns="60")
    assert (place / "verdicts.txt").read_text() == done.stdout, "no terminal's width is a file's"
    none = check(place, "--lake", "spikes", "--config", "calm.toml", "--format", "json", code=0)
    assert json.loads(none.stdout) == [] and "1 job checked: nothing tripped" in none.stderr


def test_settings_are_found_and_named(place: Path) -> None:
    """The tunelog.toml of the current folder decides rules and thresholds, --config another."""
    file = place / "tunelog.toml"
    file.write_text('[check]\nfail_on = ["spike"]\n')
    other = place / "other.toml"
    other.write_text('[check]\nfail_on = ["spike"]\n[thresholds.loss_spikes]\nleast_rise = 9\n')
    try:
        assert "(tunelog.toml)" in check(place, "--lake", "spikes", code=1).stderr
        check(place, "--lake", "spikes", "--config", "other.toml", code=0)
    finally:
        file.unlink()


@pytest.mark.parametrize("word", ["all", "none"])
def test_words_for_rules_are_settings_too(tmp_path: Path, word: str) -> None:
    """What --fail-on takes for every rule, or for no rule, the settings take."""
    for text in (f'"{word}"', f'["{word}"]'):
        (tmp_path / "my.toml").write_text(f"[check]\nfail_on = {text}\n")
        told = settings.load(str(tmp_path / "my.toml")).fail_on
        assert told == settings.rules([word], "--fail-on")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[chek]", "chek: unknown: did you mean 'check'?"),
        ('[check]\nfail_on = "error"', "check.fail_on: 'error' is no list"),
        ('[check]\nfail_on = ["eror"]', "check.fail_on: no rule 'eror': did you mean 'error'?"),
        ("[thresholds.loss_spike]", "thresholds.loss_spike: unknown: did you mean 'loss_spikes'?"),
        ("[thresholds.stalls]\nrato = 3", "thresholds.stalls.rato: unknown: did you mean 'ratio'?"),
        ('[thresholds.stalls]\nratio = "3"', "thresholds.stalls.ratio: '3' is no number"),
        ("[thresholds.stalls]\nratio = true", "thresholds.stalls.ratio: True is no number"),
        ("[thresholds.stalls]\nratio = inf", "thresholds.stalls.ratio: inf is not finite"),
        ("[thresholds.stalls]\nleast_gaps = 1.5", "1.5 is no whole number"),
        ("[thresholds.loss_spikes]\ncrowd = 5.5", "5.5 is no whole number"),
        ("[thresholds.stalls]\nleast_gaps = 1e300", "out of range: give 1 to 1,000,000,000"),
        ("[thresholds.loss_spikes]\nwindow = 1e19", "out of range: give 1 to 1,000,000,000"),
        ("[thresholds.divergences]\nsmoothing = 1", "1 is out of range: give 0 to 0.999"),
        ("thresholds = 3", "thresholds: 3 is no table"),
        ("fail_on =", "no TOML"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, text: str, says: str) -> None:
    """What is unknown or of the wrong kind is told with the file, the key and what to write."""
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        settings.load(file)
    told = str(caught.value)
    assert told.startswith(f"{file}: ") and says in told and "\n" not in told


def test_settings_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """What an editor puts before the first letter, and nobody sees, is no mistake."""
    file = tmp_path / "my.toml"
    file.write_text('[check]\nfail_on = ["gap"]', encoding="utf-8-sig")
    assert settings.load(file).fail_on == ("gap",)


def test_settings_that_cannot_be_had_are_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that leads nowhere, or a folder, is told; no check passes by other settings."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tunelog.toml"
    file.symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"^tunelog.toml: leads to no file: "):
        settings.load()
    file.unlink()
    file.mkdir()
    with pytest.raises(UsageError, match=r"^tunelog.toml: is a folder: "):
        settings.load()


def test_the_window_of_spikes_is_a_setting(place: Path) -> None:
    """A usual loss is the median of as many points before it as the settings say."""
    usual = []
    with open_lake(place / "spikes") as lake:
        for points in (30, 1):
            asked = settings.Settings(thresholds={("loss_spikes", "window"): float(points)})
            (found,) = checks.check(lake, asked).found.to_pylist()
            usual.append(found["evidence"].partition("from a usual ")[2][:5])
    assert usual == ["1.327", "1.2, "]


def test_fewer_evaluations_than_are_smoothed_together_are_not_judged(place: Path) -> None:
    """A window that no job's evaluations fill makes overfitting not applicable, and not ok."""
    asked = settings.Settings(thresholds={("overfitting", "least_window"): 1000.0})
    with open_lake(place / "failed") as lake:
        told = checks.check(lake, asked).rows.to_pylist()
    (found,) = (row for row in told if row["rule"] == "overfit" and row["verdict"] != "tripped")
    assert found["verdict"] == "not applicable"
    assert found["evidence"].endswith("validation losses, 1000 needed")


def test_what_is_held_changes_no_verdict(tmp_path: Path) -> None:
    """All jobs at once, each job alone and the view itself are of one mind, ids of any kind."""
    companion = {"object": "fine_tuning.job", "id": "ftjob-OnlyAnObject", "status": "failed"}
    (tmp_path / "job.json").write_text(json.dumps(companion))
    # beyond a gap of the dump stands what a restart threw away
    steps = [*range(1, 51), 60, *range(41, 46)]
    events = [an_event(n, data={"step": step, "train_loss": 0.5}) for n, step in enumerate(steps)]
    (tmp_path / f"{A}.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([ROOT / "data" / "samples", tmp_path / "job.json", tmp_path / f"{A}.jsonl"])
        columns = ["job_id", "rule", "verdict", "findings", "step", "value", "threshold"]
        told = checks.check(lake).rows.select([*columns, "evidence"]).to_pylist()
        asked = f"select {', '.join(columns)}, evidence from verdicts"
        wanted = lake.sql(asked).to_dicts()
        key = itemgetter("job_id", "rule")
        assert repr(sorted(told, key=key)) == repr(sorted(wanted, key=key))
        jobs = sorted({row["job_id"] for row in told})
        assert "ftjob-OnlyAnObject" in jobs and jobs == list(
            dict.fromkeys(row["job_id"] for row in told)
        )
        for job in (jobs[0], A, "ftjob-OnlyAnObject"):
            alone = checks.check(lake, job_id=job).rows.select([*columns, "evidence"]).to_pylist()
            assert repr(alone) == repr([row for row in told if row["job_id"] == job])


def test_a_check_numbers_jobs_in_all_views(tmp_path: Path) -> None:
    """Also where they read what a lake has none of: ids as texts take half as much memory more."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([ROOT / "data" / "samples" / "openai-failed.jsonl"])
        with lake.connect(["verdicts"]) as con:
            con.execute(sql_text("verdicts/whole"))
            for view in ("stg_told", "stg_steps", "stg_job_states", "loss_curves"):
                kinds = dict(row[:2] for row in con.execute(f"describe {view}").fetchall())
                assert kinds["job_id"].startswith("ENUM"), view


def test_rules_are_those_of_the_view(place: Path) -> None:
    """`settings.RULES` and the view `verdicts` name the same rules; one job can be asked for."""
    with open_lake(place / "failed") as lake:
        found = checks.check(lake, job_id="ftjob-GoldenGoldenGoldenGolden")
        assert set(found.rows["rule"].to_pylist()) == set(settings.RULES)
        with pytest.raises(UsageError, match="ftjob-other: no job of that name or beginning"):
            checks.check(lake, job_id="ftjob-other")
