"""A run folder with several writers, and with the checkpoints of a killed run."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clfa import checksums
from clfa.checksums import write_checksums
from clfa.errors import DataError, ModelError, RecipeError
from clfa.recipe import Recipe
from clfa.runs import checkpoints
from clfa.runs import train_one as train_module
from clfa.runs.checkpoints import fault, last_whole
from clfa.runs.run_folder import RunFolder
from clfa.runs.train import train
from clfa.tables.columns import Columns

SMALL = ("guide={name: none}", "model.alpha=0", "training.yardsticks=false")


def test_of_two_trainings_with_one_folder_the_second_is_refused(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, load = tiny_recipe(posts_csv, *SMALL, "training.epochs=1"), train_module.load_corpus
    refused = []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        for resume in (False, True):
            with pytest.raises(DataError) as caught:
                train(recipe, tmp_path / "run", resume=resume)
            refused.append(str(caught.value))
        return load(*args, **kwargs)

    monkeypatch.setattr(train_module, "load_corpus", meanwhile)
    train(recipe, tmp_path / "run")
    assert (
        refused == [f"{tmp_path / 'run'} is being written by another process; wait for it, or give another output."] * 2
    )
    assert (tmp_path / "run" / "metrics.json").is_file()
    assert not list((tmp_path / "run").glob(".*"))


def test_an_early_error_leaves_no_folder_and_no_lock(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path
) -> None:
    wrong = tiny_recipe(posts_csv, "data.options.text=absent")
    with pytest.raises(DataError, match="absent"):
        train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="absent"):
        train(wrong, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_lock_of_a_killed_run_is_in_nobodys_way(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    train(tiny_recipe(posts_csv, *SMALL, "training.epochs=1"), tmp_path / "run")
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.parametrize("place", ["file", "file/run", "dev"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(train_module, "load_corpus", None)
    output = Path("/proc/run") if place == "dev" else tmp_path / place
    if place == "dev" and not Path("/proc/self").exists():
        pytest.skip("no folder that nobody can write to")
    with pytest.raises(RecipeError, match=rf"{output} cannot be written \(.+\); give another output\."):
        train(tiny_recipe(posts_csv), output)


@pytest.fixture(scope="module")
def unfinished(
    tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str], posts_csv: Path
) -> tuple[Recipe, Path]:
    """Recipe and folder of a run that was killed after its second epoch, with both checkpoints."""
    from clfa.recipe import load_recipe
    from clfa.training import CLFATrainer

    folder = tmp_path_factory.mktemp("unfinished") / "run"
    recipe = load_recipe("offline", [*tiny_overrides, *SMALL, "training.epochs=3", f"data.dir={posts_csv}"])
    compute_loss = CLFATrainer.compute_loss
    patch = pytest.MonkeyPatch()

    def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        self.args.save_total_limit = None
        if self.state.global_step == 9:
            raise KeyboardInterrupt
        return compute_loss(self, *args, **kwargs)

    patch.setattr(CLFATrainer, "compute_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder)
    patch.undo()
    return recipe, folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = [
    *((how, name) for how in (cut, empty, Path.unlink) for name in ("trainer_state.json", "optimizer.pt")),
    *((how, "unfrozen_weights.safetensors") for how in (cut, empty, Path.unlink)),
    *((how, "scheduler.pt") for how in (cut, empty, Path.unlink)),
    *((flip, name) for name in ("optimizer.pt", "unfrozen_weights.safetensors", "trainer_state.json", "scheduler.pt")),
    (cut, "rng_state.pth"),
]


@pytest.mark.parametrize(("damage", "name"), DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_checkpoint_is_not_continued_from(
    unfinished: tuple[Recipe, Path], tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unfinished[1], run)
    path = run / "checkpoints" / "checkpoint-8" / name
    assert RunFolder(run).last_checkpoint() == str(path.parent)
    damage(path)
    said = fault(path.parent) or ""
    assert said.endswith(" is missing") if damage is Path.unlink else said.startswith(f"{name}: ")
    assert RunFolder(run).last_checkpoint() == str(run / "checkpoints" / "checkpoint-4")


def test_a_resumed_run_falls_back_to_the_checkpoint_before(
    unfinished: tuple[Recipe, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, whole = unfinished
    results = {}
    for name in ("whole", "cut"):
        shutil.copytree(whole, tmp_path / name)
        broken = tmp_path / name / "checkpoints" / "checkpoint-8" / "trainer_state.json"
        if name == "cut":
            cut(broken)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            results[name] = train(recipe, tmp_path / name, resume=True).metrics
        said = [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()]
        if name == "cut":
            assert len(said) == 1
            assert said[0].startswith(f"{broken.parent} is damaged (trainer_state.json: ")
            assert said[0].endswith("is removed; training continues from checkpoint-4.")
        else:
            assert said == []
    assert results["cut"]["validation"] == results["whole"]["validation"]
    assert results["cut"]["training"] == results["whole"]["training"]


def test_without_a_whole_checkpoint_training_begins_anew(
    unfinished: tuple[Recipe, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, whole = unfinished
    shutil.copytree(whole, tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").glob("checkpoint-*/trainer_state.json"):
        path.unlink()
    with caplog.at_level(logging.WARNING):
        metrics = train(recipe, tmp_path / "run", resume=True).metrics
    assert metrics["training"]["epochs_run"] == 3
    assert caplog.text.count("(trainer_state.json is missing) and is removed; training begins anew") == 2


def test_a_checkpoint_whose_best_one_is_broken_is_not_continued_from(
    unfinished: tuple[Recipe, Path], tmp_path: Path
) -> None:
    import json

    shutil.copytree(unfinished[1], tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    state = json.loads((folder / "checkpoint-8" / "trainer_state.json").read_text())
    state["best_model_checkpoint"] = os.fspath(Path("elsewhere") / "checkpoint-4")
    (folder / "checkpoint-8" / "trainer_state.json").write_text(json.dumps(state))
    write_checksums(folder / "checkpoint-8")
    assert last_whole(folder) == folder / "checkpoint-8"
    shutil.rmtree(folder / "checkpoint-4")
    assert fault(folder / "checkpoint-8") == "the best checkpoint so far, checkpoint-4: trainer_state.json is missing"
    assert last_whole(folder) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": ["a"]}', "the column of 'text' is ['a']"),
        ('{"image_root": 5}', "the column of 'image_root' is 5"),
        ('{"targets": []}', "the column of 'targets' is []"),
        ("[]", "columns must be an object, not list"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        ('{"text"', "Expecting ':' delimiter"),
        ("\udcff", "'utf-8' codec can't decode byte 0xff"),
    ],
    ids=["list", "number", "targets", "no object", "deep", "cut", "no text"],
)
def test_columns_of_a_damaged_run(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "columns.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError) as caught:
        RunFolder(tmp_path).read_columns()
    assert str(caught.value).startswith(f"{tmp_path}/columns.json is damaged: {said}")
    assert RunFolder(tmp_path / "none").read_columns() == Columns()
    (tmp_path / "columns.json").unlink()
    (tmp_path / "recipe.yaml").write_text("name: x\ndata: {options: {text: [a]}}\n")
    with pytest.raises(ModelError, match=r"recipe.yaml: data.options: the column of 'text' is \['a'\]\."):
        RunFolder(tmp_path).read_columns()


def test_checkpoints_of_earlier_versions_have_no_checksums(unfinished: tuple[Recipe, Path], tmp_path: Path) -> None:
    shutil.copytree(unfinished[1], tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "checkpoint-8"
    (newest / "checksums.json").unlink()
    assert fault(newest) is None
    flip(newest / "optimizer.pt")
    assert (fault(newest) or "").startswith("optimizer.pt: ")


@pytest.mark.parametrize("with_checksums", [True, False])
def test_a_checkpoint_that_cannot_be_read_now_is_kept(
    unfinished: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_checksums: bool
) -> None:
    recipe, whole = unfinished
    shutil.copytree(whole, tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "checkpoint-8"
    if not with_checksums:
        (newest / "checksums.json").unlink()

    def fail(path: Any, *args: Any, **options: Any) -> Any:
        if str(path).endswith("unfrozen_weights.safetensors"):
            raise OSError(errno.EMFILE, "Too many open files", str(path))
        return open(path, *args, **options)

    for module in (checkpoints, checksums):
        monkeypatch.setattr(module, "open", fail, raising=False)
    with pytest.raises(OSError, match="Too many open files"):
        RunFolder(tmp_path / "run").begin(recipe)
    assert newest.is_dir()
