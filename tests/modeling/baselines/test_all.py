"""What every baseline has to do, whatever it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, ViTConfig

from clfa.errors import ModelError
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.modeling.baselines import BASELINES
from clfa.targets.target import Target

BERT = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
VIT = ViTConfig(
    image_size=32, patch_size=16, hidden_size=20, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
)


def build(name: str, knowledge: bool = True, **fields: Any) -> CLFAForClassification:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "text_config": BERT.to_dict(),
        "vision_config": VIT.to_dict(),
        "hidden_size": 12,
        "projection_hidden_size": 18,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "num_fusion_layers": 1,
        "num_labels": 3,
        "use_knowledge": knowledge,
        "baseline": name,
    }
    return CLFAForClassification(CLFAConfig(**(settings | fields)))


def make_batch(knowledge: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    batch = {
        "input_ids": torch.randint(1, 50, (4, 6)),
        "attention_mask": torch.tensor([[1] * n + [0] * (6 - n) for n in (6, 3, 5, 1)]),
        "pixel_values": torch.randn(4, 3, 32, 32),
        "labels": torch.tensor([0, 2, 1, 1]),
    }
    if knowledge:
        batch["knowledge_input_ids"] = torch.randint(1, 50, (4, 3))
        batch["knowledge_attention_mask"] = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
    return batch


@pytest.mark.parametrize("name", BASELINES.names())
def test_trains_saves_and_loads(name: str, tmp_path: Path) -> None:
    model, batch = build(name).train(), make_batch()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert any("baseline" in key and not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.eval()
    model.save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        expected, found = model(**batch), loaded(**batch)
    assert expected.logits.shape == (4, 3)
    assert torch.isfinite(expected.logits).all()
    torch.testing.assert_close(found.logits, expected.logits)


@pytest.mark.parametrize("name", BASELINES.names())
def test_learns_a_handful_of_samples_by_heart(name: str) -> None:
    model, batch = build(name, hidden_dropout_prob=0, classifier_dropout=0).train(), make_batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(**batch).logits.argmax(dim=1), batch["labels"])


@pytest.mark.parametrize("name", BASELINES.names())
def test_a_sample_does_not_depend_on_its_batch(name: str) -> None:
    model, batch = build(name).eval(), make_batch()
    with torch.no_grad():
        together = model(**batch).logits
        for row, length in enumerate(batch["attention_mask"].sum(dim=1).tolist()):
            alone = {key: value[row : row + 1] for key, value in batch.items()}
            alone |= {key: alone[key][:, :length] for key in ("input_ids", "attention_mask")}
            torch.testing.assert_close(model(**alone).logits[0], together[row], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BASELINES.names())
def test_a_batch_without_knowledge(name: str) -> None:
    model = build(name).eval()
    batch = make_batch()
    batch["knowledge_attention_mask"] = torch.zeros_like(batch["knowledge_attention_mask"])
    with torch.no_grad():
        torch.testing.assert_close(model(**make_batch(knowledge=False)).logits, model(**batch).logits)


@pytest.mark.parametrize("name", BASELINES.names())
def test_a_model_lacks_nothing_that_its_baseline_needs(name: str) -> None:
    needs = BASELINES.get(name).needs
    for stream, fields in (
        ("text", {"text_config": None, "knowledge": False}),
        ("image", {"vision_config": None}),
        ("knowledge", {"knowledge": False}),
    ):
        if stream in needs:
            with pytest.raises(ModelError, match=f"baseline '{name}' needs (text|{stream}): set model"):
                build(name, **fields)
        else:
            build(name, **fields)


@pytest.mark.parametrize("name", BASELINES.names())
def test_missing_modalities(name: str) -> None:
    model = build(name, allow_missing_modalities=True).eval()
    batch = make_batch()
    batch["attention_mask"] = torch.tensor([[0] * 6, [1] * 6, [1, 1, 0, 0, 0, 0], [1] * 6])
    batch["image_present"] = torch.tensor([True, False, True, True])
    with torch.no_grad():
        assert torch.isfinite(model(**batch).logits).all()
        batch["pixel_values"] = torch.cat(
            [batch["pixel_values"][:1], torch.randn(1, 3, 32, 32), batch["pixel_values"][2:]]
        )
        first = model(**batch).logits
        batch["pixel_values"][1] += 1
        torch.testing.assert_close(model(**batch).logits, first)


@pytest.mark.parametrize("name", BASELINES.names())
def test_mixed_precision(name: str) -> None:
    model = build(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**make_batch()).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", BASELINES.names())
def test_other_tasks(name: str) -> None:
    targets = [
        Target("irony", "single_label_classification", ("no", "yes")),
        Target("topics", "multi_label_classification", ("a", "b", "c")),
        Target("size", "regression"),
    ]
    nan = torch.nan
    labels = torch.tensor([[0, 1, 0, 1, 0.3], [1, 0, 0, 0, nan], [nan, 1, 1, 0, -2], [1, nan, nan, nan, 0.5]])
    batch = make_batch()
    # Its loss over classes has to be switched off by hand.
    options = {"baseline_options": {"label_weight": 0.0}} if name == "clmlf" else {}
    for chosen, columns in ((targets, slice(0, 5)), (targets[:1], slice(0, 1)), (targets[2:], slice(4, 5))):
        model = build(name, targets=[target.to_dict() for target in chosen], **options).train()
        output = model(**batch | {"labels": labels[:, columns]})
        output.loss.backward()
        assert torch.isfinite(output.loss)
        assert output.logits.shape == (4, sum(target.logit_width for target in chosen))


def test_a_baseline_can_be_imported_first() -> None:
    # Baselines are made of clfa.modeling's parts, whose model builds baselines.
    subprocess.run([sys.executable, "-c", "import clfa.modeling.baselines.hfm"], check=True)


def test_unknown_option_lists_the_known() -> None:
    with pytest.raises(ModelError, match=r"baseline 'cmgcn' has no option 'windows'; it takes: window\."):
        build("cmgcn", baseline_options={"windows": 1})
    with pytest.raises(ModelError, match=r"baseline 'hfm' has no option 'window'; it takes: none\."):
        build("hfm", baseline_options={"window": 1})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bi_lstm", {"num_layers": 10**12}, r"num_layers: Input should be less than or equal to 65536 \(got 10000"),
        ("bi_lstm", {"num_layers": True}, r"num_layers: Input should be a valid integer \(got True\)"),
        ("bi_lstm", {"lstm_size": 2.5}, r"lstm_size: Input should be a valid integer \(got 2.5\)"),
        ("text_cnn", {"num_filters": "many"}, r"num_filters: Input should be a valid integer \(got many\)"),
        ("text_cnn", {"filter_sizes": 3}, r"filter_sizes: Input should be a valid list \(got 3\)"),
        ("clmlf", {"data_weight": 1e30}, r"data_weight: Input should be less than or equal to 10000 \(got 1e\+30\)"),
        ("clmlf", {"temperature": float("nan")}, r"temperature: Input should be .* \(got nan\)"),
    ],
)
def test_values_of_options_are_checked(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=rf"model\.baseline_options\.{message}"):
        build(name, baseline_options=options)


def test_views_get_a_classifier_each() -> None:
    model, batch = build("multiview_clip").eval(), make_batch()
    assert len(model.classifiers) == 3
    with torch.no_grad():
        output = model(**batch)
        tokens = model.clfa(**{key: value for key, value in batch.items() if key != "labels"}).last_hidden_state
        expected = sum(head(tokens[:, view]) for view, head in enumerate(model.classifiers)) / 3
    torch.testing.assert_close(output.logits, expected)
