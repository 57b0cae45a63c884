from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from clfa.errors import DataError, RecipeError
from clfa.experiments.corpora import Corpora
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.recipe import Recipe
from clfa.runs.corpus import corpus_key, load_corpus
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from clfa.training import CLFATrainer
from posts import make_posts, write_csv
from runs.test_processes import CALM, UNEVEN, Killed, assert_same_run, launch

MakeRecipe = Callable[..., Recipe]


def metrics_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def half_labelled(tmp_path: Path) -> Path:
    """48 posts, 32 of train, of which 12 have a label."""
    rows = make_posts(tmp_path, 48)
    for number, row in enumerate(rows):
        if row["split"] == "train" and number % 8 > 2:
            row["label"] = ""
    return write_csv(tmp_path / "posts.csv", rows)


class Recorder:
    """Batches and outputs of the training steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[dict[str, Any], Any]] = []
        compute = CLFATrainer.compute_loss

        def spy(trainer: CLFATrainer, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not model.training:
                return compute(trainer, model, inputs, *args, **kwargs)
            loss, outputs = compute(trainer, model, inputs, return_outputs=True)
            self.steps.append((inputs, outputs))
            return loss

        monkeypatch.setattr(CLFATrainer, "compute_loss", spy)


@pytest.mark.parametrize("negatives", ["batch", "bank"])
def test_unlabelled_posts_take_part_in_the_alignment_alone(
    tiny_recipe: MakeRecipe, half_labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, negatives: str
) -> None:
    recipe = tiny_recipe(half_labelled, "training.unlabelled_share=0.5", f"model.negatives={negatives}")
    corpus = load_corpus(recipe)
    assert corpus.unlabelled is not None
    labelled, unlabelled = len(corpus.splits["train"]), len(corpus.unlabelled)
    assert (labelled, unlabelled) == (12, 20)
    recorder = Recorder(monkeypatch)
    result = train(recipe, tmp_path / "run")
    sizes = []
    for inputs, outputs in recorder.steps:
        known = ~inputs["labels"][:, 0].isnan()
        sizes.append((int(known.sum()), int((~known).sum())))
        # The labelled samples' loss, as if the others were not there.
        expected = F.cross_entropy(outputs.logits[known], inputs["labels"][known, 0].long())
        torch.testing.assert_close(outputs.loss_classification, expected)
        if negatives == "batch":
            whole = GuidedContrastiveLoss(0.1)(outputs.text_embeds, inputs["guide_text_embeds"])
            torch.testing.assert_close(outputs.loss_text_alignment, whole)
        assert int(inputs["guide_index"][~known].min()) >= labelled
    assert sizes == [(8, 8), (4, 4)] * 2
    metrics = result.metrics
    assert metrics["data"]["samples"]["train"] == labelled
    assert metrics["data"]["unlabelled"] == unlabelled
    assert metrics["training"]["steps"] == 4
    assert metrics["training"]["unlabelled_share"] == 0.5


def test_the_bank_has_the_unlabelled_posts(
    tiny_recipe: MakeRecipe, half_labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(half_labelled, "training.unlabelled_share=0.5", "model.negatives=bank")
    corpus = load_corpus(recipe)
    assert corpus.unlabelled is not None
    banks = []
    compute = CLFATrainer.compute_loss

    def spy(trainer: CLFATrainer, model: Any, *args: Any, **kwargs: Any) -> Any:
        banks.append(model.guide_bank)
        return compute(trainer, model, *args, **kwargs)

    monkeypatch.setattr(CLFATrainer, "compute_loss", spy)
    train(recipe, tmp_path / "run")
    assert len(banks[0].embeds["text"]) == len(corpus.splits["train"]) + len(corpus.unlabelled)


def test_no_share_no_unlabelled_post(
    tiny_recipe: MakeRecipe, half_labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    metrics = train(tiny_recipe(half_labelled), tmp_path / "run").metrics
    assert not any(inputs["labels"].isnan().any() for inputs, _ in recorder.steps)
    assert "unlabelled" not in metrics["data"]
    assert "steps" not in metrics["training"]


def test_few_labels_and_further_tables(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    more = make_posts(tmp_path / "more", 3, with_split=False)
    for number, row in enumerate(more):
        row["text"] = f"one more {number}"
    write_csv(tmp_path / "more" / "more.csv", more)
    # The pictures of the first posts of `posts_csv` are equal to these; they are of the training split.
    table = str(tmp_path / "more" / "more.csv")
    recipe = tiny_recipe(
        posts_csv, "data.labelled_limit=8", f"data.unlabelled={table}", "training.unlabelled_share=0.75"
    )
    assert recipe.data.unlabelled == [table]
    metrics = train(recipe, tmp_path / "run").metrics
    assert metrics["data"]["samples"] == {"train": 8, "validation": 16, "test": 16}
    assert metrics["data"]["unlabelled"] == 24 + 3
    # An evaluation does not read the further tables.
    Path(table).unlink()
    assert evaluate(tmp_path / "run")["accuracy"] == metrics["test"]["accuracy"]


def test_evaluated_contents_never_take_part(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, f"data.unlabelled={posts_csv}")
    corpus = load_corpus(recipe)
    assert corpus.unlabelled is not None
    train_ids = set(corpus.splits["train"]["id"][:])
    assert {id.rpartition(":")[2] for id in corpus.unlabelled["id"][:]} == train_ids
    assert corpus.dropped_counts() == {"evaluated content": 32}
    metrics = train(recipe, tmp_path / "run").metrics
    assert metrics["data"]["dropped"] == {"evaluated content": 32}


def test_the_corpus_depends_on_the_settings(tiny_recipe: MakeRecipe, posts_csv: Path) -> None:
    def key(*overrides: str) -> str:
        return corpus_key(tiny_recipe(posts_csv, *overrides))

    few = "data.labelled_limit=8"
    assert len({key(), key(few), key(few, "seed=5"), key("training.unlabelled_share=0.5")}) == 4
    assert key("training.unlabelled_share=0.5") == key("training.unlabelled_share=0.7")
    assert key() == key("seed=5")
    corpora = Corpora()
    first = corpora.get(tiny_recipe(posts_csv, few))
    assert corpora.get(tiny_recipe(posts_csv, few, "model.alpha=0")) is first


def test_knowledge_of_unlabelled_posts(tiny_recipe: MakeRecipe, half_labelled: Path, tmp_path: Path) -> None:
    overrides = ("model.use_knowledge=true", "knowledge.sources=[hashtags]")
    share = "training.unlabelled_share=0.5"
    rows = half_labelled.read_text(encoding="utf-8").replace("what a bad blue day", "what a #badday blue day")
    half_labelled.write_text(rows, encoding="utf-8")
    corpus = load_corpus(tiny_recipe(half_labelled, *overrides, share))
    assert corpus.unlabelled is not None
    assert any(corpus.unlabelled["knowledge"][:])
    plain = load_corpus(tiny_recipe(half_labelled, *overrides))
    assert plain.unlabelled is not None
    assert not any(plain.unlabelled["knowledge"][:])
    assert train(tiny_recipe(half_labelled, *overrides, share), tmp_path / "run").metrics["training"]["steps"] == 4


@pytest.mark.parametrize(
    "override",
    ["model.alpha=0", "model.vision_encoder=null", "model.text_encoder=null", "model.baseline=res_bert"],
)
def test_a_share_without_alignment_is_refused(tiny_recipe: MakeRecipe, posts_csv: Path, override: str) -> None:
    with pytest.raises(RecipeError, match=r"unlabelled_share needs the alignment loss: model\.alpha above 0, both"):
        tiny_recipe(posts_csv, "training.unlabelled_share=0.5", override)


def test_students_need_no_guide(tiny_recipe: MakeRecipe, posts_csv: Path) -> None:
    share = ("training.unlabelled_share=0.5", "guide.name=none")
    with pytest.raises(RecipeError, match="a guide and no baseline"):
        tiny_recipe(posts_csv, *share)
    assert tiny_recipe(posts_csv, *share, "model.alignment=students").training.unlabelled_share == 0.5


def test_a_share_without_unlabelled_posts(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, "training.unlabelled_share=0.5")
    with pytest.raises(DataError, match=r"unlabelled_share is 0\.5 and posts has no unlabelled posts: leave label"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("overrides", [(), ("training.group_by_length=false", "model.freeze_text_encoder=false")])
def test_an_interrupted_run_goes_on_as_if_nothing_happened(
    tiny_recipe: MakeRecipe,
    half_labelled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
) -> None:
    recipe = tiny_recipe(half_labelled, "training.unlabelled_share=0.6", "training.epochs=3", *overrides)
    train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        compute = CLFATrainer.compute_loss

        def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
            if self.state.global_step == 3:
                raise Killed
            return compute(self, *args, **kwargs)

        patch.setattr(CLFATrainer, "compute_loss", killed)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    weights, expected = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("run", "whole"))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(weights[name].numpy(), tensor.numpy(), err_msg=name)
    assert metrics_of(tmp_path / "run")["training"] == metrics_of(tmp_path / "whole")["training"]


@pytest.mark.slow
@pytest.mark.parametrize("negatives", ["batch", "bank"])
def test_two_processes_train_what_one_trains(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, negatives: str
) -> None:
    recipe = tiny_recipe(
        posts_csv,
        *UNEVEN,
        *CALM,
        "data.labelled_limit=14",
        "training.unlabelled_share=0.6",
        f"model.negatives={negatives}",
    )
    done = launch(recipe, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    train(recipe, tmp_path / "one")
    assert_same_run(tmp_path / "two", tmp_path / "one")
