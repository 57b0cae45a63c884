"""Export of a model to ONNX, with a comparison with PyTorch before the file is renamed to its final name."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clfa.errors import Argument, ModelError
from clfa.files import atomic_folder, require_writable, write_json
from clfa.modeling import CLFAForClassification
from clfa.prediction.engines.onnx_engine import AGREEMENT, IMAGE_PRESENT, MODEL_FILE, OUTPUTS, REPORT_FILE, OnnxRuntime
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import CLFAProcessor
from clfa.runs.model_card import CARD_FILE
from clfa.runs.resources import versions
from clfa.runs.run_folder import RunFolder

# Largest difference of outputs that counts as rounding.
TOLERANCE = 1e-3
# Batch and text length, 0 for the model's longest, of the batches that are compared. The first is the one exported
# with; 0 and 1 are special to the exporter, so one of each is among the others.
_SHAPES = ((3, 9), (1, 3), (1, 1), (2, 0), (5, 17))


@dataclass(frozen=True)
class ExportReport:
    """Facts about an export and its accuracy.

    Args:
        max_difference: Largest absolute difference of any output from PyTorch's.
        batches: Batches compared.
        megabytes: Size of the model file.
        inputs: Names of the model's inputs.
        versions: Versions of the packages used.
    """

    max_difference: float
    batches: int
    megabytes: float
    inputs: list[str]
    versions: dict[str, str]


class _Exported(nn.Module):
    """The model with its inputs by name and its outputs as tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        term_ids: torch.Tensor | None = None,
        term_weights: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Return logits, fused vectors and, for readouts that compare text and image, the agreement."""
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            term_ids=term_ids,
            term_weights=term_weights,
            pixel_values=pixel_values,
            image_present=image_present,
        )
        found = (output.logits, output.pooler_output)
        return found if output.agreement is None else (*found, output.agreement)


def export_onnx(path: str | Path, output: str | Path) -> ExportReport:
    """Export a trained model: ``model.onnx``, its configuration, processor and card, and ``export.json``.

    Args:
        path: Run folder, model directory or hub id.
        output: Folder to make, or to replace if it is an earlier export. It appears when it is complete and checked.

    Returns:
        What was found.

    Raises:
        ModelError: When there is no model, a package is missing, the folder holds something else, the model cannot be
            exported, or its outputs differ from PyTorch's by more than 0.001.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ModelError(f"the export needs {' and '.join(missing)}; pip install 'clfa[onnx]'.")
    output = Path(output)
    if output.exists() and not (output / REPORT_FILE).is_file():
        raise ModelError(f"{output} exists and holds no export; give another ", Argument("output"), ".")
    require_writable(output)
    predictor = PostClassifier.load(path)
    model, processor = predictor.model.cpu(), predictor.processor
    check_exportable(model)
    with atomic_folder(output) as temporary:
        _export(model, processor, temporary / MODEL_FILE)
        model.config.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        _copy_card(path, temporary)
        size = (temporary / MODEL_FILE).stat().st_size / 1e6
        names = list(_batch(model, processor, *_SHAPES[0]))
        write_json(temporary / REPORT_FILE, {"inputs": names})
        difference = _difference(model, processor, OnnxRuntime(temporary))
        report = ExportReport(difference, len(_SHAPES), round(size, 1), names, _versions())
        if not difference <= TOLERANCE:
            problem = f"the exported model's outputs differ from PyTorch's by {difference:.2g}, more than {TOLERANCE}; "
            raise ModelError(problem, "this model cannot be exported. Predict with ", Argument("engine", "torch"), ".")
        write_json(temporary / REPORT_FILE, asdict(report))
    return report


def _copy_card(path: str | Path, folder: Path) -> None:
    for place in (RunFolder(path).model, Path(path)):
        if (place / CARD_FILE).is_file():
            shutil.copyfile(place / CARD_FILE, folder / CARD_FILE)
            return


