"""What each lever is worth on a CPU: the same work with it and without it, in turns, everything else as it is used."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import lengths, machine
from benchmarks.architectures import recipe_of, write_encoders
from benchmarks.material import write_posts
from benchmarks.spread import alternate
from benchmarks.training import prepared
from clfa.cpu import batched_attention, encoder_attention, folded_conv, linear, speed_up, unpadded
from clfa.cpu.clipping import clip_within_step
from clfa.cpu.dropout import Dropout
from clfa.cpu.memory import reused_memory
from clfa.cpu.packed import packed_weights
from clfa.cpu.patch_conv import PatchConv2d
from clfa.evaluation.inference import by_length
from clfa.files import write_json
from clfa.modeling.encoders import load_encoder
from clfa.processing.collator import CLFACollator

SAMPLES = 64
BATCH = 8
EVALUATION_BATCH = 16
LONGEST = 77
PATCHES, CLIPPING = "patch embedding as a product", "clipping folded into the optimiser"
DROPOUT_KEPT = "on CPUs ([dropout.py](../src/clfa/cpu/dropout.py))"
BATCHED, MEMORY, UNPADDED = "attention as batched products", "freed memory kept", "no padding in the text encoder"


@dataclass(frozen=True)
class Lever:
    """One thing that may make the work quicker.

    Args:
        name: For the page.
        of: The work that was timed.
        using: The work with the lever.
        without: The same without it.
        kept: Whether it is used, and where, for the page.
    """

    name: str
    of: str
    using: Callable[[], Any]
    without: Callable[[], Any]
    kept: str


class Subject:
    """A model and posts with MMSD's text lengths.

    Args:
        work: Folder for posts, encoders and caches.
        architecture: ``paper``, or ``small`` to try it out.
        samples: Posts of an epoch; fewer to try it out.
    """

    def __init__(self, work: Path, architecture: str = "paper", samples: int = SAMPLES) -> None:
        posts = work / "posts" / "levers"
        write_posts(posts, lengths.draw("mmsd", samples + 16), (samples, 8, 8))
        written = write_encoders(work / "encoders" / architecture, architecture, clip=False)
        self.run = prepared(*recipe_of(architecture, written, posts / "posts.jsonl"), work / "cache")
        self.model: Any = self.run.model.train()
        self.data = self.run.sets["train"]
        self._optimizers: dict[bool, torch.optim.AdamW] = {}

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """All of them, pictures decoded."""
        return [self.data[position] for position in range(len(self.data))]

    def batches(self, size: int = BATCH, grouped: bool = True, pad_to: int | None = None) -> list[dict[str, Any]]:
        """Collated, in order of length or as they come; padded to the longest of each or to a number of tokens."""
        order = by_length(self.data) if grouped else list(range(len(self.data)))
        samples = self.samples
        if pad_to is not None:
            ids = ((sample["input_ids"] + [0] * pad_to)[:pad_to] for sample in samples)
            samples = [{**sample, "input_ids": padded} for sample, padded in zip(samples, ids, strict=True)]
        return [CLFACollator()([samples[i] for i in order[k : k + size]]) for k in range(0, len(order), size)]

    @cached_property
    def batch(self) -> dict[str, Any]:
        """One of middling length."""
        batches = self.batches()
        return batches[len(batches) // 2]

    def optimizer(self, fused: bool) -> torch.optim.AdamW:
        """Made once, so that its state is there."""
        if fused not in self._optimizers:
            self._optimizers[fused] = torch.optim.AdamW(self.model.parameters(), lr=1e-6, fused=fused)
        return self._optimizers[fused]

    def step(
        self,
        batch: Mapping[str, Any] | None = None,
        precision: str = "bf16",
        fused: bool = True,
        forward: Any = None,
        fold: bool = True,
    ) -> None:
        """A training step as the Trainer does it.

        Args:
            batch: One of middling length when not given.
            precision: ``fp32`` or ``bf16``.
            fused: The optimiser.
            forward: Instead of the model.
            fold: Let the optimiser scale the gradients that are clipped.
        """
        with lower(precision):
            loss = (self.model if forward is None else forward)(**(batch or self.batch)).loss
        loss.backward()
        optimizer: Any = self.optimizer(fused)
        optimizer.grad_scale = None
        if fold and fused:
            clip_within_step(optimizer, self.model.parameters(), 1.0)
        else:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        self.model.zero_grad()

    def epoch(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """Training steps in bfloat16, one after the other."""
        for batch in batches:
            self.step(batch)

    def evaluation(self, batches: Sequence[Mapping[str, Any]], pack: bool = True) -> None:
        """Forward passes in bfloat16."""
        self.model.eval()
        with torch.inference_mode(), lower("bf16"), packed_weights(self.model) if pack else nullcontext():
            for batch in batches:
                self.model(**batch)
        self.model.train()

    def load(self) -> None:
        """Decode and prepare as many pictures as a batch has."""
        self.data.__getitems__(list(range(BATCH)))

    @cached_property
    def compiled(self) -> Any:
        """The model by ``torch.compile``, compiled."""
        found = torch.compile(self.model, dynamic=True)
        self.step(forward=found)
        return found


def lower(precision: str) -> AbstractContextManager[Any]:
    """Autocast for ``bf16``, nothing for ``fp32``."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()


