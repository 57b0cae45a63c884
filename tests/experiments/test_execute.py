from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest

from clfa.errors import RecipeError
from clfa.experiments import Experiment, plan_runs, write_results
from clfa.experiments.corpora import Corpora
from clfa.experiments.execute import execute, is_finished, read_error, run_lock, run_path
from clfa.experiments.plan import PlannedRun
from clfa.runs.run_folder import RunFolder
from clfa.runs.train import train
from posts import picture

SMALL = ("guide={name: none}", "training.yardsticks=false", "training.calibrate=false")


def changed(experiment: Experiment, **fields: object) -> Experiment:
    return experiment.model_copy(update=fields)


def test_a_run_is_done_once_and_leaves_its_weights_behind(tiny_experiment: Experiment, tmp_path: Path) -> None:
    run = plan_runs(tiny_experiment)[1]
    outcome = execute(run, tmp_path, Corpora())
    assert outcome.status == "finished"
    folder = RunFolder(run_path(tmp_path, run))
    assert outcome.metrics == folder.read_metrics()
    assert {"validation", "test"} <= outcome.metrics.keys()
    assert not folder.model.exists()
    assert not folder.checkpoints.exists()
    assert folder.predictions("test").is_file()
    assert folder.history.is_file()
    assert folder.alignment.is_file()
    before = folder.metrics.stat().st_mtime_ns

    # Killed between the last metric and the deletion.
    folder.model.mkdir()
    assert execute(run, tmp_path, Corpora()).status == "skipped"
    assert not folder.model.exists()
    assert folder.metrics.stat().st_mtime_ns == before


def test_runs_in_one_process_give_what_a_run_of_its_own_gives(tiny_experiment: Experiment, tmp_path: Path) -> None:
    corpora = Corpora()
    runs = plan_runs(changed(tiny_experiment, keep="model"))
    outcomes = [execute(run, tmp_path, corpora) for run in runs[:2]]
    assert len(corpora._kept) == 1
    alone = train(runs[1].recipe, tmp_path / "alone").metrics
    found = outcomes[1].metrics
    assert found is not None
    assert (found["test"], found["validation"]) == (alone["test"], alone["validation"])
    assert (run_path(tmp_path, runs[1]) / "model" / "model.safetensors").is_file()


def test_what_an_interrupted_run_left_is_done_again(tiny_experiment: Experiment, tmp_path: Path) -> None:
    run = plan_runs(tiny_experiment)[2]
    folder = run_path(tmp_path, run)
    folder.mkdir(parents=True)
    run.recipe.save(folder / "recipe.yaml")
    (folder / "half.txt").write_text("half", encoding="utf-8")
    assert not is_finished(tmp_path, run)
    assert execute(run, tmp_path, Corpora()).status == "finished"
    assert not (folder / "half.txt").exists()


def test_a_failing_run_is_recorded_and_tried_again(tiny_experiment: Experiment, tmp_path: Path) -> None:
    broken = changed(tiny_experiment, overrides=[*tiny_experiment.overrides, "model.text_encoder=/nowhere/at/all"])
    run = plan_runs(broken)[0]
    outcome = execute(run, tmp_path, Corpora())
    assert outcome.status == "failed"
    assert "/nowhere/at/all" in outcome.error
    assert read_error(tmp_path, run) == " ".join(outcome.error.split())
    assert "Traceback" in (run_path(tmp_path, run) / "error.txt").read_text(encoding="utf-8")
    assert execute(run, tmp_path, Corpora()).status == "failed"
    assert read_error(tmp_path, plan_runs(tiny_experiment)[0]) == ""


def test_a_run_that_somebody_is_at_is_left_alone_or_waited_for(tiny_experiment: Experiment, tmp_path: Path) -> None:
    run = plan_runs(tiny_experiment)[0]
    lock = run_lock(tmp_path, run)
    lock.acquire()
    assert execute(run, tmp_path, Corpora()).status == "busy"
    assert not run_path(tmp_path, run).exists()
    outcomes: list[str] = []
    waiter = threading.Thread(target=lambda: outcomes.append(execute(run, tmp_path, Corpora(), wait=True).status))
    waiter.start()
    waiter.join(0.3)
    assert waiter.is_alive()
    assert outcomes == []
    lock.release()
    waiter.join(60)
    assert outcomes == ["finished"]


