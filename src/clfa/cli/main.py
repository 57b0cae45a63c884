"""``clfa``: train, evaluate, predict, and look at data. Heavy packages are imported when a command runs."""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
from clfa.cli.data import app as data_app
from clfa.cli.default_folder import default_folder
from clfa.cli.experiment import experiment, report
from clfa.cli.explain import explain
from clfa.cli.export import app as export_app
from clfa.cli.flags import flags
from clfa.cli.guide import app as guide_app
from clfa.cli.predict import predict
from clfa.cli.serve import serve
from clfa.cli.tune import tune
from clfa.errors import CLFAError
from clfa.extras import missing_package
from clfa.files import final_name
from clfa.processes import process_number
from clfa.terminal import complain, console, echo, log_to_stderr
from clfa.version import __version__

app = typer.Typer(
    name="clfa",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="""
What people mean when they post a picture with a text: sarcasm, sentiment, attacks.

Train CLFA (CLIP-guided contrastive feature alignment) on labelled image-text pairs, evaluate it, and run it on new
posts.

A first run, with your own table of posts (columns text, image, label):

    clfa train good --data-dir posts.csv --output runs/mine

    clfa evaluate runs/mine --split test

    clfa predict runs/mine new.jsonl --output predictions.jsonl
""",
)
app.add_typer(data_app, name="data", help="Look at data sets: counts, dropped samples, duplicates.")
app.add_typer(guide_app, name="guide", help="Fit a guide on pairs without labels, and measure its retrieval.")
app.add_typer(export_app, name="export", help="Write a trained model in another format: ONNX.")
app.command()(predict)
app.command()(explain)
app.command()(serve)
app.command()(experiment)
app.command()(report)
app.command()(tune)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Overrides, for instance `model.alpha=0`, `model.vision_encoder=null`, `training.epochs=5`.",
        show_default=False,
    ),
]
DataDir = Annotated[str | None, typer.Option(help="Data directory, table file, or hub id.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad sample instead of leaving it out.")]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (`clfa recipes` lists them) or YAML file.")],
    overrides: Overrides = None,
    data_dir: DataDir = None,
    output: Annotated[Path | None, typer.Option(help="Run folder to make. Default: runs/RECIPE.")] = None,
    fold: Annotated[int | None, typer.Option(help="Published fold, for data sets that have folds.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the recipe's own when not given.", min=0)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run in --output.")] = False,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Do not score the test split, for example while settings are chosen.")
    ] = False,
    strict: Strict = False,
) -> None:
    """Train by a recipe; the test split is scored once, at the end.

    The run folder holds the resolved recipe, the model, metrics.json, per-sample predictions, the list of dropped
    samples, a confusion matrix and learning curves.

    In several processes: `torchrun --nproc-per-node 4 -m clfa.cli.main train ...`; `training.batch_size` stays the
    batch of all of them together.
    """
    from clfa.data.readers import check_source
    from clfa.recipe import load_recipe
    from clfa.runs.known_names import check_encoders, check_known

    changes = list(overrides or [])
    # Quoted, so that a folder named 2024 stays a string.
    changes += [f"data.dir={json.dumps(data_dir, ensure_ascii=False)}"] if data_dir is not None else []
    changes += [f"data.fold={fold}"] if fold is not None else []
    changes += [f"seed={seed}"] if seed is not None else []
    settings = load_recipe(recipe, changes)
    check_known(settings)
    check_encoders(settings)
    if settings.data.dir is not None:
        check_source(settings.data.reader, settings.data.dir, settings.data.options)
    # Imported after the recipe is checked, so that errors in a recipe are reported at once.
    from clfa.processes import leave
    from clfa.runs.run_summary import show_run
    from clfa.runs.train import train as run

    target = output or default_folder(settings.name)
    result = run(settings, target, resume=resume, strict=strict, score_test=not no_test)
    if process_number() == 0:
        show_run(result.metrics, target, console())
    leave()


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    data_dir: DataDir = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for metrics, predictions and plot. Default: RUN/evaluation-SPLIT.")
    ] = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
    strict: Strict = False,
) -> None:
    """Score a finished run's model on a split of its data, or of other data (--data-dir).

    Rows may open what the run's recipe says, those of other data nothing, unless --allow-urls or --allow-outside is
    given.
    """
    from clfa.data.schema import SPLITS
    from clfa.nearest import did_you_mean
    from clfa.runs.run_folder import RunFolder

    if split not in SPLITS:
        raise typer.BadParameter(
            f"--split is {split!r}; choose one of {', '.join(SPLITS)}.{did_you_mean(split, SPLITS)}"
        )
    RunFolder(run).finished()
    from clfa.runs.evaluate import evaluate as score
    from clfa.runs.run_summary import show_scores
    from clfa.tables.access import CLOSED, Access

    given = Access.of(allowed_urls(allow_urls), allow_outside)
    access = None if given == CLOSED else given
    metrics = score(run, split, data_dir=data_dir, output=output, access=access, strict=strict)
    show_scores({split: metrics}, console())
    echo(f"Details: {output or run / f'evaluation-{split}'}")


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe, by name or file, instead of the list.")] = None,
) -> None:
    """List the recipes that come with the package, or print one."""
    import yaml

    from clfa.recipe import load_recipe, recipe_dir, recipe_names

    if name is not None:
        load_recipe(name)
        file = Path(name)
        if not file.is_file():
            file = recipe_dir() / f"{name.removesuffix('.yaml')}.yaml"
        echo(file.read_text(encoding="utf-8").rstrip())
        return
    for known in recipe_names():
        content = yaml.safe_load((recipe_dir() / f"{known}.yaml").read_text(encoding="utf-8"))
        echo(f"{known:24} {content.get('description', '')}")


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        echo(f"clfa {__version__}")
        raise typer.Exit
    del context


def main() -> None:
    """Run the program. Print errors for users without a traceback and exit with code 1."""
    # Escape characters that the encoding of the output does not have (a file on Windows), as Python does for stderr.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Only the main process logs. The other processes log errors.
    level = logging.ERROR if process_number() else logging.INFO
    log_to_stderr(level)
    for noisy in ("httpx", "datasets", "fsspec", "matplotlib", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        app(standalone_mode=True)
    except CLFAError as error:
        message = error.spelled(flags(typer.main.get_command(app), sys.argv[1:]))
        complain(f"Error: {message}")
        sys.exit(1)
    except OSError as error:
        complain(f"Error: {_os_error_line(error)}")
        sys.exit(1)
    except ModuleNotFoundError as error:
        missing = missing_package(error.name or "")
        if missing is None:
            raise
        complain(f"Error: {missing}")
        sys.exit(1)
    except KeyboardInterrupt:
        complain("Interrupted.")
        sys.exit(130)


def _os_error_line(error: OSError) -> str:
    """Return an error of the system in one line: a full disk, a file that cannot be written, no memory."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    # The names of temporary files, which are given their final name when they are complete, mean nothing to users.
    names = [final_name(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    where = f"{' -> '.join(dict.fromkeys(names))}: " if names else ""
    advice = (
        " Free some space and run the same command again."
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        else ""
    )
    return f"{where}{reason}.{advice}"


if __name__ == "__main__":
    main()
