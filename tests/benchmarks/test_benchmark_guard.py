from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.guard import AT_LEAST, Check, Subject, Verdict, checks, guard, judge
from benchmarks.levers import with_padding

from benchmarks import guard as module
from clfa.modeling import CLFAForClassification
from clfa.prediction import post_classifier
from clfa.processing.collator import CLFACollator


def check(*values: float, side: str = module.AT_MOST) -> Check:
    given: Iterator[float] = iter(values)
    return Check("a step", "of something", lambda: next(given), 1.5, side)


def test_what_passes_is_measured_once() -> None:
    assert judge(check(1.5)).values == (1.5,)


def test_noise_gets_a_second_chance() -> None:
    verdict = judge(check(1.9, 1.2))
    assert verdict.values == (1.9, 1.2)
    assert verdict.passed


def test_a_regression_fails_twice() -> None:
    assert not judge(check(1.9, 1.6)).passed


def test_limits_from_below() -> None:
    assert judge(check(1.5, side=AT_LEAST)).passed
    assert not judge(check(1.4, 1.4, side=AT_LEAST)).passed


def test_a_verdict_reads_as_a_line() -> None:
    assert str(Verdict(check(), (1.9, 1.61))) == "FAILED a step: 1.9, 1.61 (at most 1.5) of something"


def test_the_guard_fails_when_any_check_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "checks", lambda subject: [check(1.0), check(2.0, 2.0)])
    assert guard(tmp_path) == 1
    out = capsys.readouterr().out
    assert "1 of 2 checks passed." in out
    assert "Regressed: a step. Repeat with: python -m benchmarks guard --only 'a step'" in out
    monkeypatch.setattr(module, "checks", lambda subject: [check(1.0)])
    assert guard(tmp_path) == 0


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject(tmp_path_factory.mktemp("guard"), repetitions=1)


def limit(name: str, subject: Subject) -> Check:
    return next(check for check in checks(subject) if check.name == name)


def test_the_yardstick_does_the_same_work_with_padding(subject: Subject) -> None:
    with with_padding():
        assert subject.operations() == pytest.approx(1, abs=1e-3)
    assert limit("operations", subject).holds(subject.operations())
    assert limit("equal loss", subject).holds(subject.loss_difference())
    assert limit("kernels", subject).holds(subject.kernels())
    assert subject.padding() == 1


def test_one_measurement_of_starts_serves_both_checks_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seconds = {"clfa --help": 1.0, "import for training": 6.0, "import torch, transformers": 4.0}
    by_code = {module.startup.COMMANDS[name]: value for name, value in seconds.items()}
    started: list[str] = []

    def fake(code: str) -> float:
        started.append(code)
        return by_code[code]

    monkeypatch.setattr(module.startup, "seconds_of", fake)
    subject = Subject(tmp_path, repetitions=2)
    assert (subject.help_time(), subject.start()) == (0.25, 1.5)
    assert len(started) == 9
    # A second chance starts everything anew.
    assert subject.start() == 1.5
    assert len(started) == 18


def twice(plain: Any) -> Any:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        plain(self, *args, **kwargs)
        return plain(self, *args, **kwargs)

    return forward


def test_an_extra_forward_pass_is_caught(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLFAForClassification, "forward", twice(CLFAForClassification.forward))
    assert not limit("operations", subject).holds(subject.operations())
    assert not limit("kernels", subject).holds(subject.kernels())


def test_a_slower_step_is_caught(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def cpu_seconds(work: Callable[[], Any]) -> float:
        # The clock of this process alone: tests run beside others on busy machines.
        start = time.process_time()
        work()
        return time.process_time() - start

    monkeypatch.setattr(module, "timed", cpu_seconds)
    forward = CLFAForClassification.forward
    # Four forward passes and a backward pass, as long as two, in the place of one and one: twice the work.
    monkeypatch.setattr(CLFAForClassification, "forward", twice(twice(forward)))
    assert not limit("training step", subject).holds(subject.training_step())


def test_padding_to_full_length_is_caught(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def pad_all(self: CLFACollator, values: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(values), 77, dtype=torch.long), torch.ones(len(values), 77, dtype=torch.long)

    monkeypatch.setattr(CLFACollator, "_pad_ids", pad_all)
    assert not limit("padding", subject).holds(subject.padding())


def test_running_every_batch_twice_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(tmp_path, repetitions=1)
    assert subject.evaluation_passes() == 1
    assert subject.prediction_passes() == 1
    once = module.infer
    monkeypatch.setattr(module, "infer", lambda *args, **kwargs: (once(*args, **kwargs), once(*args, **kwargs)))
    assert not limit("evaluation", subject).holds(subject.evaluation_passes())


def test_equal_posts_that_are_computed_each_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(tmp_path, repetitions=1)
    assert limit("equal posts", subject).holds(subject.equal_posts_passes())
    monkeypatch.setattr(post_classifier, "distinct", lambda posts: (posts, list(range(len(posts)))))
    assert not limit("equal posts", subject).holds(subject.equal_posts_passes())
