"""Export of a model to ONNX, with a comparison with PyTorch before the file is renamed to its final name."""

from __future__ import annotations

import logging
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from clfa.errors import Argument, DataError, ModelError
from clfa.files import atomic_folder, require_writable, write_json
from clfa.modeling import CLFAForClassification
from clfa.prediction.calibration_inputs import CalibrationInputs
from clfa.prediction.calibration_posts import CalibrationPosts, of_table, of_validation
from clfa.prediction.engines.exported import AGREEMENT, MODEL_FILE, OUTPUTS, REPORT_FILE
from clfa.prediction.engines.graph_inputs import IMAGE_INDEX, graph_inputs
from clfa.prediction.engines.onnx_engine import OnnxRuntime
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.onnx_graph import Graph, changing_axes, input_names
from clfa.prediction.onnx_int8 import to_int8
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.required import required_fields
from clfa.processing.processor import CLFAProcessor
from clfa.runs.model_card import CARD_FILE
from clfa.runs.resources import versions
from clfa.runs.run_folder import RunFolder
from clfa.tables.access import CLOSED, Access

# Largest difference of outputs that counts as rounding.
TOLERANCE = 1e-3
# Posts that int8 is calibrated with, and the fewest that make an estimate of ranges.
CALIBRATION_POSTS = 200
FEWEST_POSTS = 8
# Share of calibration posts with another answer in int8 above which the export is refused.
MOST_CHANGED = 0.05
# Batch and text length, 0 for the model's longest, of the batches that are compared. The first is the one exported
# with; 0 and 1 are special to the exporter, so one of each is among the others.
_SHAPES = ((3, 9), (1, 3), (1, 1), (2, 0), (5, 17))


@dataclass(frozen=True)
class ExportReport:
    """Facts about an export and its accuracy.

    Args:
        max_difference: Largest absolute difference of any output from PyTorch's, in fp32.
        batches: Batches compared.
        megabytes: Size of the model file.
        inputs: Names of the model's inputs.
        versions: Versions of the packages used.
        precision: ``fp32`` or ``int8``.
        int8: Of int8: number of operations in int8 by kind; of the calibration ``source``, number of ``posts``, of
            rows left out, and digest of the model's ``inputs``; share of these posts with the same answer as in fp32
            (``same_answers``), and the largest difference of a probability.
    """

    max_difference: float
    batches: int
    megabytes: float
    inputs: list[str]
    versions: dict[str, str]
    precision: str = "fp32"
    int8: dict[str, Any] | None = None


