"""The graph of an export computes what the model does, before any conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")

from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.modeling import CLFAForClassification
from clfa.modeling.baselines import BASELINES
from clfa.modeling.fusion import FUSIONS
from clfa.prediction import onnx_export
from clfa.prediction.engines.graph_inputs import graph_inputs
from clfa.prediction.onnx_graph import Graph, changing_axes, input_names
from clfa.processing.processor import CLFAProcessor

SMALL = {"hidden_size": 8, "projection_hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
PICTURE = (3, 32, 32)
# Baselines that read the class token of a vision transformer.
OF_ONE_PICTURE = ("image_transformer", "res_bert", "multiview_clip", "interclip_mep")


@pytest.mark.parametrize("lacking", [False, True], ids=["complete", "may lack"])
@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_every_fusion_with_knowledge_and_several_pictures(
    fusion: str, lacking: bool, tiny_bert_dir: Path, tiny_vit_dir: Path
) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"fusion": fusion, "use_knowledge": True, "allow_missing_modalities": lacking}
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b"], **SMALL, **settings).eval()
    knowledge = KnowledgeRecipe(gamma=0.5, lambda1=0.5)
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir, knowledge=knowledge, max_length=12)
    names = input_names(model, processor)
    assert names == [
        *("input_ids", "attention_mask", "text_bias"),
        *("knowledge_input_ids", "knowledge_attention_mask", "knowledge_bias", "pixel_values", "image_index"),
    ]
    seen = set()
    for shape in ((3, 9), (1, 3), (2, 0)):
        batch = onnx_export._batch(model, processor, *shape)
        arrays = graph_inputs(names, {name: tensor.numpy() for name, tensor in batch.items()}, PICTURE)
        assert graph_inputs(names, arrays, PICTURE) == arrays
        with torch.no_grad():
            expected = model(**batch)
            found = Graph(model)(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        torch.testing.assert_close(found[0], expected.logits)
        torch.testing.assert_close(found[1], expected.pooler_output)
        seen |= {("knowledge_input_ids" in batch, batch["pixel_values"].dim())}
    assert seen == {(True, 5), (True, 4), (False, 4)}


# Each takes seconds. What differs for complete posts is in front of the fusion, and the paper's has all of it.
@pytest.mark.parametrize(
    ("fusion", "lacking"), [*((name, True) for name in FUSIONS.names()), ("cross_attention", False), ("concat", False)]
)
def test_the_graph_of_every_fusion_takes_any_number_of_posts(
    fusion: str, lacking: bool, tiny_bert_dir: Path, tiny_vit_dir: Path
) -> None:
    settings: dict[str, Any] = {"fusion": fusion, "use_knowledge": lacking, "allow_missing_modalities": lacking}
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b"], **SMALL, **settings).eval()
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir, max_length=12)
    names = input_names(model, processor)
    batch = {name: tensor.numpy() for name, tensor in onnx_export._batch(model, processor, 3, 9).items()}
    inputs = {name: torch.from_numpy(array) for name, array in graph_inputs(names, batch, PICTURE).items()}
    shapes = {name: dict.fromkeys(range(changing_axes(name)), torch.export.Dim.DYNAMIC) for name in names}
    with torch.no_grad():
        traced = torch.export.export(Graph(model), (), kwargs=inputs, dynamic_shapes=shapes, strict=False)
    symbols = [
        node.meta["val"].shape[0] for node in traced.graph.nodes if node.op == "placeholder" and node.name in names
    ]
    assert len(symbols) == len(names)
    assert not [size for size in symbols if isinstance(size, int)]


def test_pictures_are_listed_once() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3, 1, 1)
    exists = np.array([[True, False, False], [True, True, False]])
    names = ["pixel_values", "image_index"]
    found = graph_inputs(names, {"pixel_values": pixels, "image_present": exists}, (3, 1, 1))
    assert found["image_index"].tolist() == [[0, -1, -1], [1, 2, -1]]
    assert found["pixel_values"].tolist() == pixels[exists].tolist()
    one_each = graph_inputs(names, {"pixel_values": pixels[:, 0]}, (3, 1, 1))
    assert one_each["image_index"].tolist() == [[0], [1]]
    none = graph_inputs([*names, "input_ids"], {"input_ids": np.zeros((2, 4), np.int64)}, (3, 1, 1))
    assert (none["image_index"].tolist(), none["pixel_values"].shape) == ([[-1], [-1]], (1, 3, 1, 1))


@pytest.mark.parametrize("lacking", [False, True], ids=["complete", "may lack"])
@pytest.mark.parametrize("baseline", BASELINES.names())
def test_every_baseline_reads_as_many_pictures_as_in_pytorch(
    baseline: str, lacking: bool, tiny_bert_dir: Path, tiny_vit_dir: Path
) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"baseline": baseline, "use_knowledge": True, "allow_missing_modalities": lacking}
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b"], **SMALL, **settings).eval()
    knowledge = KnowledgeRecipe()
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir, knowledge=knowledge, max_length=12)
    names = input_names(model, processor)
    several = baseline not in OF_ONE_PICTURE
    assert ("image_index" in names) == several
    assert ("image_present" in names) == (lacking and not several)
    for shape in ((3, 9), (1, 3), (2, 0)):
        batch = onnx_export._batch(model, processor, *shape)
        arrays = graph_inputs(names, {name: tensor.numpy() for name, tensor in batch.items()}, PICTURE)
        with torch.no_grad():
            expected = model(**batch)
            found = Graph(model)(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        torch.testing.assert_close(found[0], expected.logits)
        torch.testing.assert_close(found[1], expected.pooler_output)