def check_exportable(model: CLFAForClassification) -> None:
    """Check that a model's inputs are the same for every post.

    Raises:
        ModelError: When it reads knowledge.
    """
    advice = "it cannot be exported to ONNX. Predict with ", Argument("engine", "torch"), "."
    if model.config.use_knowledge:
        raise ModelError("this model reads knowledge texts, which not every post has; ", *advice)


def _export(model: CLFAForClassification, processor: CLFAProcessor, path: Path) -> None:
    inputs = _batch(model, processor, *_SHAPES[0])
    names = list(inputs)
    any_size = torch.export.Dim.DYNAMIC
    one = {0: any_size}
    shapes = {name: one if name in ("pixel_values", IMAGE_PRESENT) else {**one, 1: any_size} for name in names}
    try:
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            torch.onnx.export(
                _Exported(model).eval(),
                (),
                path,
                kwargs=inputs,
                input_names=names,
                output_names=[*OUTPUTS, AGREEMENT] if model.readout.compares else list(OUTPUTS),
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # The exporter's steps raise almost anything.
        kind = model.config.baseline or f"fusion {model.config.fusion}"
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        problem = f"this model ({kind}) cannot be exported to ONNX: {reason}. Predict with "
        raise ModelError(problem, Argument("engine", "torch"), ".") from error


def _difference(model: CLFAForClassification, processor: CLFAProcessor, exported: OnnxRuntime) -> float:
    reference = TorchRuntime(model)
    reference.model, reference.device = model.cpu(), "cpu"
    largest = 0.0
    for shape in _SHAPES:
        batch = _batch(model, processor, *shape)
        arrays = {name: tensor.numpy() for name, tensor in batch.items()}
        for expected, found in zip(reference(arrays), exported(arrays), strict=True):
            if expected is None and found is None:
                continue
            if expected is None or found is None or expected.shape != found.shape:
                return float("inf")
            # The agreement of a sample without text or image is NaN.
            if (np.isnan(expected) != np.isnan(found)).any():
                return float("inf")
            largest = max(largest, float(np.nan_to_num(np.abs(expected - found)).max()))
    return largest


def _batch(model: CLFAForClassification, processor: CLFAProcessor, size: int, length: int) -> dict[str, torch.Tensor]:
    """Return random token ids and terms, some rows with padding, and random images, as the processor returns them.

    Where modalities may be missing, one sample has no text, and one no image.
    """
    random = torch.Generator().manual_seed(100 * size + length)
    batch: dict[str, torch.Tensor] = {}
    if processor.tokenizer is not None:
        length = length or processor.max_length
        batch["input_ids"] = torch.randint(len(processor.tokenizer), (size, length), generator=random)
        lengths = torch.randint(1, length + 1, (size, 1), generator=random)
        lengths[0] = length
        batch["attention_mask"] = (torch.arange(length) < lengths).long()
        if processor.terms is not None:
            columns = 2 * length - 1
            batch["term_ids"] = torch.randint(len(processor.terms), (size, columns), generator=random)
            batch["term_weights"] = torch.rand((size, columns), generator=random)
            # As of a text without known terms.
            batch["term_weights"][1:2] = 0
    if processor.image_processor is not None:
        from PIL import Image

        noise = torch.randint(256, (size, 40, 50, 3), generator=random, dtype=torch.uint8).numpy()
        batch["pixel_values"] = processor.pixels([Image.fromarray(picture) for picture in noise])
    if model.config.allow_missing_modalities and len(model.config.modalities) == 2:
        batch[IMAGE_PRESENT] = torch.ones(size, dtype=torch.bool)
        batch[IMAGE_PRESENT][1:2] = False
        batch["pixel_values"][1:2] = 0
        batch["attention_mask"][2:3] = 0
    return batch


def _versions() -> dict[str, str]:
    import onnx
    import onnxruntime

    return {**versions(), "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the internal warnings of the exporter."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
