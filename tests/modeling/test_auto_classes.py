from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

from clfa.modeling import CLFAConfig, CLFAForClassification, CLFAModel
from clfa.processing.processor import CLFAProcessor


@pytest.fixture(scope="module")
def model_dir(tiny_run: Path) -> Path:
    return tiny_run / "model"


def test_configuration_and_models(model_dir: Path) -> None:
    config = AutoConfig.from_pretrained(model_dir)
    assert type(config) is CLFAConfig
    model, classifier = (
        AutoModel.from_pretrained(model_dir),
        AutoModelForSequenceClassification.from_pretrained(model_dir),
    )
    assert type(model) is CLFAModel
    assert type(classifier) is CLFAForClassification
    expected = CLFAForClassification.from_pretrained(model_dir).state_dict()
    assert classifier.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in classifier.state_dict().items())
    assert all(torch.equal(tensor, expected[f"clfa.{name}"]) for name, tensor in model.state_dict().items())


def test_an_untrained_model_from_a_configuration(model_dir: Path) -> None:
    config = AutoConfig.from_pretrained(model_dir)
    assert type(AutoModel.from_config(config)) is CLFAModel
    assert type(AutoModelForSequenceClassification.from_config(config)) is CLFAForClassification


def test_processor_and_its_parts(model_dir: Path) -> None:
    processor = AutoProcessor.from_pretrained(model_dir)
    assert type(processor) is CLFAProcessor
    tokenizer, images = AutoTokenizer.from_pretrained(model_dir), AutoImageProcessor.from_pretrained(model_dir)
    assert tokenizer("so sunny")["input_ids"] == processor.token_ids(["so sunny"])[0]
    assert images.to_dict() == processor.image_processor.to_dict()


def test_the_public_names_register_them(model_dir: Path) -> None:
    program = (
        "import sys, clfa, transformers\n"
        "clfa.CLFAForClassification\n"
        f"print(type(transformers.AutoModelForSequenceClassification.from_pretrained({str(model_dir)!r})).__name__)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.split() == ["CLFAForClassification"]


def test_a_text_only_model_in_the_pipeline_of_transformers(tiny_bert_dir: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, None, ["no", "yes"], hidden_size=16, num_attention_heads=2, intermediate_size=16
    ).eval()
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    found = pipeline("text-classification", model=str(tmp_path), device="cpu", top_k=None)(["so sunny"])[0]
    with torch.no_grad():
        expected = model(**processor(text="so sunny")).logits.softmax(-1)[0].tolist()
    scores = {row["label"]: row["score"] for row in found}
    assert scores == pytest.approx({"no": expected[0], "yes": expected[1]}, abs=1e-6)
