from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from clfa.errors import RecipeError
from clfa.recipe import Recipe
from clfa.runs.arguments import share_of
from clfa.runs.train import train
from clfa.training import CLFATrainer
from posts import read_jsonl
from runs.launched import launched
from warm import Program

MakeRecipe = Callable[..., Recipe]

FSDP = Path(__file__).resolve().parents[2] / "docs" / "fsdp.yaml"
# 32 training posts in batches of 6: the last batch of an epoch has 2 of them, one for each process.
UNEVEN = ("training.batch_size=6", "training.eval_batch_size=5")
# A smaller step than the other tests': rounding must not have grown into something by the end.
CALM = ("training.learning_rate=1e-3",)


class Killed(BaseException):
    pass


@dataclass
class Launched:
    """What two processes did."""

    returncode: int
    stdout: str
    stderr: str


def prepared(recipe: Recipe, output: Path, *arguments: str) -> list[str]:
    """Save a recipe; the command line that trains by it."""
    file = output.parent / f"{output.name}.yaml"
    recipe.save(file)
    return ["train", str(file), "--output", str(output), *arguments]


def torchrun(recipe: Recipe, output: Path, **variables: str) -> Launched:
    """``torchrun`` of two processes over a recipe, with variables of ``launched.py``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    script = str(Path(__file__).with_name("launched.py"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    done = subprocess.run(
        [*command, *prepared(recipe, output)], env=environment, capture_output=True, text=True, timeout=1800
    )
    return Launched(done.returncode, done.stdout, done.stderr)


def launch(recipe: Recipe, output: Path, *arguments: str, **variables: str) -> Launched:
    """Two processes with the variables that ``torchrun`` gives them, and without its long start."""
    command = prepared(recipe, output, *arguments)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared["WITHOUT_PICTURES"] = "1"
    programs = [
        Program(launched, command, output.parent, {**shared, **variables, "RANK": number, "LOCAL_RANK": number})
        for number in ("0", "1")
    ]
    codes = [program.wait() for program in programs]
    shown, errors = ("".join(getattr(program, name) for program in programs) for name in ("stdout", "stderr"))
    return Launched(max(map(abs, codes)), shown, errors)


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def metrics_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {name: part for name, part in content.items() if name not in ("resources", "versions")}


def assert_same_run(found: Path, wanted: Path) -> None:
    weights, expected = weights_of(found), weights_of(wanted)
    assert weights.keys() == expected.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-4, msg=lambda text, name=name: name + text)
    for split in ("validation", "test"):
        rows, others = (read_jsonl(run / f"predictions-{split}.jsonl") for run in (found, wanted))
        assert [row["id"] for row in rows] == [row["id"] for row in others]
        for row, other in zip(rows, others, strict=True):
            assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
    for part in ("validation", "test"):
        figures, others = metrics_of(found)[part], metrics_of(wanted)[part]
        assert figures["confusion_matrix"] == others["confusion_matrix"]
    history, other_history = (json.loads((run / "history.json").read_text()) for run in (found, wanted))
    for log, other in zip(history, other_history, strict=True):
        assert log["step"] == other["step"]
        for name in ("loss", "loss_classification", "loss_text_alignment", "eval_accuracy", "eval_macro_f1"):
            assert (name in log) == (name in other)
            assert log.get(name, 0) == pytest.approx(other.get(name, 0), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [(), ("training.group_by_length=true", "training.ema_decay=0.9", "model.negatives=bank")],
    ids=["plain", "grouped averaged bank"],
)
def test_two_processes_train_what_one_trains(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    recipe = tiny_recipe(posts_csv, *UNEVEN, *CALM, *overrides)
    done = launch(recipe, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    train(recipe, tmp_path / "one")
    assert_same_run(tmp_path / "two", tmp_path / "one")
    # Said and written once.
    assert done.stdout.count("Everything is in") == 1
    assert done.stderr.count("epoch 1 of 2") == 1
    assert "destroy_process_group" not in done.stderr
    names = [{path.name for path in (tmp_path / run).iterdir()} for run in ("one", "two")]
    assert names[0] == names[1]
    assert list((tmp_path / "two").glob("checkpoints/checkpoint-*/rng_state_1.pth"))
    (log,) = (tmp_path / "two").glob("**/events.out.tfevents*")
    assert log.stat().st_size > 0


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_run_and_one_process_resumes_it(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(posts_csv, *UNEVEN, *CALM, "training.ema_decay=0.9")
    # Six steps an epoch: the second epoch is under way.
    done = torchrun(recipe, tmp_path / "run", DIE_AT="1:8")
    assert done.returncode != 0
    assert "Signal 9 (SIGKILL)" in done.stderr
    assert not (tmp_path / "run" / "metrics.json").exists()
    with pytest.raises(RecipeError, match=r"already holds an unfinished run \(resume=True continues it\)"):
        train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    train(recipe, tmp_path / "whole")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_resume_what_one_began(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(posts_csv, *UNEVEN, *CALM)
    train(recipe, tmp_path / "whole")
    compute_loss = CLFATrainer.compute_loss

    def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 8:
            raise Killed
        return compute_loss(self, *args, **kwargs)

    monkeypatch.setattr(CLFATrainer, "compute_loss", killed)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "run")
    done = launch(recipe, tmp_path / "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    # The second epoch alone was trained again.
    assert "epoch 1 of 2" not in done.stderr


@pytest.mark.slow
def test_sharded_weights_are_trained_like_whole_ones(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, *UNEVEN, *CALM, "training.ema_decay=0")
    configured = load_config_from_file(str(FSDP)).fsdp_config
    # As `accelerate launch` hands its file on; that of the docs.
    variables = {k.upper(): str(v).lower() if isinstance(v, bool) else str(v) for k, v in configured.items()}
    variables["FSDP_TRANSFORMER_CLS_TO_WRAP"] = variables.pop("FSDP_TRANSFORMER_LAYER_CLS_TO_WRAP")
    done = launch(recipe, tmp_path / "two", ACCELERATE_USE_FSDP="true", **variables)
    assert done.returncode == 0, done.stderr
    train(recipe, tmp_path / "one")
    assert_same_run(tmp_path / "two", tmp_path / "one")


def test_the_batch_is_shared_evenly() -> None:
    assert share_of(12, 4) == 3
    with pytest.raises(RecipeError, match=r"training.batch_size .* 8 cannot be divided among 3; start another number"):
        share_of(8, 3)
