"""What CI runs: counts, and ratios of times taken in the same run, never seconds.

Every check compares clfa with something that does the same work and is measured beside it, so that a slow machine slows
both. Counts are exact. A ratio is the median over alternating repetitions; a check that fails is tried once more before
it counts. Limits leave room for noise: what they catch is a step that does clearly more than before.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, ViTConfig

from benchmarks import lengths, plain, startup
from benchmarks.architectures import IMAGENET, RandomGuide, recipe_of, write_encoders
from benchmarks.material import write_posts
from benchmarks.operations import operations
from benchmarks.spread import alternate, ratios
from clfa.cpu import speed_up
from clfa.data.images import load_image
from clfa.devices import best_device
from clfa.evaluation.inference import infer
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.prediction.engines import ENGINES
from clfa.prediction.onnx_export import export_onnx
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.collator import CLFACollator
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import cache_features, encode_split
from clfa.runs.encoders import Encoders, load_encoders
from clfa.runs.model import build_model
from clfa.targets.fields import LABEL
from clfa.targets.target import Target

AT_MOST, AT_LEAST = "at most", "at least"
BATCH = 8
_WIDTH, _LAYERS, _HEADS, _FUSION = 192, 3, 3, 128


@dataclass(frozen=True)
class Check:
    """One comparison.

    Args:
        name: To call it by.
        what: What the value is, for a person.
        measure: Takes it.
        limit: That the value must keep.
        side: :data:`AT_MOST` or :data:`AT_LEAST`.
    """

    name: str
    what: str
    measure: Callable[[], float]
    limit: float
    side: str = AT_MOST

    def holds(self, value: float) -> bool:
        """Whether a value keeps the limit."""
        return value <= self.limit if self.side == AT_MOST else value >= self.limit


@dataclass(frozen=True)
class Verdict:
    """How a check went.

    Args:
        check: Which.
        values: One, or two where the first failed.
    """

    check: Check
    values: tuple[float, ...]

    @property
    def passed(self) -> bool:
        """Whether the last value keeps the limit."""
        return self.check.holds(self.values[-1])

    def __str__(self) -> str:
        tried = ", ".join(f"{value:.3g}" for value in self.values)
        side = f"{self.check.side} {self.check.limit:g}"
        return f"{'ok    ' if self.passed else 'FAILED'} {self.check.name}: {tried} ({side}) {self.check.what}"


def judge(check: Check) -> Verdict:
    """Measure; what fails gets a second chance, for noise does not strike twice and a regression does."""
    first = check.measure()
    return Verdict(check, (first,)) if check.holds(first) else Verdict(check, (first, check.measure()))


def guard(work: Path, repetitions: int = 5, only: Sequence[str] = ()) -> int:
    """Carry out all checks, or those named, and say how each went.

    Returns:
        Exit code: 1 when any failed.
    """
    torch.set_num_threads(1)
    verdicts = []
    for check in checks(Subject(work, repetitions)):
        if only and check.name not in only:
            continue
        start = time.perf_counter()
        verdicts.append(judge(check))
        print(f"{verdicts[-1]} [{time.perf_counter() - start:.0f} s]", flush=True)
    failed = [verdict.check.name for verdict in verdicts if not verdict.passed]
    print(f"{len(verdicts) - len(failed)} of {len(verdicts)} checks passed.")
    if failed:
        print(f"Regressed: {', '.join(failed)}. Repeat with: python -m benchmarks guard --only '{failed[0]}'")
    return 1 if failed else 0


def checks(subject: Subject) -> list[Check]:
    """All of them."""
    s = subject
    return [
        Check("equal loss", "difference to the plain formulas", s.loss_difference, 1e-4),
        Check(
            "operations",
            "matrix operations of a training step, over those of plain PyTorch with padding",
            s.operations,
            0.9,
        ),
        Check("kernels", "kernels called in a training step, over those of plain PyTorch", s.kernels, 1.2),
        Check("training step", "its time over that of plain PyTorch", s.training_step, 1.2),
        Check("padding", "collated text positions over the longest texts of the batches", s.padding, 1.0),
        Check("padding pays", "time of a step padded to 77, over one as collated", s.padding_pays, 1.03, AT_LEAST),
        Check("evaluation", "forward passes per batch of an evaluation", s.evaluation_passes, 1.0),
        Check("prediction", "forward passes per batch of predictions", s.prediction_passes, 1.0),
        Check("cached features", "runs of a frozen encoder in a pass over cached data", s.encoder_runs, 0.0),
        Check(
            "caching pays", "time of a step with encoders, over one on cached features", s.caching_pays, 3.0, AT_LEAST
        ),
        Check("equal posts", "forward passes for a window of equal posts", s.equal_posts_passes, 1.0),
        Check("pixels", "time of resizing and normalising, over that of the image processor", s.pixels, 0.9),
        Check("exported", "time of a batch with OpenVINO, over PyTorch", s.exported, 1.3),
        Check("image loading", "its time over plain Pillow and NumPy", s.image_loading, 1.6),
        Check("help", "time of `clfa --help` over importing PyTorch and Transformers", s.help_time, 0.2),
        Check("help imports", "heavy packages that `clfa --help` imports", s.help_imports, 0.0),
        Check("start", "time to import training, over importing PyTorch and Transformers", s.start, 1.6),
    ]


class Subject:
    """What the checks look at: a narrow model of the paper's parts, and a few synthetic posts.

    Args:
        work: Folder for posts and encoders.
        repetitions: Values per ratio.
    """

    def __init__(self, work: Path, repetitions: int = 5) -> None:
        self.work, self.repetitions = work, repetitions
        self._starts: dict[str, float] = {}

    @cached_property
    def model(self) -> CLFAForClassification:
        """Without dropout, so that its loss can be compared."""
        sizes = {"hidden_size": _WIDTH, "num_hidden_layers": _LAYERS, "num_attention_heads": _HEADS}
        off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        torch.manual_seed(0)
        config = CLFAConfig(
            text_config=BertConfig(vocab_size=2000, intermediate_size=4 * _WIDTH, **sizes, **off).to_dict(),
            vision_config=ViTConfig(
                patch_size=32, intermediate_size=4 * _WIDTH, layer_norm_eps=1e-6, **sizes, **off
            ).to_dict(),
            hidden_size=_FUSION,
            projection_hidden_size=3 * _FUSION,
            intermediate_size=4 * _FUSION,
            num_attention_heads=4,
            num_fusion_layers=2,
            classifier_dropout=0.0,
            num_labels=2,
            **off,
        )
        return speed_up(CLFAForClassification(config)).train()

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Four batches as a data set gives them, one by one."""
        draw = np.random.default_rng(0)
        return [
            {
                "input_ids": draw.integers(5, 2000, length).tolist(),
                "pixel_values": draw.standard_normal((3, 224, 224), np.float32),
                "guide_text_embeds": draw.standard_normal(_FUSION, np.float32),
                "guide_image_embeds": draw.standard_normal(_FUSION, np.float32),
                "labels": number % 2,
            }
            for number, length in enumerate(lengths.draw("mmsd", 4 * BATCH))
        ]

    @property
    def batches(self) -> list[dict[str, torch.Tensor]]:
        """The samples, collated."""
        return [CLFACollator()(self.samples[start : start + BATCH]) for start in range(0, len(self.samples), BATCH)]

    def our_loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """clfa's."""
        loss: torch.Tensor = self.model(**batch).loss
        return loss

    def plain_loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """By the formulas, from the same parameters."""
        return plain.loss(dict(self.model.named_parameters()), batch, _HEADS, _HEADS, 4)

    def loss_difference(self) -> float:
        """Largest over the batches: whether both do the same work at all."""
        with torch.no_grad():
            return max(abs(self.our_loss(batch).item() - self.plain_loss(batch).item()) for batch in self.batches)

    def operations(self) -> float:
        """Floating-point operations of forward and backward pass, ours over plain."""
        ours, plainly = (
            operations(lambda loss=loss: loss(self.batches[0]).backward()) for loss in (self.our_loss, self.plain_loss)
        )
        return ours / plainly

    def kernels(self) -> float:
        """ATen operations dispatched, ours over plain; what Python and the dispatcher cost grows with them."""
        counts = []
        for loss in (self.our_loss, self.plain_loss):
            with _Kernels() as counter:
                loss(self.batches[0]).backward()
            counts.append(counter.count)
        return counts[0] / counts[1]

    def training_step(self) -> float:
        """Forward, backward and AdamW over all batches, ours over plain."""
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-6, fused=True)

        def steps(loss: Callable[[Mapping[str, torch.Tensor]], torch.Tensor]) -> None:
            for batch in self.batches:
                loss(batch).backward()
                optimiser.step()
                optimiser.zero_grad()

        return self._ratio(lambda: steps(self.our_loss), lambda: steps(self.plain_loss))

    def padding(self) -> float:
        """Positions of the collated batches over samples times longest text."""
        needed = sum(
            BATCH * max(len(sample["input_ids"]) for sample in self.samples[start : start + BATCH])
            for start in range(0, len(self.samples), BATCH)
        )
        return sum(batch["input_ids"].numel() for batch in self.batches) / needed

    def padding_pays(self) -> float:
        """Forward and backward with all texts at 77 tokens over the same as collated."""
        collated = self.batches
        padded = [
            {
                **b,
                **{n: torch.nn.functional.pad(b[n], (0, 77 - b[n].shape[1])) for n in ("input_ids", "attention_mask")},
            }
            for b in collated
        ]

        def passes(batches: list[dict[str, torch.Tensor]]) -> None:
            for batch in batches:
                self.our_loss(batch).backward()

        return self._ratio(lambda: passes(padded), lambda: passes(collated))

    @cached_property
    def posts(self) -> Path:
        """Folder of a few posts."""
        folder = self.work / "posts" / "guard"
        write_posts(folder, lengths.draw("mmsd", 48), (24, 16, 8))
        return folder

    def prepared(self, *overrides: str) -> tuple[Encoders, Any, Any]:
        """A recipe's encoders, the data set of its training split, and a model as a run would make it."""
        encoders = write_encoders(self.work / "encoders" / "small", "small", clip=False)
        recipe, fields = recipe_of("small", encoders, self.posts / "posts.jsonl")
        settings = load_recipe(recipe, [*fields, *overrides])
        cache = self.work / "cache"
        corpus = load_corpus(settings, cache=cache)
        encoders = load_encoders(settings, cache)
        cache_features(settings, corpus, encoders)
        guide: Any = RandomGuide(_FUSION)
        data = encode_split(settings, corpus.splits["train"], encoders, guide)
        targets = [Target(LABEL, label_names=tuple(corpus.label_names))]
        model: Any = build_model(settings.model, encoders, targets, None)
        return encoders, data, model.to(best_device())

    def evaluation_passes(self) -> float:
        """Forward passes of :func:`clfa.evaluation.inference.infer` per batch."""
        _, data, model = self.prepared()
        with calls(model) as count:
            infer(model, data, batch_size=BATCH)
        return len(count) / -(-len(data) // BATCH)

    def prediction_passes(self) -> float:
        """Forward passes of :class:`clfa.prediction.post_classifier.PostClassifier` per batch."""
        encoders, _, model = self.prepared()
        posts = [Post("w1 w2 w3", str(self.posts / "images" / f"{number}.jpg")) for number in range(2 * BATCH)]
        predictor = PostClassifier(model, encoders.processor, BATCH)
        with calls(model) as count:
            predictor(posts)
        return len(count) / 2

    def equal_posts_passes(self) -> float:
        """Forward passes for four batches of the same post."""
        encoders, _, model = self.prepared()
        predictor = PostClassifier(model, encoders.processor, BATCH)
        with calls(model) as count:
            predictor([Post("w1 w2 w3", str(self.posts / "images" / "0.jpg"))] * (4 * BATCH))
        return len(count)

    def pixels(self) -> float:
        """From decoded pictures to arrays, over the image processor of Transformers itself."""
        processor = self.prepared()[0].processor
        pictures = [load_image(path) for path in sorted((self.posts / "images").glob("*.jpg"))[:16]]
        return self._ratio(
            lambda: processor.pixel_array(pictures),
            lambda: np.stack(processor.image_processor(images=pictures)["pixel_values"]),
        )

    def exported(self) -> float:
        """A batch by the engine ``openvino`` over one by ``torch``, from the same inputs."""
        encoders, _, model = self.prepared()
        place = self.work / "exported"
        model.save_pretrained(place / "model")
        encoders.processor.save_pretrained(place / "model")
        export_onnx(place / "model", place / "onnx")
        batch = self.batches[0]
        inputs = {name: batch[name].numpy() for name in ("input_ids", "attention_mask", "pixel_values")}
        ours = ENGINES.get("openvino")().load(str(place / "onnx"), "fp32")[0]
        other = ENGINES.get("torch")().load(str(place / "model"), "fp32")[0]
        np.testing.assert_allclose(ours(inputs).logits, other(inputs).logits, atol=1e-3)
        with ours.busy(), other.busy():
            return self._ratio(lambda: ours(inputs), lambda: other(inputs))

    def encoder_runs(self) -> float:
        """Forward passes of frozen encoders while a model goes over data whose features are cached."""
        _, data, model = self.prepared("model.freeze_text_encoder=true", "model.freeze_vision_encoder=true")
        with calls(model.clfa.text_encoder) as texts, calls(model.clfa.vision_encoder) as images:
            infer(model, data, batch_size=BATCH)
        return len(texts) + len(images)

    def caching_pays(self) -> float:
        """A pass over posts with encoders that run, over one on cached features; loading on both sides."""
        frozen = ("model.freeze_text_encoder=true", "model.freeze_vision_encoder=true")
        _, cached, model = self.prepared(*frozen)
        _, raw, _ = self.prepared(*frozen, "training.cache_features=false")
        return self._ratio(lambda: infer(model, raw, batch_size=BATCH), lambda: infer(model, cached, batch_size=BATCH))

    def image_loading(self) -> float:
        """From JPEG files to normalised tensors, over the same with Pillow and NumPy alone."""
        encoders, _, _ = self.prepared()
        paths = sorted((self.posts / "images").glob("*.jpg"))[:16]
        mean, std = (np.array(IMAGENET[name], np.float32) for name in ("image_mean", "image_std"))

        def ours() -> None:
            for path in paths:
                encoders.processor.pixels([load_image(path)])

        def bare() -> None:
            for path in paths:
                with Image.open(path) as picture:
                    small = picture.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
                pixels = (np.asarray(small, np.float32) / 255 - mean) / std
                torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

        return self._ratio(ours, bare)

    def help_time(self) -> float:
        """`clfa --help` over the bare imports."""
        return self._start_ratio("clfa --help")

    def start(self) -> float:
        """Importing all that a training run needs, over the bare imports."""
        return self._start_ratio("import for training")

    def help_imports(self) -> float:
        """How many of the heavy packages `clfa --help` imports."""
        code = (
            "import sys\ntry:\n    exec(" + repr(startup.COMMANDS["clfa --help"]) + ")\nexcept SystemExit:\n    pass\n"
            "heavy = [m for m in ('torch', 'transformers', 'datasets', 'sklearn', 'pandas') if m in sys.modules]\n"
            "print('heavy', len(heavy))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return float(done.stdout.rpartition("heavy ")[2])

    def _start_ratio(self, command: str) -> float:
        # Processes take seconds each: one measurement serves both checks, and few repetitions do where limits are far.
        if command not in self._starts:
            commands = ("clfa --help", "import for training", "import torch, transformers")
            found = alternate(
                {name: lambda code=startup.COMMANDS[name]: startup.seconds_of(code) for name in commands},
                min(self.repetitions, 2),
            )
            bare = found.pop("import torch, transformers")
            self._starts = {name: ratios(values, bare).median for name, values in found.items()}
        return self._starts.pop(command)

    def _ratio(self, ours: Callable[[], Any], other: Callable[[], Any]) -> float:
        found = alternate({"ours": lambda: timed(ours), "other": lambda: timed(other)}, self.repetitions)
        return ratios(found["ours"], found["other"]).median


def timed(work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def calls(module: torch.nn.Module) -> Iterator[list[None]]:
    """A list that grows by one with every forward pass of ``module``."""
    count: list[None] = []
    handle = module.register_forward_hook(lambda *args: count.append(None))
    try:
        yield count
    finally:
        handle.remove()


class _Kernels(TorchDispatchMode):
    """Counts what is dispatched; views move no data and are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))
