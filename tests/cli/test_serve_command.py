"""``clfa serve``: what it refuses before it loads anything, and what it hands on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("uvicorn")

from clfa.cli import serve as command
from clfa.cli.main import app
from clfa.errors import DataError, ModelError
from clfa.serving.run import listen
from clfa.serving.settings import Settings

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "onx"], "--engine is 'onx'; choose one of torch, onnx, openvino, ray."),
        (["--precision", "fp16"], "--precision is 'fp16'; choose one of auto, fp32, bf16."),
        (["--max-posts", "0"], "--max-posts: Input should be greater than or equal to 1."),
        (["--max-body-mb", "0.0001"], "--max-body-mb: Input should be greater than or equal to 1000."),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    found = RUNNER.invoke(app, ["serve", str(tmp_path), *options], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert found.exit_code == 2
    assert message in " ".join(found.output.replace("│", " ").split())


def test_a_model_that_is_not_there_and_an_extra_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = RUNNER.invoke(app, ["serve", str(tmp_path / "absent")])
    assert isinstance(found.exception, ModelError)
    assert "there is no run folder or model directory" in str(found.exception)
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else object())
    found = RUNNER.invoke(app, ["serve", str(tmp_path)])
    assert str(found.exception) == "the service needs uvicorn; pip install 'clfa[serve]'."


def test_options_are_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[Any] = []
    monkeypatch.setattr("clfa.serving.run.serve", lambda load, *rest: handed.extend(rest[:4]))
    token = tmp_path / "token"
    token.write_text("a" * 20)
    options = ["--max-body-mb", "2.5", "--max-pixels", "99", "--host-name", "a.example", "--port", "0"]
    found = RUNNER.invoke(app, ["serve", str(tmp_path), *options, "--token-file", str(token)])
    assert found.exception is None, found.output
    assert handed == [
        Settings(max_body_bytes=2_500_000, max_pixels=99, hosts=("a.example",)),
        "127.0.0.1",
        0,
        "a" * 20,
    ]


@pytest.mark.parametrize("engine", ["torch", "onnx"])
@pytest.mark.parametrize("option", ["--workers", "--worker-cpus", "--worker-gpus", "--address"])
def test_options_of_a_cluster_without_one(tmp_path: Path, engine: str, option: str) -> None:
    found = RUNNER.invoke(app, ["serve", str(tmp_path), "--engine", engine, option, "1"])
    assert isinstance(found.exception, ModelError)
    name = option.removeprefix("--").replace("-", "_")
    assert str(found.exception) == f"{name} is not for engine {engine!r}, which works in this process."


def test_a_precision_that_an_export_does_not_have_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.serve")
    monkeypatch.setattr("clfa.prediction.engines.ray_engine.is_export", lambda path: True)
    found = RUNNER.invoke(app, ["serve", str(tmp_path), "--engine", "ray", "--precision", "bf16"])
    assert isinstance(found.exception, ModelError)
    assert str(found.exception).startswith("precision='bf16' is not for engine 'onnx'")


def test_ray_serve_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    found = RUNNER.invoke(app, ["serve", str(tmp_path), "--engine", "ray"])
    assert "needs Ray Serve, on every machine: pip install 'clfa[ray-serve,serve]'." in str(found.exception)


def test_an_address_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DataError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; give another"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "192.0.2.1"])
def test_a_host_that_is_none_of_this_machine(host: str) -> None:
    with pytest.raises(DataError, match=rf"^cannot listen on {host}:8000: .*; give another host\.$"):
        listen(host, 8000)
