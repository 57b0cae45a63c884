from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.errors import ModelError
from clfa.modeling import CLFAConfig
from clfa.prediction.engines import ENGINES
from clfa.prediction.engines.exported import MODEL_FILE, REPORT_FILE
from clfa.prediction.engines.onnx_engine import OnnxRuntime
from clfa.prediction.engines.openvino_engine import OpenVinoRuntime

onnx = pytest.importorskip("onnx")
openvino = pytest.importorskip("openvino")

WIDTH = 3 * 8 * 8


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An export whose logits are a linear map of the pixels."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(WIDTH, 2)).astype(np.float32)
    float32, helper = onnx.TensorProto.FLOAT, onnx.helper
    nodes = [
        helper.make_node("Flatten", ["pixel_values"], ["pooler_output"]),
        helper.make_node("MatMul", ["pooler_output", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("pixel_values", float32, ["batch", 3, 8, 8])],
        [
            helper.make_tensor_value_info("logits", float32, ["batch", 2]),
            helper.make_tensor_value_info("pooler_output", float32, ["batch", WIDTH]),
        ],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    folder = tmp_path / "exported"
    CLFAConfig(id2label={0: "bad", 1: "good"}).save_pretrained(folder)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / MODEL_FILE)
    (folder / REPORT_FILE).write_text(json.dumps({"precision": "fp32"}))
    return folder


def pictures(seed: int, count: int = 5) -> dict[str, np.ndarray]:
    return {"pixel_values": np.random.default_rng(seed).normal(size=(count, 3, 8, 8)).astype(np.float32)}


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_outputs_are_those_of_onnx_runtime(exported: Path, precision: Any) -> None:
    given, plain = OpenVinoRuntime(exported, precision), OnnxRuntime(exported)
    # Batches of several sizes go through the same model.
    for count in (5, 1, 7):
        found, expected = given(pictures(count, count)), plain(pictures(count, count))
        np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(found.embeddings, expected.embeddings)
        assert found.agreement is None


def test_outputs_stay_when_the_next_batch_is_computed(exported: Path) -> None:
    runtime = OpenVinoRuntime(exported)
    first = runtime(pictures(0)).logits
    kept = first.copy()
    runtime(pictures(1))
    np.testing.assert_array_equal(first, kept)


def test_threads_do_not_disturb_each_other(exported: Path) -> None:
    runtime = OpenVinoRuntime(exported)
    alone = [runtime(pictures(seed)).logits for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: runtime(pictures(seed)).logits, range(40)))
    np.testing.assert_array_equal(np.stack(together), np.stack(alone))


def test_bfloat16_is_near_and_has_another_fingerprint(exported: Path) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("no instructions for bfloat16")
    plain, lower = OpenVinoRuntime(exported), OpenVinoRuntime(exported, "bf16")
    difference = np.abs(lower(pictures(0)).logits - plain(pictures(0)).logits).max()
    assert 1e-4 < difference < 0.5
    fingerprints = {plain.fingerprint, lower.fingerprint, OnnxRuntime(exported).fingerprint}
    assert len(fingerprints) == 3
    assert OpenVinoRuntime(exported, "fp32").fingerprint == plain.fingerprint


def test_bfloat16_needs_instructions(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino.Core, "get_property", lambda core, device, name: ["FP32"])
    with pytest.raises(ModelError, match=r"instructions for bfloat16, and this one has none; predict with .*fp32"):
        OpenVinoRuntime(exported, "bf16")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_export_in_int8_is_run_as_it_is(exported: Path, precision: Any) -> None:
    (exported / REPORT_FILE).write_text(json.dumps({"precision": "int8"}))
    assert OpenVinoRuntime(exported).precision == "int8"
    with pytest.raises(ModelError, match=r"is an export in int8; predict with .*auto"):
        OpenVinoRuntime(exported, precision)


def test_a_damaged_file(exported: Path) -> None:
    (exported / MODEL_FILE).write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded by OpenVINO: "):
        OpenVinoRuntime(exported)


def test_without_the_package(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"OpenVINO is not installed; pip install 'clfa\[openvino\]'"):
        OpenVinoRuntime(exported)


def test_no_export(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no exported model; make one with `clfa export onnx RUN`"):
        ENGINES.get("openvino")().load(str(tmp_path), "auto")