def _never(*arguments: Any) -> bool:
    return False


def _always(*arguments: Any) -> bool:
    return True


@contextmanager
def plain_attention(pays: Callable[..., bool] = _never) -> Iterator[None]:
    """PyTorch's attention everywhere, or wherever ``pays`` says no."""
    with replaced(batched_attention, "batching_pays", pays), replaced(encoder_attention, "batching_pays", pays):
        yield


def with_padding() -> AbstractContextManager[None]:
    """Text encoders run on padded batches."""
    return replaced(unpadded, "leaving_padding_out_pays", _never)


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute with another value meanwhile."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def levers(subject: Subject) -> list[Lever]:
    """All of them."""
    s = subject
    grouped, random, padded = s.batches(), s.batches(grouped=False), s.batches(pad_to=LONGEST)
    ordered, unordered = s.batches(EVALUATION_BATCH), s.batches(EVALUATION_BATCH, grouped=False)

    def step(**options: Any) -> Callable[[], Any]:
        return lambda: s.step(**options)

    def steps(precision: str) -> Callable[[], Any]:
        return lambda: [s.step(precision=precision) for _ in range(4)]

    def kept(work: Callable[[], Any]) -> Callable[[], Any]:
        return within(reused_memory, work)

    def onednn(pays: bool) -> Callable[[], AbstractContextManager[None]]:
        return lambda: replaced(linear, "onednn_pays", lambda: pays)

    def convolved() -> AbstractContextManager[None]:
        return replaced(PatchConv2d, "forward", nn.Conv2d.forward)

    def unfolded() -> AbstractContextManager[None]:
        return replaced(folded_conv, "_applies", lambda *_: False)

    def own_dropout() -> AbstractContextManager[None]:
        return replaced(Dropout, "forward", nn.Dropout.forward)

    encoder = speed_up(load_encoder("package:efficientnet-lite0", "vision")).eval()
    pictures = torch.randn(len(s.data), 3, 224, 224, generator=torch.Generator().manual_seed(0))
    in_parts, at_once = torch.no_grad()(encoder), torch.no_grad()(partial(type(encoder).forward, encoder))
    bf16, fp32 = "a training step, bf16", "a training step, fp32"
    epoch, evaluation = "an epoch of 64, bf16", "an evaluation of 64, bf16"
    return [
        Lever(
            "texts padded to the batch's longest instead of 77",
            epoch,
            lambda: s.epoch(grouped),
            lambda: s.epoch(padded),
            "yes",
        ),
        Lever(
            "batches of like length",
            epoch,
            lambda: s.epoch(grouped),
            lambda: s.epoch(random),
            "`training.group_by_length`, in the paper's recipes",
        ),
        *(
            Lever(
                UNPADDED,
                of,
                lambda batches=batches: s.epoch(batches),
                within(with_padding, lambda batches=batches: s.epoch(batches)),
                "on CPUs, for BERT's family ([unpadded.py](../src/clfa/cpu/unpadded.py))",
            )
            for of, batches in ((epoch, grouped), (f"{epoch}, batches as they come", random))
        ),
        Lever(
            UNPADDED,
            evaluation,
            lambda: s.evaluation(ordered),
            within(with_padding, lambda: s.evaluation(ordered)),
            "the same",
        ),
        Lever(
            "evaluation in order of length",
            evaluation,
            lambda: s.evaluation(ordered),
            lambda: s.evaluation(unordered),
            "yes",
        ),
        Lever(
            "bfloat16",
            "a training step",
            step(),
            step(precision="fp32"),
            "`training.precision: auto`, on GPUs and, where an encoder is trained, on CPUs that have it",
        ),
        Lever(
            "linear layers by oneDNN",
            fp32,
            within(onednn(True), step(precision="fp32")),
            within(onednn(False), step(precision="fp32")),
            "on AMD's processors alone ([linear.py](../src/clfa/cpu/linear.py))",
        ),
        Lever(
            BATCHED,
            bf16,
            step(),
            within(plain_attention, step()),
            "on CPUs ([batched_attention.py](../src/clfa/cpu/batched_attention.py))",
        ),
        Lever(
            BATCHED,
            fp32,
            step(precision="fp32"),
            within(plain_attention, step(precision="fp32")),
            "on CPUs, in encoders with attention dropout",
        ),
        Lever(
            BATCHED,
            evaluation,
            within(lambda: plain_attention(_always), lambda: s.evaluation(ordered)),
            lambda: s.evaluation(ordered),
            "no: without gradients PyTorch's is as quick",
        ),
        Lever(
            MEMORY,
            "four training steps, bf16",
            kept(steps("bf16")),
            steps("bf16"),
            "on CPUs with glibc ([memory.py](../src/clfa/cpu/memory.py))",
        ),
        Lever(MEMORY, "four training steps, fp32", kept(steps("fp32")), steps("fp32"), "the same"),
        Lever(MEMORY, evaluation, kept(lambda: s.evaluation(ordered)), lambda: s.evaluation(ordered), "the same"),
        Lever(
            "weights cast and reordered once",
            evaluation,
            lambda: s.evaluation(ordered),
            lambda: s.evaluation(ordered, pack=False),
            "on CPUs ([packed.py](../src/clfa/cpu/packed.py))",
        ),
        Lever("fused AdamW", bf16, step(), step(fused=False), "yes"),
        Lever("random bits for dropout four to a number", bf16, step(), within(own_dropout, step()), DROPOUT_KEPT),
        Lever(
            "convolutions channels-last, eight pictures at a time",
            "EfficientNet-Lite0 on 64 pictures, fp32",
            within(unfolded, lambda: in_parts(pixel_values=pictures)),
            within(unfolded, lambda: at_once(pixel_values=pictures)),
            "on CPUs ([channels_last.py](../src/clfa/cpu/channels_last.py))",
        ),
        Lever(
            "normalisation and activation inside convolutions",
            "EfficientNet-Lite0 on 64 pictures, fp32, eight at a time",
            lambda: in_parts(pixel_values=pictures),
            within(unfolded, lambda: in_parts(pixel_values=pictures)),
            "on CPUs ([folded_conv.py](../src/clfa/cpu/folded_conv.py))",
        ),
        *(
            Lever(
                PATCHES,
                of,
                step(precision=precision),
                within(convolved, step(precision=precision)),
                "on CPUs ([patch_conv.py](../src/clfa/cpu/patch_conv.py))",
            )
            for of, precision in ((bf16, "bf16"), (fp32, "fp32"))
        ),
        *(
            Lever(
                CLIPPING,
                of,
                step(precision=precision),
                step(precision=precision, fold=False),
                "on CPUs, for large models ([clipping.py](../src/clfa/cpu/clipping.py))",
            )
            for of, precision in ((bf16, "bf16"), (fp32, "fp32"))
        ),
        Lever(
            "a batch's pictures decoded side by side",
            f"loading {BATCH} pictures",
            s.load,
            lambda: [s.data[position] for position in range(BATCH)],
            "on CPUs, without loader workers",
        ),
        Lever(
            "pictures decoded beforehand",
            f"loading {BATCH} pictures and a training step, bf16",
            step(),
            lambda: (s.load(), s.step()),
            "no: the most that keeping pixels on disk as uint8 could save",
        ),
        Lever(
            "`torch.compile`",
            bf16,
            lambda: s.step(forward=s.compiled),
            step(),
            "no: slower, after minutes of compiling",
        ),
    ]


