from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nsfwcaps import pipeline
from nsfwcaps.artifacts import ShardFiles, StageFolder, StageResult
from nsfwcaps.errors import ArtifactError, ConfigError, StorageError
from nsfwcaps.executors.driver_lock import locked
from nsfwcaps.freshness import StageState, state
from nsfwcaps.pipeline import plan_stage, run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stage import Stage
from nsfwcaps.stages import STAGE, STAGES
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.ingest import run as ingest
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.version import __version__

INGEST, EMBED = STAGE["ingest"], STAGE["embed"]


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    (tmp_path / "safe.txt").write_text("a vase on a table\na cup on a table\n")
    (tmp_path / "unsafe.txt").write_text("a handgun on a table\n")
    return IngestSettings(safe=(f"{tmp_path}/safe.txt",), unsafe=(f"{tmp_path}/unsafe.txt",))


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage that reads ingest's output and delivers one file of it."""

    def run(settings: Any, folder: StageFolder, inputs: Any, progress: Any) -> StageResult:
        data = str(inputs["ingest"].rows("safe")).encode()
        contents = {("dataset", "f1/count.txt"): data}
        return StageResult(
            shards=[folder.make_shard("k", lambda: ShardFiles(contents=contents, rows_in=1))]
        )

    module = SimpleNamespace(
        VERSION=1,
        run=run,
        sources=lambda settings: {},
        plan=lambda settings, inputs: {"to_read": inputs["ingest"].rows("safe")},
    )
    monkeypatch.setitem(sys.modules, "reader_stage", module)
    return Stage(
        name="reader",
        settings=EmbedSettings,
        module="reader_stage",
        headline=lambda facts: "",
        reads=("ingest",),
        delivers="out",
    )


def test_stages_read_only_what_comes_before_them() -> None:
    names = [stage.name for stage in STAGES]
    for position, stage in enumerate(STAGES):
        assert set(stage.reads) <= set(names[:position])
    assert list(STAGE) == names


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_stage_help_is_the_first_line_of_its_settings(stage: Stage) -> None:
    assert stage.help == (stage.settings.__doc__ or "").splitlines()[0]
    assert stage.help.endswith(".")


def test_first_run_writes_a_record(settings: IngestSettings, workdir: Path) -> None:
    outcome = run_stage(INGEST, settings, workdir, Silent())
    assert not outcome.skipped
    assert outcome.record == StageFolder(workdir / "ingest").record()
    assert (outcome.record.stage, outcome.record.version) == ("ingest", __version__)
    assert outcome.record.settings["safe"] == list(settings.safe)
    assert set(outcome.record.inputs) == {
        f"safe:{settings.safe[0]}",
        f"unsafe:{settings.unsafe[0]}",
    }


