"""Text encoders on the tokens that exist, one row of them instead of a padded matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from clfa.cpu.encoder_attention import ATTENTION
from clfa.cpu.token_layout import TokenLayout

# Share of positions that are padding, below which laying them out anew costs more than it saves.
_WORTHWHILE = 1 / 16
# Arguments of an encoder that are laid out anew; with any other it runs as it is.
_KNOWN = {"input_ids", "attention_mask", "token_type_ids"}


def _columns(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)


def _after_padding_index(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    padding = encoder.config.pad_token_id
    real = input_ids.ne(padding).long()
    return real.cumsum(1) * real + padding


# How each kind of encoder numbers its tokens. Only these are known to hand further arguments down to their attention,
# and to treat tokens one by one everywhere else.
_POSITIONS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "bert": _columns,
    "electra": _columns,
    "roberta": _after_padding_index,
    "xlm-roberta": _after_padding_index,
    "camembert": _after_padding_index,
}


def exchange(module: nn.Module) -> None:
    """Make a text encoder of BERT's family compute by :func:`forward_without_padding`.

    Args:
        module: Any; one that is something else, or whose ``forward`` was exchanged before, is left alone.
    """
    if (
        isinstance(module, PreTrainedModel)
        and module is module.base_model
        and module.config.model_type in _POSITIONS
        and "forward" not in vars(module)
    ):
        vars(module)["forward"] = partial(forward_without_padding, module)


def forward_without_padding(encoder: Any, *args: Any, **kwargs: Any) -> Any:
    """The encoder's own ``forward``, on the tokens that exist alone where :func:`leaving_padding_out_pays`.

    Embeddings, linear layers and norms see one row of N tokens, and only attention sees texts again
    (:func:`clfa.cpu.encoder_attention.attend`): what flash attention does for batches of unequal length on GPUs.

    Args:
        encoder: One of BERT's family.
        args: As for the encoder; with anything but ``input_ids``, ``attention_mask`` and ``token_type_ids``, all (B, T)
            and by name, it is called as it is.
        kwargs: The same.

    Returns:
        What the encoder returns, with ``last_hidden_state`` (B, T, D) zero where no token is.
    """
    plain = partial(type(encoder).forward, encoder)
    given = {name: values for name, values in kwargs.items() if values is not None}
    mask = given.get("attention_mask")
    if args or "input_ids" not in given or set(given) - _KNOWN or not leaving_padding_out_pays(encoder, mask):
        return plain(*args, **kwargs)
    layout = TokenLayout.of(given.pop("attention_mask"))
    given["position_ids"] = _POSITIONS[encoder.config.model_type](encoder, given["input_ids"])
    row = {name: values.reshape(-1)[layout.places].unsqueeze(0) for name, values in given.items()}
    output = plain(**row, token_layout=layout)
    hidden = layout.spread(output.last_hidden_state[0])
    output["last_hidden_state"] = hidden
    # The first token of each text, where the encoder's own pooler saw that of the row.
    if output.get("pooler_output") is not None:
        output["pooler_output"] = encoder.pooler(hidden)
    return output


def leaving_padding_out_pays(encoder: PreTrainedModel, attention_mask: torch.Tensor | None) -> bool:
    """Whether an encoder can run on a batch without its padding, and there is enough padding in it.

    Args:
        encoder: A text encoder of BERT's family; it has to attend by :data:`clfa.cpu.encoder_attention.ATTENTION`.
        attention_mask: 1 where a token exists (B, T).
    """
    config: Any = encoder.config
    return (
        attention_mask is not None
        and attention_mask.device.type == "cpu"
        and attention_mask.dim() == 2
        and config._attn_implementation == ATTENTION
        and not config.is_decoder
        and config.return_dict
        and not config.output_hidden_states
        and not config.output_attentions
        and not torch.compiler.is_compiling()
        and 0 < int(attention_mask.count_nonzero()) < (1 - _WORTHWHILE) * attention_mask.numel()
    )
