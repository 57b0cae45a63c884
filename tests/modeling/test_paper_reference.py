"""The paper's configuration, layer by layer, against formulas written from its description alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, ViTConfig

from clfa.modeling import CLFAConfig, CLFAForClassification

from . import formulas

TOLERANCE = 1e-9
NARROW_BERT = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
NARROW_VIT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


def paper_config(bert: dict[str, Any], vit: dict[str, Any], **fields: Any) -> CLFAConfig:
    """The defaults are the paper's; only encoder sizes and what is under test are given."""
    return CLFAConfig(
        text_config=BertConfig(**bert).to_dict(),
        vision_config=ViTConfig(patch_size=32, image_size=224, layer_norm_eps=1e-12, **vit).to_dict(),
        **fields,
    )


def paper_model(config: CLFAConfig) -> CLFAForClassification:
    torch.manual_seed(2022)
    model = CLFAForClassification(config).eval()
    with torch.no_grad():
        # Fresh LayerNorms are the identity and fresh biases are zero: a mistake in them would not show.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.double()


def paper_batch(vocab: int, text: int, knowledge: int | None) -> dict[str, Tensor]:
    """Three samples of different lengths with graphs; the last has no knowledge."""
    torch.manual_seed(7)

    def ids_and_mask(lengths: list[int]) -> tuple[Tensor, Tensor]:
        mask = torch.tensor([[1] * n + [0] * (max(lengths) - n) for n in lengths])
        return torch.randint(1, vocab, mask.shape) * mask, mask

    batch: dict[str, Tensor] = {"pixel_values": torch.randn(3, 3, 224, 224, dtype=torch.float64)}
    batch["input_ids"], batch["attention_mask"] = ids_and_mask([text - 4, text, 3])
    batch["text_bias"] = torch.rand(3, text, text, dtype=torch.float64)
    if knowledge:
        batch["knowledge_input_ids"], batch["knowledge_attention_mask"] = ids_and_mask([2, knowledge, 0])
        batch["knowledge_bias"] = torch.rand(3, text, knowledge, dtype=torch.float64)
    return batch


def record(model: CLFAForClassification, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    """Output of every module of the model, by name without the leading ``clfa.``, call by call."""
    seen: dict[str, list[Tensor]] = {}

    def hook(name: str) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            hidden = getattr(output, "hidden", getattr(output, "last_hidden_state", output))
            seen.setdefault(name.removeprefix("clfa."), []).append(hidden)

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules() if name]
    with torch.no_grad():
        output = model(**batch)
    for handle in handles:
        handle.remove()
    seen["logits"] = [output.logits]
    seen["text_embeds"], seen["image_embeds"] = [output.text_embeds], [output.image_embeds]
    return seen


def reference_head(
    P: formulas.Parameters,
    text: Tensor,
    image: Tensor,
    knowledge: Tensor | None,
    batch: dict[str, Tensor],
    pooling: str,
) -> dict[str, list[Tensor]]:
    """Everything after the encoders, from their token features; keys are module names."""
    mask, knowledge_mask = batch["attention_mask"], batch.get("knowledge_attention_mask")
    x = formulas.projection(text, P, "clfa.text_projection")
    image = formulas.projection(image, P, "clfa.image_projection")
    out = {"text_projection": [x], "image_projection": [image]}
    out["text_embeds"], out["image_embeds"] = [formulas.masked_mean(x, mask)], [formulas.masked_mean(image, None)]
    if knowledge is not None:
        knowledge = formulas.projection(knowledge, P, "clfa.text_projection")
        out["text_projection"].append(knowledge)
    for number in range(3):
        layer = f"fusion.layers.{number}"

        def attend(x: Tensor, context: Tensor, part: str, *args: Any, layer: str = layer) -> Tensor:
            name = f"{layer}.{part}"
            out[name] = [formulas.attention_sub_layer(x, context, P, f"clfa.{name}", *args)]
            return out[name][0]

        x = attend(x, x, "self_attention", mask, batch["text_bias"])
        x = attend(x, image, "cross_attention.image", None)
        if knowledge is not None:
            x = attend(x, knowledge, "cross_attention.knowledge", knowledge_mask, batch["knowledge_bias"])
        x = formulas.feed_forward_sub_layer(x, P, f"clfa.{layer}.feed_forward")
        out[f"{layer}.feed_forward"] = out[layer] = [x]
    if pooling == "mean":
        pooled = formulas.masked_mean(x, mask)
    elif pooling == "cls":
        pooled = torch.tanh(formulas.linear(x[:, 0], P, "clfa.pooling.dense"))
    else:
        pooled = torch.stack([row[keep.bool()].max(0).values for row, keep in zip(x, mask, strict=True)])
    out["pooling"] = [pooled]
    out["logits"] = [formulas.linear(pooled, P, "classifier")]
    return out


def assert_close(found: dict[str, list[Tensor]], expected: dict[str, list[Tensor]]) -> None:
    for name, tensors in expected.items():
        assert len(found[name]) == len(tensors), name
        for have, want in zip(found[name], tensors, strict=True):
            assert have.shape == want.shape, name
            assert (have - want).abs().max() < TOLERANCE, name


def existing(states: Tensor, mask: Tensor) -> Tensor:
    """States of the tokens that exist; an encoder that leaves padding out has no others."""
    return states[0] if states.shape[:2] == (1, mask.sum()) else states[mask]


