"""Creation of readouts by name, with checks."""

from __future__ import annotations

from clfa.errors import ModelError
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.options import check_options
from clfa.modeling.readout import READOUTS, Readout


def build_readout(config: CLFAConfig) -> Readout:
    """Create the readout of a configuration.

    Raises:
        RecipeError: When there is no readout of that name.
        ModelError: When the readout cannot be used in this model or has no such option.
    """
    check_readout(config.readout, config.baseline, both=len(config.modalities) == 2)
    readout_class = READOUTS.get(config.readout)
    options = config.readout_options or {}
    check_options("readout", config.readout, readout_class, options, taken=1)
    readout: Readout = readout_class(config, **options)
    return readout


def check_readout(name: str, baseline: str | None, both: bool) -> None:
    """Check that a model has the students that its readout compares.

    Args:
        name: Name in :data:`clfa.modeling.readout.READOUTS`.
        baseline: Name of the model's baseline, if it is one.
        both: Whether the model reads both text and image.

    Raises:
        RecipeError: When there is no readout of that name.
        ModelError: When the readout compares the students, and the model is a baseline or has one modality.
    """
    if not READOUTS.get(name).compares:
        return
    needs = f"readout {name!r} compares the aligned text and image"
    if baseline is not None:
        raise ModelError(
            f"{needs}, which the baseline {baseline!r} does not have; set model.readout=pooled, or model.baseline=null."
        )
    if not both:
        raise ModelError(
            f"{needs}, but this model reads one of them; set model.readout=pooled, or give it both "
            "model.text_encoder and model.vision_encoder."
        )