def export_onnx(
    path: str | Path,
    output: str | Path,
    *,
    precision: Literal["fp32", "int8"] = "fp32",
    calibration: str | Path | None = None,
    calibration_posts: int = CALIBRATION_POSTS,
    access: Access = CLOSED,
) -> ExportReport:
    """Export a trained model: ``model.onnx``, its configuration, processor and card, and ``export.json``.

    Args:
        path: Run folder, model directory or hub id.
        output: Folder to make, or to replace if it is an earlier export. It appears when it is complete and checked;
            after an error an earlier export is there as before.
        precision: ``int8`` for convolutions and large products in int8, see :mod:`clfa.prediction.onnx_int8`.
        calibration: Table of posts, for int8; the validation posts of the run when not given.
        calibration_posts: Number of posts drawn from it.
        access: What rows of the table may open.

    Returns:
        What was found.

    Raises:
        ModelError: When there is no model, a package is missing, the folder holds something else, the model cannot be
            exported, its outputs differ from PyTorch's by more than 0.001, or it has nothing to compute in int8 or
            answers more than 5 % of the calibration posts differently.
        DataError: When there are no posts to calibrate with, or too few can be read.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ModelError(f"the export needs {' and '.join(missing)}; pip install 'clfa[onnx]'.")
    if precision not in ("fp32", "int8"):
        raise ModelError(Argument("precision", precision), " is not for exports; they take fp32, int8.")
    if calibration is not None and precision != "int8":
        raise ModelError(Argument("calibration"), " has an effect with ", Argument("precision", "int8"), " alone.")
    output = Path(output)
    if output.exists() and not (output / REPORT_FILE).is_file():
        raise ModelError(f"{output} exists and holds no export; give another ", Argument("output"), ".")
    require_writable(output, folder=True)
    predictor = PostClassifier.load(path)
    model, processor = predictor.model.cpu(), predictor.processor
    posts = None
    if precision == "int8":
        posts = _calibration(predictor, path, calibration, calibration_posts, access)
    with atomic_folder(output) as temporary:
        _export(model, processor, temporary / MODEL_FILE)
        model.config.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        _copy_card(path, temporary)
        names = input_names(model, processor)
        write_json(temporary / REPORT_FILE, {"inputs": names})
        exported = OnnxRuntime(temporary)
        difference = _difference(model, processor, exported)
        if not difference <= TOLERANCE:
            problem = f"the exported model's outputs differ from PyTorch's by {difference:.2g}, more than {TOLERANCE}; "
            raise ModelError(problem, "this model cannot be exported. Predict with ", Argument("engine", "torch"), ".")
        int8 = None if posts is None else _quantise(exported, processor, posts)
        size = (temporary / MODEL_FILE).stat().st_size / 1e6
        report = ExportReport(difference, len(_SHAPES), round(size, 1), names, _versions(), precision, int8)
        write_json(temporary / REPORT_FILE, asdict(report))
    return report


def _calibration(
    predictor: PostClassifier, path: str | Path, table: str | Path | None, count: int, access: Access
) -> CalibrationPosts:
    if count < FEWEST_POSTS:
        raise ModelError(Argument("calibration_posts", count), f" is too few; give {FEWEST_POSTS} or more.")
    if table is None:
        return of_validation(path, count)
    return of_table(table, path, required_fields(predictor), count, access)


def _quantise(exported: OnnxRuntime, processor: CLFAProcessor, posts: CalibrationPosts) -> dict[str, Any]:
    """Replace the file of a float32 export by one in int8, and compare the two."""
    inputs = CalibrationInputs.of(exported, processor, posts.posts)
    unreadable = posts.unreadable + len(inputs.unreadable)
    if inputs.count < FEWEST_POSTS:
        first = f" (the first reason: {reason})" if (reason := next(iter(inputs.unreadable), "")) else ""
        problem = f"{posts.source}: {inputs.count} of {inputs.count + unreadable} posts can be read{first}, "
        advice = f"int8 needs at least {FEWEST_POSTS}; give a table with more by ", Argument("calibration", ...), "."
        raise DataError(problem, *advice)
    model = exported.directory / MODEL_FILE
    smaller = exported.directory / f"int8-{MODEL_FILE}"
    operations = to_int8(model, smaller, inputs.batches)
    again = Argument("precision", "fp32")
    if not operations:
        raise ModelError(
            "this model has no convolutional network and no large matrices to compute in int8; give ", again, "."
        )
    smaller.replace(model)
    same, difference = inputs.agreement(OnnxRuntime(exported.directory), exported.config.target_list)
    if same is not None and 1 - same > MOST_CHANGED:
        problem = f"in int8 this model answers {1 - same:.1%} of {inputs.count} posts of {posts.source} differently, "
        raise ModelError(problem, f"more than {MOST_CHANGED:.0%}; give ", again, ".")
    return {
        "operations": operations,
        "source": posts.source,
        "posts": inputs.count,
        "left_out": unreadable,
        "inputs": inputs.digest,
        "same_answers": None if same is None else round(same, 4),
        "probability_difference": round(difference, 4),
    }


def _copy_card(path: str | Path, folder: Path) -> None:
    for place in (RunFolder(path).model, Path(path)):
        if (place / CARD_FILE).is_file():
            shutil.copyfile(place / CARD_FILE, folder / CARD_FILE)
            return


def _export(model: CLFAForClassification, processor: CLFAProcessor, path: Path) -> None:
    names = input_names(model, processor)
    batch = {name: tensor.numpy() for name, tensor in _batch(model, processor, *_SHAPES[0]).items()}
    shape = batch["pixel_values"].shape[-3:] if "pixel_values" in batch else ()
    inputs = {name: torch.from_numpy(array) for name, array in graph_inputs(names, batch, shape).items()}
    shapes = {name: dict.fromkeys(range(changing_axes(name)), torch.export.Dim.DYNAMIC) for name in names}
    try:
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            torch.onnx.export(
                Graph(model).eval(),
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
        causes = list(_causes(error))
        for cause in causes:
            # A full disk says nothing about the model. Errors of the system have a number; inspect's have none.
            if isinstance(cause, OSError) and cause.errno is not None:
                raise OSError(cause.errno, cause.strerror, os.fspath(path)) from error
        kind = model.config.baseline or f"fusion {model.config.fusion}"
        problem = f"this model ({kind}) cannot be exported to ONNX: {_first_line(causes[-1])}. Predict with "
        raise ModelError(problem, Argument("engine", "torch"), ".") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from; in the exporter, all but the last only name its steps."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    """Return the beginning of the message of an error."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    # A line that ends so has its content in the next.
    kept = lines[:2] if lines and lines[0].endswith(":") else lines[:1]
    return " ".join(kept).rstrip(".") or type(error).__name__


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

    Where a model reads them, samples have different numbers of images, and one has no knowledge; the batch of the
    longest texts has one image each, and no knowledge. Where modalities may be missing, one sample has no text, and one
    no image.
    """
    random = torch.Generator().manual_seed(100 * size + length)
    names, plain = input_names(model, processor), not length
    lacking = model.config.allow_missing_modalities and len(model.config.modalities) == 2
    batch: dict[str, torch.Tensor] = {}
    if processor.tokenizer is not None:
        length = length or processor.max_length
        batch["input_ids"], batch["attention_mask"] = _tokens(processor, size, length, random)
        if "knowledge_input_ids" in names and not plain:
            notes, mask = _tokens(processor, size, min(length + 2, processor.knowledge_max_length), random)
            if size > 1:
                mask[-1] = 0
            batch["knowledge_input_ids"], batch["knowledge_attention_mask"] = notes, mask
        for name, attended in (("text_bias", "input_ids"), ("knowledge_bias", "knowledge_input_ids")):
            if name in names and attended in batch:
                batch[name] = torch.rand((size, length, batch[attended].shape[1]), generator=random)
        if processor.terms is not None:
            columns = 2 * length - 1
            batch["term_ids"] = torch.randint(len(processor.terms), (size, columns), generator=random)
            batch["term_weights"] = torch.rand((size, columns), generator=random)
            # As of a text without known terms.
            batch["term_weights"][1:2] = 0
    if processor.image_processor is not None:
        several = IMAGE_INDEX in names and not plain
        counts = [0 if lacking and row == 1 else 1 + row % 3 * several for row in range(size)]
        batch |= {name: torch.from_numpy(array) for name, array in _images(processor, counts, random).items()}
    if lacking:
        batch["attention_mask"][2:3] = 0
    return batch


def _tokens(
    processor: CLFAProcessor, size: int, length: int, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask (size, length); the first row has no padding."""
    ids = torch.randint(len(processor.tokenizer), (size, length), generator=random)
    lengths = torch.randint(1, length + 1, (size, 1), generator=random)
    lengths[0] = length
    return ids, (torch.arange(length) < lengths).long()


def _images(processor: CLFAProcessor, counts: Sequence[int], random: torch.Generator) -> dict[str, np.ndarray]:
    """Return the model's inputs from samples with these numbers of images of noise."""
    from PIL import Image

    noise = torch.randint(256, (sum(counts), 40, 50, 3), generator=random, dtype=torch.uint8).numpy()
    pixels = processor.pixel_array([Image.fromarray(picture) for picture in noise])
    each = np.split(pixels, np.cumsum(counts)[:-1])
    return processor.image_inputs([one[0] if len(one) == 1 else one if len(one) else None for one in each])


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
