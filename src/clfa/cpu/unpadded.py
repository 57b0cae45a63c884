"""Text encoders without padding: the tokens of a batch as one row instead of a padded matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from clfa.cpu.encoder_attention import ATTENTION
from clfa.cpu.token_layout import TokenLayout

# Share of padding below which removing it costs more than it saves.
_WORTHWHILE = 1 / 16
# Arguments of an encoder that are handled; with any other argument the encoder runs unchanged.
_KNOWN = {"input_ids", "attention_mask", "token_type_ids"}


def _columns(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)


def _after_padding_index(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    padding = encoder.config.pad_token_id
    real = input_ids.ne(padding).long()
    return real.cumsum(1) * real + padding


# Position ids by model type. Only these encoders are known to pass further arguments to their attention, and to process
# tokens independently everywhere else.
_POSITIONS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "bert": _columns,
    "electra": _columns,
    "roberta": _after_padding_index,
    "xlm-roberta": _after_padding_index,
    "camembert": _after_padding_index,
}


def exchange(module: nn.Module) -> None:
    """Replace the ``forward`` of a text encoder of BERT's family by :func:`forward_without_padding`.

    Args:
        module: Any module; others, and encoders whose ``forward`` was replaced before, are not changed.
    """
    if (
        isinstance(module, PreTrainedModel)
        and module is module.base_model
        and module.config.model_type in _POSITIONS
        and "forward" not in vars(module)
    ):
        vars(module)["forward"] = partial(forward_without_padding, module)


def forward_without_padding(encoder: Any, *args: Any, **kwargs: Any) -> Any:
    """Call the encoder's own ``forward`` without padding, if :func:`leaving_padding_out_pays`.

    Embeddings, linear layers and norms process one row of N tokens; only attention works on separate texts
    (:func:`clfa.cpu.encoder_attention.attend`). Flash attention on GPUs handles batches of unequal length in this way.

    Args:
        encoder: A text encoder of BERT's family.
        args: Positional arguments of the encoder. With any argument other than the keywords ``input_ids``,
            ``attention_mask`` and ``token_type_ids`` (all (B, T)), the encoder's ``forward`` is called unchanged.
        kwargs: Keyword arguments of the encoder.

    Returns:
        The encoder's output, with ``last_hidden_state`` (B, T, D) zero at padding.
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
    # Computed again from the first token of each text: the encoder's own pooler used the first token of the row.
    if output.get("pooler_output") is not None:
        output["pooler_output"] = encoder.pooler(hidden)
    return output


def leaving_padding_out_pays(encoder: PreTrainedModel, attention_mask: torch.Tensor | None) -> bool:
    """Return whether an encoder can run on a batch without padding, and the batch has enough padding to gain time.

    Args:
        encoder: A text encoder of BERT's family; its attention must be :data:`clfa.cpu.encoder_attention.ATTENTION`.
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
