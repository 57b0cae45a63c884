"""Explanations: the answers without a part, words and regions where something finds them, and their bound."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clfa.errors import DataError, ModelError
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import CLFAProcessor
from clfa.serving.explanations import find_explainer
from clfa.serving.schemas import EXAMPLE_PICTURE as SQUARE
from clfa.serving.schemas import ExplanationOut, RegionsOut, WordOut
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings
from serving.conftest import Client, picture

BODY = {"text": "so sunny", "image": SQUARE, "explain": True}


def explain(post: Post) -> ExplanationOut:
    if post.text == "dark":
        raise ModelError("this post has no explanation.")
    words = [WordOut(text=word, score=0.5) for word in (post.text or "").split()]
    return ExplanationOut(target="label", method="a test", words=words, regions=RegionsOut(scores=[[0.1, -0.2]]))


@pytest.fixture(scope="module")
def lenient(tiny_run: Path) -> PostClassifier:
    """A random model that allows missing modalities."""
    config = CLFAConfig.from_pretrained(tiny_run / "model", allow_missing_modalities=True)
    return PostClassifier(CLFAForClassification(config), CLFAProcessor.from_pretrained(tiny_run / "model"))


def test_answers_without_a_part_where_the_model_allows_it(client: Client, lenient: PostClassifier) -> None:
    red = picture("red")
    wanted = lenient([Post("so sunny", [red]), Post("so sunny"), Post(None, [red])])

    async def ask() -> None:
        async with client(model=ServedModel("lenient", lenient)) as http:
            form: dict[str, Any] = {"files": {"image": ("a.png", red)}}
            answer = (await http.post("/v1/predict", data={"text": "so sunny", "explain": "true"}, **form)).json()
            found = [answer["targets"], *(answer["without"][part]["targets"] for part in ("image", "text"))]
            for targets, prediction in zip(found, wanted, strict=True):
                (target,) = targets.values()
                assert target["probabilities"] == pytest.approx(prediction.probabilities, abs=2e-6)
            assert "explanation" not in answer
            plain = (await http.post("/v1/predict", data={"text": "so sunny"}, **form)).json()
            alone = (await http.post("/v1/predict", json={"text": "so sunny", "explain": True})).json()
            assert "without" not in plain | alone

    asyncio.run(ask())


def test_words_and_regions_come_from_what_the_package_offers(client: Client, served: ServedModel) -> None:
    async def ask() -> None:
        async with client(model=ServedModel("tiny", served.classifier, explain)) as http:
            assert (await http.get("/v1/model")).json()["explains"] is True
            answer = (await http.post("/v1/predict", json=BODY)).json()
            assert answer["explanation"]["words"] == [{"text": "so", "score": 0.5}, {"text": "sunny", "score": 0.5}]
            assert answer["explanation"]["regions"] == {"scores": [[0.1, -0.2]]}
            # A model that has always seen both parts is not asked about one.
            assert "without" not in answer
            for body in (BODY | {"text": "dark"}, BODY | {"explain": False}):
                assert "explanation" not in (await http.post("/v1/predict", json=body)).json()

    asyncio.run(ask())


def test_the_package_s_explanations_are_taken_over(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    part = SimpleNamespace(value="bad", score=0.4, how="a grey picture")
    words = [SimpleNamespace(text="so", start=0, score=0.25)]
    facts = {"target": "label", "label": "good", "method": "occlusion", "words": words, "regions": [[0.5]]}
    seen: list[Any] = []

    def explain_post(classifier: PostClassifier, post: Post) -> SimpleNamespace:
        seen.append((classifier, post))
        return SimpleNamespace(**facts, without={"image": part}, error=None if post.text else "empty text")

    package, module = ModuleType("clfa.explaining"), ModuleType("clfa.explaining.explain")
    vars(module)["explain_post"] = explain_post
    monkeypatch.setitem(sys.modules, "clfa.explaining", package)
    monkeypatch.setitem(sys.modules, "clfa.explaining.explain", module)
    found = find_explainer(served.classifier)
    assert found is not None
    assert found(Post("so", [b"x"])).model_dump() == {
        "target": "label",
        "label": "good",
        "method": "occlusion",
        "words": [{"text": "so", "score": 0.25}],
        "regions": {"scores": [[0.5]]},
        "without": {"image": {"prediction": "bad", "score": 0.4, "how": "a grey picture"}},
    }
    assert seen == [(served.classifier, Post("so", b"x"))]
    with pytest.raises(DataError, match=r"^empty text$"):
        found(Post(None))


def test_a_real_explanation(client: Client, served: ServedModel) -> None:
    explaining = pytest.importorskip("clfa.explaining.explain")
    red = picture("red")
    wanted = explaining.explain_post(served.classifier, Post("so sunny", red))

    async def ask() -> None:
        async with client(model=ServedModel("tiny", served.classifier, find_explainer(served.classifier))) as http:
            files = {"image": ("a.png", red)}
            answer = (await http.post("/v1/predict", data={"text": "so sunny", "explain": "1"}, files=files)).json()
            found = answer["explanation"]
            assert [one["text"] for one in found["words"]] == ["so", "sunny"]
            assert [one["score"] for one in found["words"]] == pytest.approx(
                [one.score for one in wanted.words], abs=1e-5
            )
            assert found["without"].keys() == wanted.without.keys() == {"text", "image"}

    asyncio.run(ask())


def test_explanations_have_a_bound_of_their_own(client: Client, served: ServedModel) -> None:
    go = threading.Event()

    def held(post: Post) -> ExplanationOut:
        go.wait(60)
        return explain(post)

    async def ask() -> None:
        async with client(Settings(max_explaining=1), model=ServedModel("tiny", served.classifier, held)) as http:
            asked = [asyncio.create_task(http.post("/v1/predict", json=BODY)) for _ in range(3)]
            while sum(task.done() for task in asked) < 2:
                await asyncio.sleep(0.01)
            # Beside an explanation others are answered.
            assert (await http.post("/v1/predict", json=BODY | {"explain": False})).status_code == 200
            go.set()
            assert sorted([(await task).status_code for task in asked]) == [200, 503, 503]

    asyncio.run(ask())