def test_a_folder_with_another_recipe_is_never_taken_for_the_run(tiny_experiment: Experiment, tmp_path: Path) -> None:
    first, other = plan_runs(tiny_experiment)[:2]
    folder = run_path(tmp_path, first)
    folder.mkdir(parents=True)
    other.recipe.save(folder / "recipe.yaml")
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"holds a finished run of another recipe; move it away"):
        is_finished(tmp_path, first)
    assert "another recipe" in execute(first, tmp_path, Corpora()).error
    assert (folder / "metrics.json").is_file()


def test_corpora_are_shared_only_where_they_are_equal(tiny_experiment: Experiment) -> None:
    corpora = Corpora()
    recipe = plan_runs(tiny_experiment)[0].recipe
    corpus = corpora.get(recipe)
    assert corpora.get(recipe.model_copy(update={"seed": 9, "name": "z"})) is corpus
    text_only = recipe.model_copy(update={"model": recipe.model.model_copy(update={"vision_encoder": None})})
    assert corpora.get(text_only) is not corpus
    assert corpora.get(recipe, strict=True) is not corpus
    limited = recipe.data.model_copy(update={"limit": 8})
    few = corpora.get(recipe.model_copy(update={"data": limited}))
    assert len(few.splits["train"]) == 8
    other = corpora.get(recipe.model_copy(update={"data": limited, "seed": recipe.seed + 1}))
    assert other is not few
    assert len(corpora._kept) == 2


@pytest.fixture
def finished(tiny_experiment: Experiment, posts_csv: Path, tmp_path: Path) -> tuple[PlannedRun, Path, Path]:
    """A finished run, the folder of its experiment, and its table."""
    shutil.copytree(posts_csv.parent, tmp_path / "posts")
    table = tmp_path / "posts" / posts_csv.name
    data = tiny_experiment.data.model_copy(update={"dir": str(table)})
    run = plan_runs(changed(tiny_experiment, data=data, overrides=[*tiny_experiment.overrides, *SMALL]))[0]
    assert execute(run, tmp_path / "out", Corpora()).status == "finished"
    return run, tmp_path / "out", table


def test_a_finished_run_on_other_data_is_not_skipped(finished: tuple[PlannedRun, Path, Path]) -> None:
    # The table of results had scores of both.
    run, folder, table = finished
    content = table.read_text(encoding="utf-8")
    lines = content.splitlines()
    table.write_text("\n".join([lines[0], *lines[:0:-1], ""]), encoding="utf-8")
    assert execute(run, folder, Corpora()).status == "skipped"
    table.write_text("\n".join([*lines[:5], *lines[6:], ""]), encoding="utf-8")
    outcome = execute(run, folder, Corpora())
    assert outcome.status == "failed"
    assert re.search(
        r"the data has changed since .* was made: 1 sample \('p4'\) is gone; .*give another output", outcome.error
    )
    assert (run_path(folder, run) / "metrics.json").is_file()
    table.write_text(content, encoding="utf-8")
    picture(table.parent / "images" / "3.jpg", "white", 77)
    outcome = execute(run, folder, Corpora())
    assert "has another content" in outcome.error


def test_a_finished_run_whose_data_is_not_there_is_skipped(
    finished: tuple[PlannedRun, Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    run, folder, table = finished
    table.unlink()
    with caplog.at_level("WARNING"):
        assert execute(run, folder, Corpora()).status == "skipped"
    assert "It cannot be checked whether the data of finished runs has changed: " in caplog.text


def test_a_run_with_damaged_metrics_is_done_again(finished: tuple[PlannedRun, Path, Path]) -> None:
    run, folder, _ = finished
    metrics = run_path(folder, run) / "metrics.json"
    whole = metrics.read_bytes()
    metrics.write_bytes(b"[" * 100_000)
    assert len(write_results(folder, [run])) == 0
    metrics.write_bytes(whole[:-20])
    assert len(write_results(folder, [run])) == 0
    assert execute(run, folder, Corpora()).status == "finished"
    assert write_results(folder, [run])["status"].tolist() == ["finished"]
