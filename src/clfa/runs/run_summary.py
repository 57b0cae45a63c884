"""The summary of a finished run, for a terminal and for Python."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.targets.fields import LABEL
from clfa.terminal import console
from clfa.yardsticks.standing import computed, selection_score, shown, standing

_WIDTH = 100


def summary_text(metrics: Mapping[str, Any], place: str | Path) -> str:
    """Return the summary that :func:`show_run` prints, as plain text.

    Args:
        metrics: Content of ``metrics.json``.
        place: The run folder.
    """
    file = io.StringIO()
    show_run(metrics, place, console(file=file, width=_WIDTH, force_terminal=False, force_jupyter=False))
    return file.getvalue().strip("\n")


def show_run(metrics: Mapping[str, Any], place: str | Path, out: Any) -> None:
    """Print data, guide, scores, yardsticks and cost of a run.

    Args:
        metrics: Content of ``metrics.json``.
        place: The run folder.
        out: Rich console to print on.
    """
    data = metrics["data"]
    sizes = ", ".join(f"{name} {count:,}" for name, count in data["samples"].items())
    _say(out, f"\n{metrics['recipe']} on {data['name']}: {sizes}")
    for reason, count in data["dropped"].items():
        _say(out, f"  left out: {count:,} x {reason}")
    for reason, count in data.get("incomplete", {}).items():
        _say(out, f"  kept with one modality: {count:,} x {reason}")
    for split, absent in data.get("absent_classes", {}).items():
        for named, names in absent.items():
            of_target = "" if named == LABEL else f" of target {named}"
            _say(out, f"  no {split} post has the class{of_target}: {', '.join(names)}")
    if metrics["guide"] is not None:
        retrieval = metrics["guide"]["validation_retrieval"]
        _say(
            out,
            f"Guide {metrics['guide']['name']}: on {retrieval['candidates']} held-out pairs rank 1 "
            f"{retrieval['rank1']:.1%}, median rank {retrieval['median_rank']:.0f} "
            f"(chance {retrieval['chance_median_rank']:.0f})",
        )
    show_scores({name: metrics[name] for name in ("validation", "test") if name in metrics}, out)
    _show_yardsticks(metrics, out)
    for target, weights in metrics.get("blend", {}).get("weights", {}).items():
        of_target = "" if target == LABEL else f" for target {target}"
        shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        _say(out, f"The model is a blend{of_target}; weights: {shares}. The scores of single epochs are the network's.")
    training, cost = metrics["training"], metrics["resources"]
    if "lora" in training:
        _say(out, _adapters(training))
    if (left_out := _epochs_left_out(training)) is not None:
        _say(out, left_out)
    if training.get("members_left_out"):
        _say(out, _members_left_out(metrics))
    peak = cost["peak_memory_mb"]
    _say(
        out,
        f"{_best_epochs(training)}; {cost['seconds_total']:.0f} s"
        f"{'' if peak is None else f', peak memory {peak / 1000:.1f} GB'}. Everything is in {place}.",
    )


def show_scores(scores: Mapping[str, Mapping[str, Any]], out: Any) -> None:
    """Print a table of the scores of splits, by target if there are targets.

    Args:
        scores: Metrics by split.
        out: Rich console to print on.
    """
    from rich.table import Table

    if any("targets" in metrics for metrics in scores.values()):
        _show_targets(scores, out)
        return
    table = Table("split", "samples", "accuracy", "macro-F1", "weighted F1")
    for name, metrics in scores.items():
        row = [f"{100 * metrics[key]:.1f}" for key in ("accuracy", "macro_f1", "weighted_f1")]
        table.add_row(name, f"{metrics['samples']:,}", *row)
        for modality, withheld in metrics.get("without", {}).items():
            row = [f"{100 * withheld[key]:.1f}" for key in ("accuracy", "macro_f1", "weighted_f1")]
            table.add_row(f"  without {modality}", "", *row)
    out.print(table)


def _say(out: Any, text: str) -> None:
    out.print(text, soft_wrap=True, highlight=False)


def _best_epochs(training: Mapping[str, Any]) -> str:
    if "members" not in training:
        return f"Best epoch {training['best_epoch']:g}"
    epochs = ", ".join(f"{member['best_epoch']:g}" for member in training["members"])
    return f"Best epochs of {len(training['members'])} networks {epochs}"


def _adapters(training: Mapping[str, Any]) -> str:
    lora = training["lora"]
    return (
        f"LoRA of rank {lora['rank']} in {sum(lora['layers'].values())} layers: trained "
        f"{training['trained_parameters']:,} parameters; the model has {training['parameters']:,}."
    )


def _members_left_out(metrics: Mapping[str, Any]) -> str:
    training, posts = metrics["training"], metrics["validation"]["samples"]
    finished, left_out = len(training["members"]), training["members_left_out"]
    return (
        f"The time limit left out {left_out} of {finished + left_out} networks; "
        f"the model is the blend of {finished}, and its validation scores are of the {posts:,} posts held out by them."
    )


def _epochs_left_out(training: Mapping[str, Any]) -> str | None:
    left = [part.get("epochs_left_out", 0) for part in training.get("members", [training])]
    if not any(left):
        return None
    return f"The time limit left out {', '.join(f'{epochs:g}' for epochs in left)} epochs."


def _show_targets(scores: Mapping[str, Mapping[str, Any]], out: Any) -> None:
    from rich.table import Table

    from clfa.targets import PROBLEM_TYPES

    table = Table("split", "target", "samples", "figures")
    for split, metrics in scores.items():
        for target, found in metrics["targets"].items():
            kind = PROBLEM_TYPES.get(found["problem_type"])
            text = ", ".join(
                f"{kind.figures[key].short or kind.figures[key].title} {found[key]:.3f}"
                for key in kind.shown
                if found.get(key) is not None
            )
            table.add_row(split, target, f"{found['samples']:,}", text)
        table.add_row(split, "score", f"{metrics['samples']:,}", f"{metrics['score']:.3f}")
        for modality, withheld in metrics.get("without", {}).items():
            table.add_row("", f"  without {modality}", "", f"{withheld['score']:.3f}")
        table.add_section()
    out.print(table)


def _show_yardsticks(metrics: Mapping[str, Any], out: Any) -> None:
    """Print the scores of the model and the yardsticks, and whether the model is above them; nothing without any."""
    found = standing(metrics)
    if found is None:
        return
    from rich.table import Table

    splits = [name for name in ("validation", "test") if name in metrics]
    table = Table("", *(f"{name} {found.metric}" for name in splits), title="Model and yardsticks")
    for name, scores in {"model": metrics, **computed(metrics)}.items():
        table.add_row(name, *(shown(*selection_score(scores[split])) for split in splits))
    out.print(table)
    if not found.above:
        _say(out, str(found))