def compare(config: CLFAConfig, batch: dict[str, Tensor]) -> None:
    """Every layer of both encoders and of everything after them."""
    model = paper_model(config)
    found = record(model, batch)
    P = dict(model.state_dict())
    bert_config, vit_config = config.text_config, config.vision_config

    def under(prefix: str) -> formulas.Parameters:
        return {name.removeprefix(prefix): value for name, value in P.items() if name.startswith(prefix)}

    expected: dict[str, list[Tensor]] = {}
    texts = []
    for kind in ("", "knowledge_"):
        if f"{kind}input_ids" in batch:
            # A text without any token has no states; only padded positions exist and nothing reads them.
            ids, mask = batch[f"{kind}input_ids"], batch[f"{kind}attention_mask"]
            mask = torch.where(mask.sum(1, keepdim=True) == 0, torch.ones_like(mask), mask)
            texts.append(
                formulas.bert(
                    ids,
                    mask,
                    under("clfa.text_encoder."),
                    bert_config.num_hidden_layers,
                    bert_config.num_attention_heads,
                )
            )
    *layers, final = formulas.vit(
        batch["pixel_values"],
        under("clfa.vision_encoder."),
        vit_config.num_hidden_layers,
        vit_config.num_attention_heads,
        32,
    )
    for number, states in enumerate(layers[1:]):
        expected[f"vision_encoder.layers.{number}"] = [states]
    expected["vision_encoder.layernorm"] = [final]
    expected["text_encoder.embeddings"] = [text[0] for text in texts]
    for number in range(bert_config.num_hidden_layers):
        expected[f"text_encoder.encoder.layer.{number}"] = [text[number + 1] for text in texts]
    expected |= reference_head(P, texts[0][-1], final, texts[1][-1] if len(texts) > 1 else None, batch, config.pooling)

    # What stands in the place of padding, or of a text without any token, is arbitrary and must not matter.
    masks = [batch[name].bool() for name in ("attention_mask", "knowledge_attention_mask") if name in batch]
    for name in [n for n in expected if n.startswith(("text_encoder", "text_projection", "fusion"))]:
        for values in (found, expected):
            values[name] = [existing(states, mask) for states, mask in zip(values[name], masks, strict=False)]
    assert_close(found, expected)


@pytest.mark.parametrize("knowledge", [False, True], ids=["without knowledge", "with knowledge"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_every_layer_matches_the_formulas(pooling: str, knowledge: bool) -> None:
    config = paper_config(NARROW_BERT, NARROW_VIT, pooling=pooling, use_knowledge=knowledge, num_labels=3)
    compare(config, paper_batch(60, text=9, knowledge=6 if knowledge else None))


@pytest.mark.slow
def test_every_layer_matches_the_formulas_at_full_size() -> None:
    compare(paper_config({}, {}, use_knowledge=True), paper_batch(30522, text=77, knowledge=66))


@pytest.mark.parametrize("knowledge", [False, True], ids=["without knowledge", "with knowledge"])
def test_parameter_counts_of_the_paper(knowledge: bool) -> None:
    with torch.device("meta"):
        model = CLFAForClassification(paper_config({}, {}, use_knowledge=knowledge, num_labels=2))
    norm, d = 2 * 768, 512
    transformer_layer = 4 * (768 * 768 + 768) + (768 * 3072 + 3072) + (3072 * 768 + 768) + 2 * norm
    attention = 4 * (d * d + d) + 2 * d
    feed_forward = (d * 2048 + 2048) + (2048 * d + d) + 2 * d
    projection = (768 * 1536 + 1536) + (1536 * 512 + 512)
    expected = {
        "clfa.text_encoder": (30522 + 512 + 2) * 768 + norm + 12 * transformer_layer,
        "clfa.vision_encoder": 768 + 50 * 768 + (768 * 3 * 32 * 32 + 768) + 12 * transformer_layer + norm,
        "clfa.text_projection": projection,
        "clfa.image_projection": projection,
        "clfa.fusion.layers.0": (3 if knowledge else 2) * attention + feed_forward,
        "clfa.fusion.layers.1": (3 if knowledge else 2) * attention + feed_forward,
        "clfa.fusion.layers.2": (3 if knowledge else 2) * attention + feed_forward,
        "clfa.pooling": 0,
        "classifier": d * 2 + 2,
    }

    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert {name: count(model.get_submodule(name)) for name in expected} == expected
    assert count(model) == sum(expected.values())
    # The well-known sizes of BERT-base and ViT-B/32 without pooler and head.
    assert (expected["clfa.text_encoder"], expected["clfa.vision_encoder"]) == (108_891_648, 87_455_232)


def test_the_defaults_are_the_papers() -> None:
    config = CLFAConfig(text_config=BertConfig().to_dict())
    dropouts = (config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.classifier_dropout)
    assert (config.hidden_size, config.projection_hidden_size, config.intermediate_size) == (512, 1536, 2048)
    assert (config.num_fusion_layers, config.num_attention_heads, config.pooling) == (3, 8, "mean")
    assert (config.alpha, config.beta, config.temperature, config.layer_norm_eps) == (1.0, 1.0, 0.1, 1e-12)
    assert (dropouts, config.hidden_act, config.use_knowledge) == ((0.1, 0.1, 0.1), "gelu", False)
