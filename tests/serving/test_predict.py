"""POST /v1/predict: answers are those of the model, in both forms of a request, for one post and for several."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from clfa.prediction.post import Post
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings
from serving.conftest import Client, picture

RED, BLUE = picture("red"), picture("blue", form="JPEG")


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def expected(served: ServedModel, *posts: Post) -> list[dict[str, Any]]:
    return [
        {name: found.probabilities for name, found in (prediction.targets or {}).items()}
        for prediction in served.classifier(list(posts))
    ]


def close(answer: dict[str, Any], wanted: dict[str, Any]) -> bool:
    found = {name: one["probabilities"] for name, one in answer["targets"].items()}
    return found.keys() == wanted.keys() and all(found[k] == pytest.approx(wanted[k], abs=2e-6) for k in found)


def test_one_post_in_either_form(client: Client, served: ServedModel) -> None:
    async def ask() -> None:
        async with client() as http:
            body = {"id": "p1", "text": "so sunny", "image": coded(RED)}
            one = await http.post("/v1/predict", json=body)
            form = await http.post(
                "/v1/predict", data={"id": "p1", "text": "so sunny"}, files=[("image", ("a.png", RED, "image/png"))]
            )
            assert one.status_code == form.status_code == 200, one.text
            assert one.json() == form.json()
            answer = one.json()
            assert close(answer, expected(served, Post("so sunny", [RED]))[0])
            (target,) = answer["targets"].values()
            assert target["confidence"] == max(target["probabilities"].values())
            assert target["probabilities"][target["prediction"]] == target["confidence"]
            assert (answer["id"], answer["model"]) == ("p1", served.fingerprint)
            assert "error" not in answer
            assert "agreement" not in answer

    asyncio.run(ask())


def test_several_posts_keep_their_order_and_their_errors(client: Client, served: ServedModel) -> None:
    posts = [
        {"id": 1, "text": "so sunny", "image": coded(RED)},
        {"id": 2, "text": "so sunny", "image": coded(b"no picture")},
        {"id": 3, "text": "", "image": coded(RED)},
        {"text": "great", "image": [coded(BLUE)]},
        {"text": "great", "image": "http://127.0.0.1/a.png"},
        {"text": "great " * 2000, "image": coded(RED)},
        {"text": "great", "image": coded(picture("red", (2000, 20)))},
    ]

    async def ask() -> None:
        async with client(Settings(max_pixels=30_000)) as http:
            answer = await http.post("/v1/predict", json={"posts": posts})
            assert answer.status_code == 200
            found = answer.json()["posts"]
            good = expected(served, Post("so sunny", [RED]), Post("great", [BLUE]))
            assert close(found[0], good[0])
            assert close(found[3], good[1])
            assert [one.get("id") for one in found] == [1, 2, 3, None, None, None, None]
            codes = [one["error"]["code"] if "error" in one else None for one in found]
            assert codes[:4] == [None, "unusable_post", "unusable_post", None]
            assert codes[4:] == ["unusable_post", "text_too_long", "picture_too_large"]
            assert "not an image" in found[1]["error"]["message"]
            assert found[4]["error"]["field"] == "posts.4.image"

            parts = [{"text": "so sunny", "image": "a.png"}, {"text": "great", "image": ["b.jpg"]}]
            parts += [{"text": "great", "image": "/etc/hostname"}]
            files = [("image", ("a.png", RED, "image/png")), ("image", ("b.jpg", BLUE, "image/jpeg"))]
            form = await http.post("/v1/predict", data={"posts": json.dumps(parts)}, files=files)
            assert form.status_code == 200, form.text
            assert close(form.json()["posts"][0], good[0])
            assert close(form.json()["posts"][1], good[1])
            assert form.json()["posts"][2]["error"]["message"] == "The form has no picture of this name."

    asyncio.run(ask())


def test_answers_to_many_clients_are_those_of_the_model(client: Client, served: ServedModel) -> None:
    posts = [Post("great " * (1 + n % 5), [picture(c)]) for n, c in enumerate(["red", "blue", "green"] * 8)]
    wanted = expected(served, *posts)

    async def ask() -> None:
        async with client(Settings(max_wait_ms=50, max_batch=8)) as http:

            async def one(number: int) -> None:
                post = posts[number]
                body = {"text": post.text, "image": coded(post.image[0])}
                answer = await http.post("/v1/predict", json=body)
                assert close(answer.json(), wanted[number])

            await asyncio.gather(*(one(number) for number in range(len(posts))))
            text = (await http.get("/metrics")).text
            batches = float(next(line for line in text.splitlines() if line.startswith("clfa_batch_posts_count"))[23:])
            assert 3 <= batches <= 12, "requests are joined"
            assert "clfa_posts_total 24.0" in text
            assert "clfa_waiting 0.0" in text

    asyncio.run(ask())


def test_model_and_health(client: Client, served: ServedModel) -> None:
    async def ask() -> None:
        async with client() as http:
            info = (await http.get("/v1/model")).json()
            assert info["reads"] == ["text", "image"]
            assert info["targets"][0]["classes"] == list(served.classifier.label_names)
            assert info["targets"][0]["calibrated"] == (served.classifier.targets[0].calibration is not None)
            assert (info["may_lack"], info["agreement"], info["explains"]) == (False, False, False)
            assert (await http.get("/healthz")).text == (await http.get("/readyz")).text == "ok"

    asyncio.run(ask())


def test_a_reload_keeps_answers_and_the_old_model_where_the_new_one_fails(client: Client, served: ServedModel) -> None:
    from clfa.errors import ModelError

    async def ask() -> None:
        async with client() as http:
            service = http.service  # type: ignore[attr-defined]
            body = {"text": "so sunny", "image": coded(RED)}
            before = (await http.post("/v1/predict", json=body)).json()
            assert await service.reload()

            def broken() -> ServedModel:
                raise ModelError("there is no model.")

            service._load = broken
            assert not await service.reload()
            assert (await http.post("/v1/predict", json=body)).json() == before
            text = (await http.get("/metrics")).text
            assert 'clfa_reloads_total{outcome="failed"} 1.0' in text
            service.ending = True
            refused = await http.post("/v1/predict", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200

    asyncio.run(ask())
