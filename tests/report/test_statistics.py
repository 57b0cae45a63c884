from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clfa.report.statistics import compare, holm, standard_error, summarise

A = [71.2, 70.4, 73.0, 69.9, 72.1]
B = [70.1, 70.0, 71.2, 70.3, 70.5]


def test_corrected_t_test_by_hand() -> None:
    # Differences 1.1, 0.4, 1.8, -0.4, 1.6: mean 0.9; squared deviations 0.04, 0.25, 0.81, 1.69, 0.49, their sum 3.28,
    # variance 0.82. With 800 test and 3,200 training samples the factor is 1/5 + 1/4 = 0.45, so the standard error is
    # sqrt(0.369) = 0.607454 and t = 1.481594 on 4 degrees of freedom; its 97.5 % quantile is 2.776445.
    found = compare(A, B, ratio=0.25)
    assert found.mean == pytest.approx(0.9)
    assert found.sd == pytest.approx(math.sqrt(0.82))
    assert found.low == pytest.approx(0.9 - 2.776445 * 0.607454, abs=1e-5)
    assert found.high == pytest.approx(0.9 + 2.776445 * 0.607454, abs=1e-5)
    # The distribution function of t with 4 degrees of freedom in closed form.
    x = 1.481594 / math.sqrt(4 + 1.481594**2)
    assert found.p == pytest.approx(1 - 1.5 * (x - x**3 / 3), abs=1e-5)
    assert (found.n, found.ahead) == (5, 4)


def test_without_overlap_it_is_the_ordinary_paired_test() -> None:
    found = compare(A, B)
    assert found.p == pytest.approx(stats.ttest_rel(A, B).pvalue)
    interval = stats.ttest_rel(A, B).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_correction_widens() -> None:
    assert compare(A, B, 0.25).p > compare(A, B).p
    assert standard_error(np.array([1.0, 3.0]), 0.5) == pytest.approx(math.sqrt((0.5 + 0.5) * 2))


def test_wilcoxon_by_counting() -> None:
    # Ranks of |d|: 0.4 and 0.4 share 1.5, 1.1 is 3, 1.6 is 4, 1.8 is 5. Without ties: of five differences all positive
    # two of the 32 signs are as extreme.
    assert compare([2, 4, 6, 8, 10], [1, 2, 3, 4, 5]).wilcoxon_p == pytest.approx(2 / 32)
    assert compare(A, B).wilcoxon_p == pytest.approx(stats.wilcoxon(np.subtract(A, B)).pvalue)


def test_what_cannot_be_tested_has_no_p() -> None:
    one = compare([1.0], [0.5])
    assert one.mean == 0.5
    assert math.isnan(one.p)
    assert math.isnan(one.low)
    assert math.isnan(one.wilcoxon_p)
    same = compare(A, A)
    assert same.mean == 0
    assert math.isnan(same.p)
    assert math.isnan(same.wilcoxon_p)
    constant = compare([1.1, 2.1, 3.1], [1.0, 2.0, 3.0])
    assert math.isnan(constant.p)
    with pytest.raises(ValueError, match="paired scores are needed, got 1 and 2"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="there are no scores to summarise"):
        summarise([])


def test_summary_by_hand() -> None:
    # Mean 4, variance (4 + 0 + 4) / 2 = 4; t with 2 degrees of freedom has the 97.5 % quantile 4.302653.
    found = summarise([2, 4, 6])
    assert (found.mean, found.sd, found.n) == (4, 2, 3)
    assert found.high - 4 == pytest.approx(4.302653 * 2 / math.sqrt(3), abs=1e-5)
    single = summarise([5])
    assert single.mean == 5
    assert math.isnan(single.sd)
    assert math.isnan(single.high)


def test_holm_by_hand() -> None:
    # 0.01 x 4; max(0.04, 0.015 x 3); max(0.045, 0.03 x 2); max(0.06, 0.04 x 1).
    assert holm([0.04, 0.01, 0.03, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    with_gap = holm([math.nan, 0.02, 0.5])
    assert math.isnan(with_gap[0])
    assert with_gap[1:] == pytest.approx([0.04, 0.5])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_never_lowers(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    by_p = [corrected[i] for i in sorted(range(len(p_values)), key=lambda i: p_values[i])]
    assert by_p == sorted(by_p)
    assert min(corrected) == pytest.approx(min(1, min(p_values) * len(p_values)))
