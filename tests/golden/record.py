"""Record what trainings and predictions give, so that two revisions can be compared bit by bit.

    python tests/golden/record.py OUTPUT_DIR [--only NAME ...]
    python tests/golden/compare.py A/golden.json B/golden.json

Everything is made in OUTPUT_DIR, which must be empty or absent: synthetic posts, tiny encoders, runs, predictions,
caches, and ``golden.json``, which has a digest of every tensor and of every file that holds a result. All paths are
relative to OUTPUT_DIR, so recordings in different folders are equal. Recordings of different machines or releases of
PyTorch differ in the last bits.

Only the command line, the demo's module and the names that ``clfa`` itself exports are used: the script records any
revision whose command line still has today's commands.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import runpy
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

# Before PyTorch is imported: the order of sums depends on the number of threads.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    COLUMNS="200",
)

import numpy as np
from golden_digest import describe_folder
from golden_material import (
    make_encoders,
    make_posts,
    tiny_overrides,
    with_gaps,
    with_unlabelled,
    write_csv,
    write_jsonl,
    write_lexicon,
)

FUSIONS = (
    "image_queries_text",
    "two_way",
    "joint",
    "co_attention",
    "concat",
    "sum",
    "gated",
    "bilinear",
    "late",
)
ALIGNMENTS = ("guided", "cross_guided", "guided_and_cross", "students")
KNOWING = "model.use_knowledge=true"
BASELINES: dict[str, list[str]] = {
    "pooled_concat": [],
    "text_cnn": [],
    "bi_lstm": [],
    "text_transformer": [],
    "image_pooled": ["model.text_encoder=null"],
    "image_transformer": ["model.text_encoder=null"],
    "multi_sentinet": [],
    "co_memory": [],
    "clmlf": [],
    "dual_encoder": [],
    "res_bert": [],
    "hfm": [KNOWING, "model.text_encoder=embeddings:encoders/bert"],
    "dr_net": [KNOWING, "model.baseline_options={reconstruction_weight: 0.1}"],
    "att_bert": [],
    "cmgcn": [],
    "hke": [],
    "dip": [],
    "multiview_clip": ["model.text_encoder=encoders/clip", "model.vision_encoder=encoders/clip"],
    "interclip_mep": [],
}
TARGETS = (
    "data.targets={sarcasm: {label_names: ['no', 'yes']}, "
    "emotions: {problem_type: multi_label_classification, label_names: [anger, joy, sadness]}, "
    "intensity: {problem_type: regression, weight: 0.5}}"
)
TUNED = [
    "model.freeze_text_encoder=false",
    "model.freeze_vision_encoder=false",
    "training.learning_rate=1e-3",
    "training.encoder_learning_rate=1e-3",
    "training.epochs=3",
]


def clfa(*arguments: str) -> None:
    """Run a command of the command line in this process.

    Raises:
        RuntimeError: When it fails.
    """
    _as_program("clfa.cli.main", list(arguments))


def tiny_train(table: str, run: str, *overrides: str) -> None:
    """``clfa train offline``, made tiny, on a table."""
    clfa("train", "offline", "--data-dir", table, "--output", run, *tiny_overrides("encoders"), *overrides)


def record_demo() -> dict[str, Any]:
    """The demo's four trainings, predictions of each model on posts of its test split, an experiment."""
    _as_program("clfa.demo.run", ["--output", "demo"])
    rows = Path("demo/data/test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("demo/data/some.jsonl").write_text("".join(rows[::8]), encoding="utf-8")
    for run in sorted(Path("demo/runs").iterdir()):
        clfa("predict", str(run), "demo/data/some.jsonl", "--output", f"demo/predicted-{run.name}.jsonl")
    clfa("experiment", "smoke", "--data-dir", "demo/data", "--output", "demo/experiment")
    return {}


def record_targets() -> dict[str, Any]:
    """Several targets in one model, one multi-label target, one regression; predictions in every format."""
    weights = "training.class_weights={sarcasm: balanced, emotions: balanced}"
    extra = ["training.tune_thresholds=true", "model.focal_gamma=1.0", "training.epochs=3"]
    tiny_train("posts/tasks.csv", "targets/several", TARGETS, weights, *extra)
    tiny_train("posts/tasks.csv", "targets/two", TARGETS.replace("weight: 0.5", "weight: 2"), "model.alpha=0")
    for problem, column in (("multi_label_classification", "emotions"), ("regression", "intensity")):
        tiny_train(
            "posts/posts.csv", f"targets/{column}", f"data.problem_type={problem}", f"data.options.label={column}"
        )
    clfa("evaluate", "targets/several", "--split", "validation")
    for run in ("several", "emotions", "intensity"):
        for suffix in ("jsonl", "csv", "parquet"):
            clfa("predict", f"targets/{run}", "posts/new.csv", "--output", f"targets/predicted-{run}.{suffix}")
    return {}


def record_knowledge() -> dict[str, Any]:
    """A knowledge stream with word graphs, posts that lack text or picture, and modality dropout."""
    knowing = [
        KNOWING,
        "knowledge.sources=[column, hashtags]",
        "knowledge.lexicon_path=lexicon.txt",
        "knowledge.gamma=1.5",
        "knowledge.lambda1=2",
    ]
    missing = ["model.allow_missing_modalities=true", "model.modality_dropout=0.3"]
    tiny_train("posts/gappy.csv", "knowledge/missing", *knowing, *missing)
    tiny_train("posts/gappy.csv", "knowledge/complete", *knowing, *TUNED, "training.epochs=1")
    tiny_train("posts/gappy.csv", "knowledge/none", *missing, "training.cache_features=false")
    clfa("evaluate", "knowledge/missing", "--split", "test")
    for run in ("missing", "complete", "none"):
        for source in ("gappy.csv", "gappy.jsonl"):
            output = f"knowledge/predicted-{run}-{source}"
            clfa("predict", f"knowledge/{run}", f"posts/{source}", "--output", output, "--failures", f"{output}.jsonl")
    return {}


def record_resumed() -> dict[str, Any]:
    """One run without interruption, and the same one stopped in its second epoch and resumed."""
    more = [*TUNED, "training.group_by_length=true", "training.ema_decay=0.9"]
    tiny_train("posts/posts.csv", "resumed/whole", *more)
    with _interruption(step=6):
        tiny_train("posts/posts.csv", "resumed/resumed", *more)
    if Path("resumed/resumed/metrics.json").exists():
        raise RuntimeError("the run was not interrupted")
    clfa(
        *("train", "offline", "--data-dir", "posts/posts.csv", "--output", "resumed/resumed", "--resume"),
        *tiny_overrides("encoders"),
        *more,
    )
    return {"largest difference of a resumed run": _difference("resumed/whole", "resumed/resumed")}


def record_tuned() -> dict[str, Any]:
    """Encoders that are trained, wholly and from a layer on, in 32-bit floats; other settings of the training."""
    tiny_train("posts/posts.csv", "tuned/whole", *TUNED)
    tiny_train(
        "posts/posts.csv",
        "tuned/upper",
        "model.freeze_text_encoder=1",
        "model.label_smoothing=0.1",
        "model.negatives=bank",
        "training.class_weights=balanced",
        "training.gradient_accumulation_steps=2",
        "training.lr_scheduler_type=cosine",
        "training.save_alignment=true",
    )
    tiny_train("posts/posts.csv", "tuned/fitted", "guide={name: fitted, epochs: 2, dim: 8, batch_size: 16}")
    tiny_train("posts/posts.csv", "tuned/shuffled", "guide.shuffle=true", "training.alpha_schedule=constant")
    tiny_train("posts/posts.csv", "tuned/text", "model.vision_encoder=null", "model.pooling=cls")
    tiny_train("posts/posts.csv", "tuned/bf16", *TUNED, "training.precision=bf16", "training.epochs=1")
    tiny_train("posts/posts.csv", "tuned/image", "model.text_encoder=null", "model.pooling=max")
    return {}


def record_predictions() -> dict[str, Any]:
    """Predictions on files of every format, and through the class for tables."""
    import pandas as pd

    from clfa import CLFAPredictor

    tiny_train("posts/posts.csv", "predictions/run", "training.epochs=1")
    clfa("evaluate", "predictions/run", "--split", "train")
    for source in ("new.csv", "new.jsonl", "new.parquet"):
        for suffix in ("jsonl", "csv", "parquet"):
            output = f"predictions/{source}.{suffix}"
            clfa("predict", "predictions/run", f"posts/{source}", "--output", output, "--batch-size", "5")
    clfa("predict", "predictions/run/model", "posts/new.jsonl", "--output", "predictions/of-model.jsonl")
    clfa("predict", "predictions/run", "posts/shards", "--output", "predictions/shards")
    predictor = CLFAPredictor.load("predictions/run")
    table = pd.read_csv("posts/new.csv", dtype={"id": str}, keep_default_na=False)
    table["image"] = "posts/" + table["image"]
    np.save("predictions/probabilities.npy", predictor.predict_proba(table).to_numpy())
    np.save("predictions/embeddings.npy", predictor.embed(table))
    return {"labels": predictor.predict(table), "metrics": predictor.evaluate("posts/posts.csv")}


def record_data() -> dict[str, Any]:
    """Posts dealt to splits by the library, a part of them, a cleaned table, features computed beforehand, ONNX."""
    tiny_train("posts/undivided.csv", "data/undivided", "data.limit=10", "training.epochs=1", "seed=7")
    tiny_train("posts/undivided-tasks.csv", "data/tasks", TARGETS, "training.epochs=1")
    clfa("data", "check", "table", "posts/gappy.csv", "--output", "data/clean.parquet", "--dropped", "data/dropped.csv")
    clfa("data", "embed", "offline", "posts/new.csv", *tiny_overrides("encoders"), "--output", "data/features")
    clfa("data", "import-features", "data/features", "--cache", "data/imported")
    clfa("export", "onnx", "data/undivided")
    clfa("predict", "data/undivided", "posts/new.csv", "--output", "data/onnx.jsonl", "--engine", "onnx")
    return {}


def record_architectures() -> dict[str, Any]:
    """One short training of every fusion, alignment and baseline."""
    short = ["training.epochs=1", "training.batch_size=16"]
    for name in FUSIONS:
        tiny_train("posts/posts.csv", f"architectures/{name}", f"model.fusion={name}", *short)
    for name in ALIGNMENTS:
        same = ["model.hidden_size=12"] if name == "students" else []
        tiny_train("posts/posts.csv", f"architectures/aligned-{name}", f"model.alignment={name}", *same, *short)
    for name, overrides in BASELINES.items():
        tiny_train("posts/posts.csv", f"architectures/{name}", f"model.baseline={name}", *overrides, *short)
    return {}


RECORDINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "predictions": record_predictions,
    "targets": record_targets,
    "knowledge": record_knowledge,
    "resumed": record_resumed,
    "tuned": record_tuned,
    "data": record_data,
    "architectures": record_architectures,
    "demo": record_demo,
}


