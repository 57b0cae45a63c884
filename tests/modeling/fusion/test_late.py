from __future__ import annotations

import torch

from clfa.modeling.fusion import FUSIONS
from clfa.modeling.pooling import masked_mean

from .models import build_model, make_batch
from .parts import ALL, TEXT, assert_close, build, make_streams, mean, samples


def test_one_token_per_stream() -> None:
    streams = make_streams()
    fused = build("late", **ALL)(streams)
    for position, name in enumerate(("text", "image", "knowledge")):
        for number, tokens in enumerate(samples(streams[name])):
            assert_close(fused.hidden[number, position], mean(tokens))
    assert fused.mask is not None
    assert fused.mask.tolist() == [[True] * 3, [True] * 3, [True, True, False]]


def test_only_this_fusion_is_late() -> None:
    assert [name for name in FUSIONS.names() if FUSIONS.get(name).late] == ["late"]


def test_it_has_no_parameters() -> None:
    assert list(build("late", **TEXT).parameters()) == []


def test_logits_are_the_average_over_the_streams_that_exist() -> None:
    model = build_model("late", use_knowledge=True).double()
    batch = make_batch()
    batch["pixel_values"] = batch["pixel_values"].double()
    clfa = model.clfa
    with torch.no_grad():
        logits = model(**batch).logits
        ids, mask = batch["knowledge_input_ids"], batch["knowledge_attention_mask"]
        text = clfa.text_encoder(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        image = clfa.vision_encoder(batch["pixel_values"]).last_hidden_state
        each = [
            masked_mean(clfa.text_projection(text), batch["attention_mask"]),
            masked_mean(clfa.image_projection(image), None),
        ]
        by_stream = [each[n] @ model.classifiers[n].weight.T + model.classifiers[n].bias for n in range(2)]
        for number in range(4):
            own = [logit[number] for logit in by_stream]
            if mask[number].any():
                hidden = clfa.text_encoder(ids[number : number + 1, : mask[number].sum()]).last_hidden_state
                vector = clfa.text_projection(hidden).mean(dim=1)[0]
                own.append(model.classifiers[2].weight @ vector + model.classifiers[2].bias)
            assert_close(logits[number], sum(own) / len(own))
    assert len(model.classifiers) == 3
    assert not hasattr(model, "classifier")


def test_one_modality_is_its_plain_classifier() -> None:
    model = build_model("late", image=False)
    batch = make_batch()
    with torch.no_grad():
        output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        torch.testing.assert_close(output.logits, model.classifiers[0](output.text_embeds), rtol=0, atol=1e-6)
