from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.metrics import get_scorer

from clfa.predictor import CLFAPredictor
from clfa.predictor.probabilities import Probabilities


def test_columns_by_name_and_by_position() -> None:
    frame = Probabilities([[0.25, 0.75], [0.5, 0.5]], index=["a", "b"], columns=["no", "yes"])
    assert frame[:, 1].tolist() == [0.75, 0.5]
    assert frame[:1, :].tolist() == [[0.25, 0.75]]
    assert frame["yes"].tolist() == [0.75, 0.5]
    assert frame[["yes", "no"]].columns.tolist() == ["yes", "no"]
    assert frame.loc["b", "no"] == 0.5
    assert type(frame.head(1)) is pd.DataFrame
    # Equal to a plain one, from both sides.
    plain = pd.DataFrame(frame.to_dict())
    pd.testing.assert_frame_equal(frame, plain)
    pd.testing.assert_frame_equal(plain, frame)
    assert frame.equals(plain)
    assert plain.equals(frame)


def test_scorers_of_scikit_learn_that_read_probabilities(tiny_run: Path, posts_csv: Path) -> None:
    model = CLFAPredictor.load(tiny_run, image_root=posts_csv.parent)
    posts = pd.read_csv(posts_csv)
    probabilities = model.predict_proba(posts)
    for name in ("roc_auc", "neg_log_loss", "average_precision", "neg_brier_score"):
        scorer = get_scorer(name)
        positive = {"pos_label": "good"} if name != "neg_log_loss" else {}
        expected = scorer._sign * scorer._score_func(
            (posts.label == "good").astype(int) if positive else posts.label,
            probabilities["good"] if positive else probabilities.to_numpy(),
        )
        found = type(scorer)(scorer._score_func, scorer._sign, {**scorer._kwargs, **positive}, scorer._response_method)
        assert abs((found if name != "roc_auc" else scorer)(model, posts, posts.label) - expected) < 1e-9, name