def make_inputs() -> None:
    """Tables of posts, tiny encoders and a lexicon, in the working directory."""
    posts = make_posts(Path("posts"))
    write_csv(Path("posts/posts.csv"), posts)
    write_csv(Path("posts/tasks.csv"), with_unlabelled(posts))
    for name, rows in (("undivided", posts), ("undivided-tasks", with_unlabelled(posts))):
        write_csv(Path(f"posts/{name}.csv"), [{k: v for k, v in row.items() if k != "split"} for row in rows])
    gappy = with_gaps(posts)
    write_csv(Path("posts/gappy.csv"), gappy)
    write_jsonl(Path("posts/gappy.jsonl"), gappy)
    new = [{name: row[name] for name in ("id", "text", "image")} for row in posts[:20]]
    new += [{"id": "lost", "text": "so sunny", "image": "images/none.png"}, {"id": "blank", "text": "", "image": ""}]
    write_csv(Path("posts/new.csv"), new)
    write_jsonl(Path("posts/new.jsonl"), new)
    import pandas as pd

    pd.DataFrame(new).to_parquet("posts/new.parquet")
    Path("posts/shards").mkdir()
    for name, part in (("a", new[:7]), ("b", new[7:])):
        rows = [{**row, "image": f"../{row['image']}" if row["image"] else ""} for row in part]
        write_csv(Path(f"posts/shards/{name}.csv"), rows)
    make_encoders(Path("encoders"))
    write_lexicon(Path("lexicon.txt"))


