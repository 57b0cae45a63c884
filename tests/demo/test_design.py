"""Balance and held-out combinations of the synthetic data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.demo.concepts import CONCEPTS, DISTRACTORS, FAMILIES, ORDER, TEMPLATES
from clfa.demo.design import SARCASTIC, SINCERE, DemoPost, plan_posts
from clfa.errors import DataError

Plan = dict[str, list[DemoPost]]
SIZES = {"train": 384, "validation": 96, "test": 192}


@pytest.fixture(scope="module", params=[0, 1, 2])
def plan(request: pytest.FixtureRequest) -> Plan:
    return plan_posts(seed=request.param, **SIZES)


def test_every_split_has_the_size_asked_for_and_unique_ids(plan: Plan) -> None:
    assert {split: len(posts) for split, posts in plan.items()} == SIZES
    ids = [post.id for posts in plan.values() for post in posts]
    assert len(set(ids)) == len(ids)


def test_every_text_and_every_picture_is_as_often_sincere_as_sarcastic(plan: Plan) -> None:
    for split, posts in plan.items():
        times = 2 if split == "train" else 1
        for part in (lambda p: p.claim.text, lambda p: p.shot.name):
            counts = [Counter(part(p) for p in posts if p.label == label) for label in (SINCERE, SARCASTIC)]
            assert counts[0] == counts[1]
            assert set(counts[0].values()) == {times}


def test_wordings_emoji_and_templates_are_half_sarcastic(plan: Plan) -> None:
    for posts in plan.values():
        for key, equally_often in (
            (lambda p: (p.claim.concept, p.claim.wording), True),
            (lambda p: p.shot.hexcode, True),
            (lambda p: p.claim.template, False),
        ):
            counts = [Counter(key(p) for p in posts if p.label == label) for label in (SINCERE, SARCASTIC)]
            assert counts[0] == counts[1]
            assert not equally_often or len(set(counts[0].values())) == 1


def test_every_split_has_every_wording_and_emoji(plan: Plan) -> None:
    for posts in plan.values():
        assert {p.shot.hexcode for p in posts} == {code for concept in CONCEPTS for code in concept.emoji}
        assert len({(p.claim.concept, p.claim.wording) for p in posts}) == len(CONCEPTS) * ORDER


def test_no_post_occurs_twice(plan: Plan) -> None:
    posts = [(p.claim.text, p.shot.name) for posts in plan.values() for p in posts]
    assert len(set(posts)) == len(posts)


def test_label_says_whether_the_claim_is_shown(plan: Plan) -> None:
    for posts in plan.values():
        for post in posts:
            assert (post.label == SINCERE) == (post.claim.concept == post.shot.concept)


def test_sarcastic_concept_pairs_belong_to_one_split(plan: Plan) -> None:
    pairs = {
        split: {frozenset((p.claim.concept, p.shot.concept)) for p in posts if p.label == SARCASTIC}
        for split, posts in plan.items()
    }
    assert {split: len(found) for split, found in pairs.items()} == {"train": 24, "validation": 12, "test": 12}
    for one, other in combinations(pairs.values(), 2):
        assert not one & other


def test_sarcastic_posts_cross_families(plan: Plan) -> None:
    for posts in plan.values():
        for post in posts:
            assert post.label == SINCERE or post.claim.concept // ORDER != post.shot.concept // ORDER


def test_every_concept_has_equally_many_partners_in_a_split(plan: Plan) -> None:
    for split, posts in plan.items():
        partners = {(p.claim.concept, p.shot.concept) for p in posts if p.label == SARCASTIC}
        assert Counter(claimed for claimed, _ in partners) == dict.fromkeys(
            range(len(CONCEPTS)), 4 if split == "train" else 2
        )


def test_wording_and_emoji_combinations_belong_to_one_split(plan: Plan) -> None:
    met = {split: {(p.claim.concept, p.claim.wording, p.shot.hexcode) for p in posts} for split, posts in plan.items()}
    for one, other in combinations(met.values(), 2):
        assert not one & other


@pytest.mark.parametrize("part", [lambda p: p.claim.text, lambda p: p.shot.name], ids=["text", "picture"])
def test_texts_and_pictures_belong_to_one_split(plan: Plan, part: Callable[[DemoPost], str]) -> None:
    for one, other in combinations(({part(post) for post in posts} for posts in plan.values()), 2):
        assert not one & other


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(), units=st.tuples(*[st.integers(1, 8)] * 3))
def test_plan_depends_on_its_arguments_only(seed: int, units: tuple[int, int, int]) -> None:
    train, validation, test = (unit * one for unit, one in zip(units, (192, 96, 96), strict=True))
    first = plan_posts(seed=seed, train=train, validation=validation, test=test)
    assert first == plan_posts(seed=seed, train=train, validation=validation, test=test)
    assert [len(posts) for posts in first.values()] == [train, validation, test]


def test_another_seed_gives_another_plan() -> None:
    assert plan_posts(seed=0, **SIZES) != plan_posts(seed=1, **SIZES)


@pytest.mark.parametrize(("split", "size", "unit"), [("train", 96, 192), ("validation", 0, 96), ("test", -96, 96)])
def test_a_size_that_cannot_be_balanced_is_refused(split: str, size: int, unit: int) -> None:
    with pytest.raises(DataError, match=rf"{split}={size}: the size must be a positive multiple of {unit}"):
        plan_posts(seed=0, **{**SIZES, split: size})


def test_more_posts_than_distinct_texts_is_refused() -> None:
    plan_posts(seed=0, train=22 * 192, validation=96, test=96)
    with pytest.raises(DataError, match="needs 25 texts per wording, but there are only 24 templates; choose smaller"):
        plan_posts(seed=0, train=23 * 192, validation=96, test=96)


def test_vocabulary_is_distinct() -> None:
    assert [len(family) for family in FAMILIES.values()] == [ORDER] * len(FAMILIES)
    for values in (
        [w for c in CONCEPTS for w in c.wordings],
        [e for c in CONCEPTS for e in c.emoji] + list(DISTRACTORS),
        TEMPLATES,
    ):
        assert len(set(values)) == len(values)
    assert all(template.count("{x}") == 1 for template in TEMPLATES)
    assert all(len(c.wordings) == len(c.emoji) == ORDER for c in CONCEPTS)