def test_second_run_is_skipped(
    settings: IngestSettings, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_stage(INGEST, settings, workdir, Silent())
    monkeypatch.setattr(ingest, "run", None)
    second = run_stage(INGEST, settings, workdir, Silent())
    assert second.skipped
    assert second.record == first.record


def test_other_version_of_a_stage_runs_again(
    settings: IngestSettings, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    monkeypatch.setattr(ingest, "VERSION", ingest.VERSION + 1)
    assert state(INGEST, settings, workdir) is StageState.STALE
    assert not run_stage(INGEST, settings, workdir, Silent()).skipped


def test_damaged_record_stops_with_advice(settings: IngestSettings, workdir: Path) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    path = workdir / "ingest" / "stage.json"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ArtifactError, match=r"stage\.json is damaged; delete the folder"):
        run_stage(INGEST, settings, workdir, Silent())
    with pytest.raises(ArtifactError, match=r"stage\.json is damaged; delete the folder"):
        state(INGEST, settings, workdir)


def test_stage_before_its_input_says_what_to_run(workdir: Path) -> None:
    with pytest.raises(ArtifactError) as error:
        run_stage(EMBED, EmbedSettings(), workdir, Silent())
    assert str(error.value) == (
        f"embed needs the output of ingest, but {workdir}/ingest has none; "
        f"run 'nsfwcaps ingest --workdir {workdir} --safe FILE --unsafe FILE' first"
    )


def test_failed_run_leaves_the_record_before(
    settings: IngestSettings, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_stage(INGEST, settings, workdir, Silent()).record

    def fail(*args: Any) -> None:
        raise ConfigError("broken off")

    monkeypatch.setattr(ingest, "run", fail)
    with pytest.raises(ConfigError, match="broken off"):
        run_stage(INGEST, IngestSettings(safe=settings.safe), workdir, Silent())
    folder = StageFolder(workdir / "ingest")
    assert folder.record() == before
    assert folder.damaged(before) is None


def test_state_follows_settings_files_and_content(settings: IngestSettings, workdir: Path) -> None:
    assert state(INGEST, settings, workdir) is StageState.MISSING
    record = run_stage(INGEST, settings, workdir, Silent()).record
    assert state(INGEST, settings, workdir) is StageState.CURRENT
    other = IngestSettings(safe=settings.safe, unsafe=settings.unsafe, max_chars=9)
    assert state(INGEST, other, workdir) is StageState.STALE
    record.paths("safe")[0].unlink()
    assert state(INGEST, settings, workdir) is StageState.DAMAGED


def test_state_without_settings_does_not_need_the_pools(
    settings: IngestSettings, workdir: Path
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    Path(settings.safe[0]).unlink()
    assert state(INGEST, None, workdir) is StageState.CURRENT


def test_stage_that_reads_is_stale_when_its_input_changed(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(), workdir, Silent())
    assert state(reader, EmbedSettings(), workdir) is StageState.CURRENT
    assert state(reader, None, workdir) is StageState.CURRENT
    Path(settings.safe[0]).write_text("a bowl on a table\n")
    run_stage(INGEST, settings, workdir, Silent())
    assert state(reader, EmbedSettings(), workdir) is StageState.STALE
    assert state(reader, None, workdir) is StageState.STALE


def test_input_that_comes_out_the_same_leaves_the_reader_current(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(), workdir, Silent())
    other = IngestSettings(safe=settings.safe, unsafe=settings.unsafe, max_chars=99)
    assert not run_stage(INGEST, other, workdir, Silent()).skipped
    assert run_stage(reader, EmbedSettings(), workdir, Silent()).skipped


def test_setting_of_how_the_work_is_done_changes_nothing(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(), workdir, Silent())
    assert run_stage(reader, EmbedSettings(batch_tokens=7), workdir, Silent()).skipped
    assert not run_stage(reader, EmbedSettings(max_reject_share=0.5), workdir, Silent()).skipped


def test_reader_without_its_input_is_stale(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(), workdir, Silent())
    (workdir / "ingest" / "stage.json").unlink()
    assert state(reader, EmbedSettings(), workdir) is StageState.STALE


def test_delivered_files_come_back_though_the_stage_is_skipped(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(), workdir, Silent())
    delivered = workdir / "out" / "count.txt"
    assert delivered.read_text() == "2"
    delivered.unlink()
    assert run_stage(reader, EmbedSettings(), workdir, Silent()).skipped
    assert delivered.read_text() == "2"


def test_plan_writes_nothing(settings: IngestSettings, workdir: Path) -> None:
    size = sum(Path(url).stat().st_size for url in (*settings.safe, *settings.unsafe))
    assert plan_stage(INGEST, settings, workdir) == {
        "state": "not run",
        "why": [],
        "pool_files": 2,
        "input_bytes": size,
        "seconds": None,
    }
    assert not workdir.exists()


def test_plan_of_a_stage_without_its_input_knows_the_state_only(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    assert plan_stage(reader, EmbedSettings(), workdir) == {
        "state": "not run",
        "why": [],
    }
    run_stage(INGEST, settings, workdir, Silent())
    assert plan_stage(reader, EmbedSettings(), workdir) == {
        "state": "not run",
        "why": [],
        "to_read": 2,
    }


def test_recipe_runs_its_stages_and_tells_of_each(
    settings: IngestSettings, workdir: Path, reader: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "STAGES", (INGEST, EMBED, reader))
    heard: list[tuple[str, bool]] = []
    recipe = {"reader": EmbedSettings(), "ingest": settings}
    for _ in range(2):
        records = pipeline.run(
            recipe, workdir, Silent(), lambda done: heard.append((done.record.stage, done.skipped))
        )
        assert [record.stage for record in records] == ["ingest", "reader"]
    assert heard == [("ingest", False), ("reader", False), ("ingest", True), ("reader", True)]


def test_workdir_is_held_by_one_command_at_a_time(workdir: Path) -> None:
    held = pytest.raises(StorageError, match="another nsfwcaps command is using")
    with locked(workdir), held, locked(workdir):
        pass
    with locked(workdir):
        assert workdir.is_dir()


def test_workdir_is_released_after_an_error(workdir: Path) -> None:
    with pytest.raises(ConfigError), locked(workdir):
        raise ConfigError("broken off")
    with locked(workdir):
        pass


def test_record_reports_settings_that_do_not_shape_the_output_too(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    run_stage(INGEST, settings, workdir, Silent())
    run_stage(reader, EmbedSettings(batch_tokens=7), workdir, Silent())
    values = json.loads((workdir / "reader" / "stage.json").read_text())
    assert values["settings"]["batch_tokens"] == 7


def test_seconds_are_those_of_the_run_not_of_its_shards(
    settings: IngestSettings, workdir: Path, reader: Stage
) -> None:
    """The reader's shard says that it began when the machine did."""
    run_stage(INGEST, settings, workdir, Silent())
    began = time.monotonic()
    record = run_stage(reader, EmbedSettings(), workdir, Silent()).record
    assert 0 <= record.seconds <= round(time.monotonic() - began, 3) + 0.001