def record(output: Path, names: list[str]) -> Path:
    """Carry out recordings in ``output`` and write ``golden.json`` there.

    Args:
        output: Empty or absent folder.
        names: Of :data:`RECORDINGS`.

    Returns:
        ``golden.json``.
    """
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        sys.exit(f"{output} is not empty; give another folder.")
    before = Path.cwd()
    os.chdir(output)
    try:
        import torch
        import transformers

        torch.set_num_threads(1)
        facts: dict[str, Any] = {}
        seconds: dict[str, float] = {}
        terminal = sys.stdout
        with Path("log.out").open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            make_inputs()
            for name in names:
                started = time.perf_counter()
                # Each by itself, so that some of them can be recorded without the others.
                os.environ["CLFA_CACHE"] = f"cache/{name}"
                found = RECORDINGS[name]()
                facts.update({f"{name}: {key}": value for key, value in found.items()})
                seconds[name] = round(time.perf_counter() - started, 1)
                print(f"recorded {name} in {seconds[name]} s", file=terminal, flush=True)
        content = {
            "machine": {
                "processor": platform.machine(),
                "capability": torch.backends.cpu.get_cpu_capability(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "numpy": np.__version__,
            },
            "seconds": seconds,
            "facts": facts,
            "files": describe_folder(Path()),
        }
        Path("golden.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    finally:
        os.chdir(before)
    return output / "golden.json"


class _Interrupted(Exception):
    pass


@contextmanager
def _interruption(step: int) -> Iterator[None]:
    """End the training in this block just before the given step of its optimiser."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    done = 0

    def hook(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == step:
            raise _Interrupted

    handle = register_optimizer_step_pre_hook(hook)
    try:
        yield
    except _Interrupted:
        pass
    finally:
        handle.remove()


def _difference(first: str, second: str) -> float:
    from safetensors.numpy import load_file

    a, b = (load_file(Path(run) / "model" / "model.safetensors") for run in (first, second))
    if a.keys() != b.keys():
        raise RuntimeError(f"{first} and {second} have other tensors")
    return max(float(np.abs(a[name].astype(np.float64) - b[name]).max()) for name in a)


def _as_program(module: str, arguments: list[str]) -> None:
    before, sys.argv = sys.argv, [module, *arguments]
    print(f"python -m {module} {' '.join(arguments)}")
    try:
        with warnings.catch_warnings():
            # The module may be imported already, by another command.
            warnings.filterwarnings("ignore", message=".*found in sys.modules.*", category=RuntimeWarning)
            runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        if end.code not in (0, None):
            raise RuntimeError(f"{module} {' '.join(arguments)} failed: {end.code}; see log.out") from end
    finally:
        sys.argv = before


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder to make")
    parser.add_argument("--only", nargs="+", choices=list(RECORDINGS), default=list(RECORDINGS), help="recordings")
    options = parser.parse_args()
    import clfa as package

    print(f"recording {Path(package.__file__).parent}", flush=True)
    print(record(options.output, options.only))


if __name__ == "__main__":
    main()