def within(context: Callable[[], AbstractContextManager[Any]], work: Callable[[], Any]) -> Callable[[], Any]:
    """Work inside a context."""

    def inside() -> None:
        with context():
            work()

    return inside


def measure(
    work: Path, repetitions: int, only: Sequence[str] = (), architecture: str = "paper", samples: int = SAMPLES
) -> None:
    """Time all levers, or those named and what is kept of the others; ``levers.json`` in ``work`` has the seconds."""
    place = work / "levers.json"
    before = json.loads(place.read_text(encoding="utf-8"))["levers"] if only and place.is_file() else []
    found: dict[tuple[str, str], dict[str, Any]] = {(lever["name"], lever["of"]): lever for lever in before}
    every = levers(Subject(work, architecture, samples))
    for lever in every:
        if only and lever.name not in only:
            continue
        start = time.perf_counter()
        # Everything else is measured as it is used; only this lever tells the two sides apart.
        with nullcontext() if lever.name == MEMORY else reused_memory():
            values = alternate({"with": timed(lever.using), "without": timed(lever.without)}, repetitions)
        found[lever.name, lever.of] = {"name": lever.name, "of": lever.of, "kept": lever.kept, **values}
        print(f"{lever.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        ordered = [found[key] for lever in every if (key := (lever.name, lever.of)) in found]
        write_json(place, {"machine": machine.describe(), "levers": ordered})


def timed(work: Callable[[], Any]) -> Callable[[], float]:
    """Work that returns its seconds."""

    def measured() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return measured
