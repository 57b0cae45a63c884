"""The model card of a run: what a model is, what it was trained on, how good it is, and what it is not for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from clfa.files import atomic_write
from clfa.markdown_text import inline, paragraph
from clfa.modeling import CLFAConfig
from clfa.recipe import Recipe, load_recipe
from clfa.runs.run_folder import RunFolder
from clfa.tables.paths import is_address
from clfa.targets.target import Target
from clfa.yardsticks.standing import computed, selection_score, shown, standing

CARD_FILE = "README.md"
TASK = "image-text-classification"
# `owner/name` on the hub, rather than a folder.
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# The names of metrics on the hub.
_HUB_METRICS = {"accuracy": "accuracy", "macro_f1": "f1"}
_MOST_CLASSES = 30


def write_model_card(folder: RunFolder) -> None:
    """Write the model card of a finished run beside its model, unless there is one already.

    Args:
        folder: The run folder.
    """
    path = folder.model / CARD_FILE
    if path.exists() or not folder.model.is_dir():
        return
    targets = CLFAConfig.from_pretrained(folder.model).target_list
    with atomic_write(path) as file:
        file.write(model_card(load_recipe(folder.recipe), folder.read_metrics(), targets))


def model_card(recipe: Recipe, metrics: Mapping[str, Any], targets: Sequence[Target]) -> str:
    """Return the card as Markdown, with the header that model hubs read.

    Names and texts are shown as they are, and no path of this machine is in it.

    Args:
        recipe: The run's recipe.
        metrics: Content of its ``metrics.json``.
        targets: Targets of the model.
    """
    header = yaml.safe_dump(_header(recipe, metrics, targets), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{header}---",
        f"# {inline(recipe.name)}",
        paragraph(recipe.description),
        "A model for posts of text and picture, trained with clfa by CLFA (CLIP-guided contrastive feature alignment, "
        "[arXiv:2403.06355](https://arxiv.org/abs/2403.06355)) or one of the baselines it is compared with.",
        "## What it predicts",
        _bullets(map(_predicted, targets)),
        "## Use",
        '```python\nfrom clfa import CLFAPredictor\n\npredictor = CLFAPredictor.load("FOLDER OR HUB ID")\n'
        'predictor.predict("best monday ever", image="rain.jpg")\n```',
        "## Data",
        *_data(metrics),
        "## Scores",
        *_scores(metrics),
        *_calibration(metrics),
        "## Limits",
        _bullets(_limits(metrics)),
        "## How it was made",
        "    clfa train recipe.yaml --data-dir DATA --output RUN",
        "with this `recipe.yaml` (folders are named without their place), and "
        + inline(", ".join(f"{name} {version}" for name, version in metrics.get("versions", {}).items()))
        + ":",
        _indented(recipe_text(recipe)),
        "## Licence",
        "None is stated. It depends on the data, the encoders and the guide: add `license:` to the header above.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(recipe: Recipe, metrics: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, Any]:
    encoders = (recipe.model.text_encoder, recipe.model.vision_encoder)
    bases = [name for name in encoders if name is not None and _HUB_ID.fullmatch(name) and not os.path.exists(name)]
    results = [
        {
            "task": {"type": TASK, "name": "Image-text classification"},
            "dataset": {"type": _shown_name(metrics), "name": _shown_name(metrics), "split": split},
            "metrics": found,
        }
        for split in ("validation", "test")
        if (found := _hub_metrics(metrics.get(split, {})))
    ]
    return {
        "library_name": "clfa",
        "tags": ["clfa", TASK, "multimodal", *sorted({target.problem_type for target in targets})],
        **({"base_model": list(dict.fromkeys(bases))} if bases else {}),
        **({"model-index": [{"name": _one_line(recipe.name), "results": results}]} if results else {}),
    }


def _hub_metrics(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"type": kind, "name": "macro-F1" if key == "macro_f1" else key, "value": round(scores[key], 4)}
        for key, kind in _HUB_METRICS.items()
        if isinstance(scores.get(key), (int, float))
    ]
    return found or (
        [{"type": "score", "name": "score", "value": round(scores["score"], 4)}] if "score" in scores else []
    )


def _predicted(target: Target) -> str:
    names = [inline(name) for name in target.label_names[:_MOST_CLASSES]]
    if len(target.label_names) > _MOST_CLASSES:
        names.append(inline(f"and {len(target.label_names) - _MOST_CLASSES} more"))
    classes = f": {', '.join(names)}" if names else ""
    return f"{inline(target.name)} ({inline(target.problem_type.replace('_', ' '))}){classes}"


def _data(metrics: Mapping[str, Any]) -> list[str]:
    data = metrics["data"]
    rows = [[name, f"{count:,}"] for name, count in data["samples"].items()]
    rows += [[f"left out: {reason}", f"{count:,}"] for reason, count in data.get("dropped", {}).items()]
    rows += [
        [f"kept with one modality: {reason}", f"{count:,}"] for reason, count in data.get("incomplete", {}).items()
    ]
    found = [paragraph(_shown_name(metrics)), _table(["posts", "number"], rows)]
    warnings = metrics.get("warnings", [])
    return [*found, "What the training warned of:", _bullets(map(paragraph, warnings))] if warnings else found


def _scores(metrics: Mapping[str, Any]) -> list[str]:
    splits = [name for name in ("validation", "test") if name in metrics]
    title = selection_score(metrics[splits[0]])[0]
    entries = {"this model": metrics, **computed(metrics)}
    rows = [
        [name, *(shown(*selection_score(entry[split])) if split in entry else "–" for split in splits)]
        for name, entry in entries.items()
    ]
    found = standing(metrics)
    compared = "No yardsticks were computed, so nothing says whether plain models do as well."
    if found is not None:
        compared = str(found)
    notes = "The best epoch was chosen on the validation split, so that its scores are too optimistic."
    if "test" not in metrics:
        notes += " The test split was not scored."
    return [_table(["", *(f"{split} {title}" for split in splits)], rows), paragraph(compared, notes)]


def _calibration(metrics: Mapping[str, Any]) -> list[str]:
    rows = []
    for split in ("validation", "test"):
        scores = metrics.get(split, {})
        for name, part in {"": scores, **scores.get("targets", {})}.items():
            if isinstance(entry := part.get("calibration"), Mapping):
                after = entry.get("after", {})
                figures = [after.get(key) for key in ("ece", "nll", "brier")]
                rows.append([f"{split} {name}".strip(), *("–" if v is None else f"{v:.3f}" for v in figures)])
    if not rows:
        return []
    return [
        "## Calibration",
        "Errors of the probabilities, lower is better: expected calibration error, negative log-likelihood and Brier "
        "score.",
        _table(["", "ECE", "NLL", "Brier"], rows),
    ]


def _limits(metrics: Mapping[str, Any]) -> Iterable[str]:
    yield (
        "It was scored on posts like those that it was trained on. On posts of another time, language, community or "
        "platform it may be much worse; score labelled posts of that kind first (`clfa evaluate`)."
    )
    found = standing(metrics)
    if found is not None and not found.above:
        yield "It is not above the best yardstick on validation: a plain linear model does as well."
    yield (
        "Its classes are those of its annotators, with their errors and their views. It may treat groups of people "
        "unequally; nothing here has measured that."
    )
    yield "A prediction about a post is no fact about its author. Do not decide about people by it alone."


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _indented(text: str) -> str:
    # Nothing inside ends such a block, whatever it contains.
    return "\n".join(f"    {line}" for line in text.splitlines())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    lines = [" | ".join(inline(cell) for cell in row) for row in (header, *rows)]
    lines.insert(1, " | ".join(rule))
    return "\n".join(f"| {line} |" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "model"


def _shown_name(metrics: Mapping[str, Any]) -> str:
    return _one_line(str(metrics["data"]["name"]))


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as YAML for others to read: local folders and files by their names alone."""
    return yaml.safe_dump(_without_places(recipe.model_dump(mode="json")), sort_keys=False, allow_unicode=True)


def _without_places(value: Any) -> Any:
    """Return settings with local folders and files by their names alone: places say who trained, and where."""
    if isinstance(value, Mapping):
        return {key: _without_places(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner) for inner in value]
    if isinstance(value, str) and not is_address(value) and (os.path.isabs(value) or value.startswith(("~", ".."))):
        return PurePath(value).name
    return value
