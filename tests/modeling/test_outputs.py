from __future__ import annotations

import torch

from clfa.modeling import CLFAClassifierOutput, CLFAModelOutput


def test_what_is_absent_is_left_out_of_the_tuple() -> None:
    logits = torch.zeros(2, 3)
    output = CLFAClassifierOutput(logits=logits)
    assert output.loss is None
    assert list(output.keys()) == ["logits"]
    assert output[0] is logits
    assert output.to_tuple() == (logits,)


def test_the_loss_comes_first_where_there_is_one() -> None:
    output = CLFAClassifierOutput(logits=torch.zeros(2, 3), loss=torch.tensor(1.0))
    assert [output[0].item(), tuple(output[1].shape)] == [1.0, (2, 3)]


def test_fields_of_the_plain_model() -> None:
    state = torch.zeros(1, 2, 3)
    output = CLFAModelOutput(last_hidden_state=state, pooler_output=state.mean(1))
    assert output["last_hidden_state"] is state
    assert output.text_embeds is None
