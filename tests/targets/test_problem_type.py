"""What every problem type has to do, whichever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from clfa.data import read_corpus
from clfa.data.export import write_parquet
from clfa.data.validation import check_classes, validate
from clfa.evaluation.plots import plot_learning_curves
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.task_loss import TaskLoss
from clfa.targets import PROBLEM_TYPES
from clfa.targets.fit import fit_targets, tuned
from clfa.targets.prediction import predict_targets, predicted_classes, prediction_columns, prediction_record
from clfa.targets.problem_type import ProblemType
from clfa.targets.scores import score, target_reports
from clfa.targets.target import Target, class_names, from_dicts, label_matrix, output_names, strata

# A column of cells for each, with its classes; the last row has no label.
MATERIAL: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "single_label_classification": (["no", "yes", "no", "yes", "yes", "no", None], {}),
    "multi_label_classification": (["a|b", "b", "|", "a", "b|a", "b", None], {"label_names": ["a", "b"]}),
    "regression": ([0.5, 2, -1, 3.5, 0, 2, None], {}),
    "ordinal": (["low", "mid", "high", "mid", "low", "high", None], {"label_names": ["low", "mid", "high"]}),
}
TYPES = PROBLEM_TYPES.names()


def corpus_of(name: str) -> Any:
    cells, options = MATERIAL[name]
    frame = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(7)],
            "text": [f"post {i}" for i in range(7)],
            "t": pd.Series(cells, dtype=object),
        }
    )
    if name == "regression":
        frame["t"] = frame["t"].astype(float)
    return read_corpus("table", frame, as_split="train", targets={"t": {"problem_type": name, **options}})


def test_all_are_here() -> None:
    assert set(TYPES) == set(MATERIAL)
    for name in TYPES:
        assert PROBLEM_TYPES.get(name).name == name
        assert issubclass(PROBLEM_TYPES.get(name), ProblemType)


@pytest.mark.parametrize("name", TYPES)
def test_cells_become_vectors_and_words_again(name: str, tmp_path: Path) -> None:
    corpus = validate(corpus_of(name))
    check_classes(corpus)
    (target,) = corpus.targets
    labels = label_matrix(corpus.splits["train"])
    assert labels.shape == (6, target.width)
    assert len(corpus.unlabelled) == 1
    cells = MATERIAL[name][0]
    expected = [sorted(filter(None, cell.split("|"))) for cell in cells[:6]] if name.startswith("multi") else cells[:6]
    assert corpus.labels("train") == expected
    counts = target.kind.counts(labels)
    assert set(counts) == set(target.label_names or ["number"])
    groups = strata(corpus.splits["train"], corpus.targets)
    assert len(set(groups)) > 1
    assert None not in groups
    write_parquet(corpus, tmp_path / "posts.parquet")
    options = {"problem_type": name, **MATERIAL[name][1]}
    again = read_corpus("table", tmp_path / "posts.parquet", as_split="train", targets={"t": options})
    np.testing.assert_array_equal(label_matrix(again.splits["train"]), labels)
    assert len(again.unlabelled) == 1


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_it_can_be_learnt(name: str, gamma: float) -> None:
    corpus = corpus_of(name)
    labels = label_matrix(corpus.splits["train"])
    weights = "balanced" if corpus.targets[0].label_names else "none"
    targets = fit_targets(corpus.targets, labels, weights)
    config = CLFAConfig(
        text_config={"model_type": "bert"},
        targets=[t.to_dict() for t in targets],
        focal_gamma=gamma,
        label_smoothing=0.1,
    )
    assert config.num_labels == targets[0].logit_width
    assert from_dicts(json.loads(json.dumps(config.to_dict()["targets"]))) == targets == config.target_list
    module = TaskLoss(config).train()
    torch.manual_seed(0)
    logits = torch.randn(6, targets[0].logit_width, requires_grad=True)
    first = None
    for _ in range(300):
        loss, parts = module(logits, torch.from_numpy(labels))
        assert list(parts) == ["t"]
        first = loss.item() if first is None else first
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.isfinite().all()
        logits = (logits - 2 * gradient).detach().requires_grad_()
    assert loss.item() < first
    # Outputs fitted to the labels say the labels.
    values = targets[0].kind.values(logits.detach().numpy())
    np.testing.assert_allclose(values, labels, atol=0.2 if name == "regression" else 0)


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", TYPES)
def test_it_is_predicted_scored_and_drawn(name: str, tmp_path: Path) -> None:
    corpus = corpus_of(name)
    labels = label_matrix(corpus.splits["train"])
    (target,) = targets = fit_targets(corpus.targets, labels)
    logits = np.random.default_rng(1).normal(size=(6, target.logit_width)).astype(np.float32)
    kind = target.kind
    (target,) = targets = tuned(targets, labels, logits)
    assert (target.thresholds is not None) == kind.has_thresholds
    report = target_reports(targets, labels, logits)["t"]
    assert (report["problem_type"], report["samples"]) == (name, 6)
    assert {kind.headline, *kind.shown} <= set(kind.figures)
    assert {kind.headline, *kind.shown} <= set(report)
    assert all(isinstance(report[key], float) for key in kind.figures if key in report)
    assert 0 <= score({"t": report}) <= 1
    json.dumps(report)
    # Without a label there is nothing to score.
    nothing = target_reports(targets, np.full_like(labels, np.nan), logits)["t"]
    assert nothing == {"problem_type": name, "samples": 0}
    kind.plot(labels, logits, report, tmp_path / "plot.png", "title")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    predictions = predict_targets(targets, logits)
    columns = prediction_columns(targets)
    for prediction in predictions:
        record = json.loads(json.dumps(prediction_record(prediction)))
        assert set(record) == ({"prediction", "probabilities"} if target.label_names else {"prediction"})
        assert list(record.get("probabilities", {})) == list(target.label_names)
        assert all(0 <= p <= 1 for p in record.get("probabilities", {}).values())
        kinds = {"text": str, "texts": list, "number": float}
        assert isinstance(record["prediction"], kinds[columns["prediction"]])
        assert set(predicted_classes(prediction)) <= set(target.label_names)
    assert list(columns) == ["prediction", *(f"probability_{label}" for label in target.label_names)]


def test_all_of_them_in_one_model() -> None:
    corpora = {name: corpus_of(name) for name in TYPES}
    targets = [Target(**{**corpus.targets[0].to_dict(), "name": name}) for name, corpus in corpora.items()]
    labels = np.concatenate([label_matrix(corpus.splits["train"]) for corpus in corpora.values()], axis=1)
    labels[0] = np.nan
    config = CLFAConfig(text_config={"model_type": "bert"}, targets=[target.to_dict() for target in targets])
    assert config.label_names == output_names(targets)
    assert len(output_names(targets)) == sum(target.logit_width for target in targets) == config.num_labels
    assert len(class_names(targets)) == 2 + 2 + 1 + 3
    logits = torch.randn(6, config.num_labels, requires_grad=True)
    total, parts = TaskLoss(config)(logits, torch.from_numpy(labels))
    assert total.item() == pytest.approx(sum(part.item() for part in parts.values()), rel=1e-6)
    total.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().max() == 0
    assert (logits.grad[1:].abs().sum(dim=0) > 0).all()
    record = prediction_record(predict_targets(targets, logits.detach().numpy())[0])
    assert list(record["targets"]) == TYPES
    assert set(prediction_columns(targets)) >= {f"{name}.prediction" for name in TYPES}


@pytest.mark.usefixtures("pictures")
def test_each_has_its_curve(tmp_path: Path) -> None:
    history = [{"epoch": 1.0, **{f"loss_target_{name}": 0.5 for name in TYPES}}, {"epoch": 1.0, "eval_score": 0.4}]
    plot_learning_curves(history, tmp_path / "curves.png", "run", None)
    assert (tmp_path / "curves.png").is_file()
