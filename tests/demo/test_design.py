"""Balance and held-out combinations of the synthetic data set."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.demo.concepts import CONCEPTS, DISTRACTORS, TEMPLATES, VARIANTS
from clfa.demo.design import SARCASTIC, SINCERE, Post, plan_posts
from clfa.errors import DataError

Plan = dict[str, list[Post]]
SIZES = {"train": 480, "validation": 120, "test": 160}


@pytest.fixture(scope="module", params=[0, 1, 2])
def plan(request: pytest.FixtureRequest) -> Plan:
    return plan_posts(seed=request.param, **SIZES)


def test_every_split_has_the_size_asked_for_and_unique_ids(plan: Plan) -> None:
    assert {split: len(posts) for split, posts in plan.items()} == SIZES
    ids = [post.id for posts in plan.values() for post in posts]
    assert len(set(ids)) == len(ids)


def test_every_text_and_every_picture_is_once_sincere_and_once_sarcastic(plan: Plan) -> None:
    for posts in plan.values():
        for part in (lambda p: p.claim, lambda p: p.shot, lambda p: p.claim.text, lambda p: p.shot.name):
            seen = Counter((part(post), post.label) for post in posts)
            assert set(seen.values()) == {1}
            assert len(seen) == len(posts)
            assert all((thing, label) in seen for thing, _ in seen for label in (SINCERE, SARCASTIC))


def test_wordings_templates_and_emoji_are_half_sarcastic(plan: Plan) -> None:
    for posts in plan.values():
        for key in (
            lambda p: (p.claim.concept, p.claim.wording),
            lambda p: p.claim.template,
            lambda p: p.shot.hexcode,
        ):
            sincere = Counter(key(p) for p in posts if p.label == SINCERE)
            sarcastic = Counter(key(p) for p in posts if p.label == SARCASTIC)
            assert sincere == sarcastic


def test_label_says_whether_the_claim_is_shown(plan: Plan) -> None:
    for posts in plan.values():
        for post in posts:
            assert (post.label == SINCERE) == (post.claim.concept == post.shot.concept)


def test_sarcastic_concept_pairs_belong_to_one_split(plan: Plan) -> None:
    pairs = {
        split: {frozenset((p.claim.concept, p.shot.concept)) for p in posts if p.label == SARCASTIC}
        for split, posts in plan.items()
    }
    for one, other in combinations(pairs.values(), 2):
        assert not one & other


def test_wording_and_emoji_combinations_belong_to_one_split(plan: Plan) -> None:
    met = {split: {(p.claim.concept, p.claim.wording, p.shot.hexcode) for p in posts} for split, posts in plan.items()}
    for one, other in combinations(met.values(), 2):
        assert not one & other


def test_texts_belong_to_one_split(plan: Plan) -> None:
    texts = [{post.claim.text for post in posts} for posts in plan.values()]
    for one, other in combinations(texts, 2):
        assert not one & other


def test_every_concept_has_equally_many_partners_in_a_split() -> None:
    whole = plan_posts(seed=0, train=3 * 480, validation=240, test=480)
    for posts in whole.values():
        partners = {(p.claim.concept, p.shot.concept) for p in posts if p.label == SARCASTIC}
        assert len({Counter(claimed for claimed, _ in partners)[c] for c in range(len(CONCEPTS))}) == 1


def test_train_knows_every_wording_and_emoji() -> None:
    posts = plan_posts(seed=0, train=1440, validation=4, test=4)["train"]
    assert {p.shot.hexcode for p in posts} == {code for concept in CONCEPTS for code in concept.emoji}
    assert len({(p.claim.concept, p.claim.wording) for p in posts}) == len(CONCEPTS) * VARIANTS


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(), fours=st.tuples(*[st.integers(1, 20)] * 3))
def test_plan_depends_on_its_arguments_only(seed: int, fours: tuple[int, int, int]) -> None:
    train, validation, test = (4 * four for four in fours)
    first = plan_posts(seed=seed, train=train, validation=validation, test=test)
    assert first == plan_posts(seed=seed, train=train, validation=validation, test=test)
    assert [len(posts) for posts in first.values()] == [train, validation, test]


def test_another_seed_gives_another_plan() -> None:
    assert plan_posts(seed=0, **SIZES) != plan_posts(seed=1, **SIZES)


@pytest.mark.parametrize("size", [0, -4, 3, 402])
def test_a_size_that_is_no_multiple_of_four_is_refused(size: int) -> None:
    with pytest.raises(DataError, match=rf"validation={size}: .* multiple of 4"):
        plan_posts(seed=0, train=4, validation=size, test=4)


def test_more_posts_than_distinct_texts_is_refused() -> None:
    with pytest.raises(DataError, match=r"no unused text about '.+' is left; ask for fewer posts"):
        plan_posts(seed=0, train=40_000, validation=4, test=4)


def test_vocabulary_is_distinct() -> None:
    assert len(CONCEPTS) % 2 == 0
    for values in (
        [w for c in CONCEPTS for w in c.wordings],
        [e for c in CONCEPTS for e in c.emoji] + list(DISTRACTORS),
        TEMPLATES,
    ):
        assert len(set(values)) == len(values)
    assert all(template.count("{x}") == 1 for template in TEMPLATES)
    assert all(len(c.wordings) == len(c.emoji) == VARIANTS for c in CONCEPTS)
