from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clfa.errors import DataError, RecipeError
from clfa.modeling.alignment.student_contrast import StudentContrastiveLoss
from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.names import check_names
from clfa.runs.student_rows import student_rows
from clfa.runs.train import train
from clfa.training import CLFATrainer
from posts import make_posts, write_csv
from runs.test_processes import CALM, UNEVEN, Killed, assert_same_run, launch
from runs.test_unlabelled import Recorder

MakeRecipe = Callable[..., Recipe]

BOTH = "model.alignment=both"
GOOD = "training.alignment_where=label=good"
SHARE = "training.unlabelled_share=0.5"


@pytest.fixture
def half_labelled(tmp_path: Path) -> Path:
    """48 posts, 32 of train, of which 12 have a label; the last 16 with the pictures of the first 16."""
    rows = make_posts(tmp_path, 48)
    for number, row in enumerate(rows):
        row["image"] = rows[number % 32]["image"]
        if row["split"] == "train" and number % 8 > 2:
            row["label"] = ""
    return write_csv(tmp_path / "posts.csv", rows)


@pytest.mark.parametrize("alignment", ["both", "students"])
def test_posts_with_the_label_are_aligned_with_each_other(
    tiny_recipe: MakeRecipe,
    half_labelled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alignment: str,
) -> None:
    share = (SHARE,) if alignment == "both" else ()
    recipe = tiny_recipe(half_labelled, f"model.alignment={alignment}", "model.students_weight=0.3", GOOD, *share)
    recorder = Recorder(monkeypatch)
    train(recipe, tmp_path / "run")
    repeated = 0
    for inputs, outputs in recorder.steps:
        part = inputs["labels"][:, 0] == 1
        assert torch.equal(inputs["student_rows"], part)
        contents = inputs["contents"][part]
        text, image = outputs.text_embeds[part], outputs.image_embeds[part]
        expected = StudentContrastiveLoss(0.1)(text, image, contents)
        repeated += len(contents) - len(set(contents[:, 1].tolist()))
        if alignment == "both":
            torch.testing.assert_close(outputs.loss_students_alignment, expected)
            guided = outputs.loss_text_alignment + outputs.loss_image_alignment
            whole = recipe.model.alpha * guided + outputs.loss_classification + 0.3 * expected
            torch.testing.assert_close(outputs.loss, whole)
        else:
            torch.testing.assert_close(outputs.loss_text_alignment + outputs.loss_image_alignment, expected)
            assert outputs.loss_students_alignment is None
    assert repeated > 0
    history = json.loads((tmp_path / "run" / "history.json").read_text(encoding="utf-8"))
    logged = ["loss_students_alignment" in entry for entry in history if "loss" in entry]
    assert logged == [alignment == "both"] * 2


def test_rows_of_the_training_set(tiny_recipe: MakeRecipe, half_labelled: Path) -> None:
    corpus = load_corpus(tiny_recipe(half_labelled))
    rows = corpus.splits["train"]
    good = np.array([label == [1.0] for label in rows["targets"][:]])

    def part(*overrides: str) -> Any:
        found = student_rows(tiny_recipe(half_labelled, *overrides), corpus, rows)
        return None if found is None else found.tolist()

    assert part(BOTH, GOOD) == good.tolist()
    assert part("model.alignment=students", "guide.name=none", "training.alignment_where=label!=good") == (
        (~good).tolist()
    )
    assert part(BOTH) == [True] * len(rows)
    assert part() is None
    for without in ("model.alpha=0", "model.vision_encoder=null", "model.baseline=res_bert"):
        assert part("model.alignment=students", GOOD, without) is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.alignment_where=good", BOTH],
            "training.alignment_where is 'good'; it needs a target and a class, for instance label=match",
        ),
        (
            [GOOD],
            "training.alignment_where selects the posts whose text and image are aligned with each other, which "
            "model.alignment=guided does not do; use students or both, or set it to null.",
        ),
    ],
)
def test_conditions_that_are_none_or_do_nothing(
    tiny_recipe: MakeRecipe, posts_csv: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(RecipeError) as error:
        check_names(tiny_recipe(posts_csv, *overrides))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("label=great", "training.alignment_where: there is no class 'great'; classes: bad, good."),
        ("mood=good", "training.alignment_where: there is no target 'mood'; targets: label."),
    ],
)
@pytest.mark.parametrize("ablation", [[], ["model.alignment=students", "model.alpha=0"]])
def test_a_wrong_condition_is_refused_before_any_work(
    tiny_recipe: MakeRecipe,
    posts_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    condition: str,
    message: str,
    ablation: list[str],
) -> None:
    monkeypatch.setattr("clfa.runs.train_one.load_encoders", pytest.fail)
    with pytest.raises(RecipeError, match=message):
        train(tiny_recipe(posts_csv, BOTH, f"training.alignment_where={condition}", *ablation), tmp_path / "run")


def test_a_condition_that_no_training_post_meets(tiny_recipe: MakeRecipe, posts_csv: Path) -> None:
    recipe = tiny_recipe(posts_csv, BOTH, GOOD)
    corpus = load_corpus(recipe)
    bad = corpus.splits["train"].filter(lambda row: row["targets"] == [0.0])
    with pytest.raises(DataError, match=r"no training sample has label=good; change training\.alignment_where or set"):
        student_rows(recipe, corpus, bad)


@pytest.mark.parametrize("without", ["model.alpha=0", "guide.name=none"])
def test_both_needs_a_guide(tiny_recipe: MakeRecipe, posts_csv: Path, without: str) -> None:
    message = r"alignment=both needs a guide: model\.alpha above 0 and a guide\.name; use model\.alignment=students to"
    with pytest.raises(RecipeError, match=message):
        tiny_recipe(posts_csv, BOTH, without)


def test_unlabelled_posts_would_take_part_in_nothing(tiny_recipe: MakeRecipe, posts_csv: Path) -> None:
    with pytest.raises(RecipeError, match=r"of training\.unlabelled_share take no part in model\.alignment=students"):
        tiny_recipe(posts_csv, "model.alignment=students", GOOD, SHARE)
    assert tiny_recipe(posts_csv, BOTH, GOOD, SHARE).training.alignment_where == "label=good"


def test_an_interrupted_run_goes_on_as_if_nothing_happened(
    tiny_recipe: MakeRecipe, half_labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(half_labelled, BOTH, GOOD, SHARE, "training.gradient_accumulation_steps=2")
    train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        compute = CLFATrainer.compute_loss

        def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
            if self.state.global_step == 1:
                raise Killed
            return compute(self, *args, **kwargs)

        patch.setattr(CLFATrainer, "compute_loss", killed)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    weights, expected = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("run", "whole"))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(weights[name].numpy(), tensor.numpy(), err_msg=name)


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        posts_csv, *UNEVEN, *CALM, BOTH, GOOD, "data.labelled_limit=14", "training.unlabelled_share=0.6"
    )
    done = launch(recipe, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    train(recipe, tmp_path / "one")
    assert_same_run(tmp_path / "two", tmp_path / "one")
