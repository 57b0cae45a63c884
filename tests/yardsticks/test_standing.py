from __future__ import annotations

from clfa.yardsticks.standing import computed, standing


def test_the_model_is_compared_with_the_best_yardstick_on_validation() -> None:
    yardsticks = {
        "majority": {"validation": {"macro_f1": 0.4}, "test": {"macro_f1": 0.9}},
        "tfidf": {"validation": {"macro_f1": 0.66}, "test": {"macro_f1": 0.1}},
        "pooled": {"left_out": "the model reads no images"},
    }
    found = standing({"validation": {"macro_f1": 0.581}, "yardsticks": yardsticks})
    assert found is not None
    assert not found.above
    expected = "The model (macro-F1 58.1 on validation) is not above the best yardstick (tfidf, 66.0)."
    assert str(found) == expected
    level = standing({"validation": {"macro_f1": 0.66}, "yardsticks": yardsticks})
    assert level is not None
    assert not level.above
    above = standing({"validation": {"macro_f1": 0.7}, "yardsticks": yardsticks})
    assert above is not None
    assert above.above
    assert str(above) == "The model (macro-F1 70.0 on validation) is above the best yardstick (tfidf, 66.0)."
    assert list(computed({"yardsticks": yardsticks})) == ["majority", "tfidf"]


def test_with_targets_the_score_is_compared() -> None:
    found = standing({"validation": {"score": 0.5}, "yardsticks": {"tfidf": {"validation": {"score": 0.25}}}})
    assert str(found) == "The model (score 0.500 on validation) is above the best yardstick (tfidf, 0.250)."


def test_a_run_without_yardsticks_has_no_comparison() -> None:
    assert standing({"validation": {"macro_f1": 0.5}}) is None
    assert standing({"validation": {"macro_f1": 0.5}, "yardsticks": {"tfidf": {"left_out": "so"}}}) is None
