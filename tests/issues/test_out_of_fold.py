from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from clfa.errors import DataError
from clfa.issues.out_of_fold import out_of_fold, pooled_classifier, word_classifier


class Counting:
    """Predicts the class shares of what it was fitted on."""

    def fit(self, features: np.ndarray, labels: np.ndarray) -> Counting:
        self.seen = set(features[:, 0].tolist())
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        assert not self.seen & set(features[:, 0].tolist())
        return np.tile([1.0, 3.0][: len(self.classes_)], (len(features), 1)) / 4


def test_no_group_is_predicted_by_itself_and_members_are_averaged() -> None:
    groups = np.repeat(np.arange(20), 2)
    labels = np.tile([0, 1], 20)
    features = groups[:, None].astype(float)
    found = out_of_fold([(features, Counting)], labels, groups.tolist(), 3)
    np.testing.assert_allclose(found, np.tile([0.25, 0.75, 0.0], (40, 1)))

    class Sure(Counting):
        def predict_proba(self, features: np.ndarray) -> np.ndarray:
            return np.tile([1.0, 0.0], (len(features), 1))

    found = out_of_fold([(features, Counting), (features, Sure)], labels, groups.tolist(), 2)
    np.testing.assert_allclose(found, np.tile([0.625, 0.375], (40, 1)))


@pytest.mark.parametrize("make", [word_classifier, pooled_classifier])
def test_classifiers_learn(make: object) -> None:
    labels = np.tile([0, 1, 2], 20)
    features = np.eye(3)[labels]
    given = csr_matrix(features) if make is word_classifier else features
    found = out_of_fold([(given, make)], labels, range(60), 3)  # type: ignore[list-item]
    assert (found.argmax(axis=1) == labels).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_rare_class_does_not_stop_the_others() -> None:
    labels = np.array([0, 1] * 10 + [2])
    found = out_of_fold([(np.eye(3)[labels], word_classifier)], labels, range(21), 3)
    # No other sample has the class of the last one.
    assert found[20, 2] == 0


def test_too_few_samples() -> None:
    with pytest.raises(DataError, match="4 labelled samples are too few for 5 folds; use fewer folds"):
        out_of_fold([], np.array([0, 1, 0, 1]), range(4), 2)
    with pytest.raises(DataError, match="too few for 5 folds"):
        out_of_fold([], np.array([0, 1] * 10), [0] * 20, 2)
