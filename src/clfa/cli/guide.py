"""``clfa guide``: fit and check a guide by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfa.terminal import console, echo

if TYPE_CHECKING:
    from clfa.guides import RetrievalReport

app = typer.Typer(no_args_is_help=True, help="Fit a guide on pairs without labels, and measure its retrieval.")

TextColumn = Annotated[str | None, typer.Option(help="Text column; found by its usual names when not given.")]
ImageColumn = Annotated[str | None, typer.Option(help="Image column; found by its usual names when not given.")]


@app.command()
def fit(
    pairs: Annotated[list[str], typer.Argument(help="Tables of pairs: files, folders of them, or patterns in quotes.")],
    output: Annotated[Path, typer.Option(help="Folder to make.")],
    recipe: Annotated[
        str, typer.Option(help="Recipe, by name or file, with the encoders and the guide's options.")
    ] = "offline",
    text_encoder: Annotated[
        str | None, typer.Option(help="Text encoder; the recipe's when not given.", show_default=False)
    ] = None,
    vision_encoder: Annotated[
        str | None, typer.Option(help="Vision encoder; the recipe's when not given.", show_default=False)
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="Override as for `clfa train`: guide.dim=256; repeatable."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Table whose texts and images must not be fitted on, for instance test data; repeatable.",
            show_default=False,
        ),
    ] = None,
    text_column: TextColumn = None,
    image_column: ImageColumn = None,
) -> None:
    """Fit a guide on tables of pairs, of any number. Labels in them are not read.

    Rows that cannot be used are left out and listed in OUTPUT/dropped.jsonl. A run uses the guide with
    `guide.path=OUTPUT` and the same encoders.

    Examples:

        clfa guide fit captions.csv 'posts/*.parquet' --output guides/mine --exclude test.csv

        clfa guide fit captions.csv --output guides/wide -o guide.dim=256 -o guide.map=mlp

        clfa train offline guide.path=guides/mine --data-dir posts.csv
    """
    import json

    from clfa.recipe import load_recipe
    from clfa.runs.known_names import check_encoders, check_known

    encoders = {"model.text_encoder": text_encoder, "model.vision_encoder": vision_encoder}
    changes = [f"{key}={json.dumps(name, ensure_ascii=False)}" for key, name in encoders.items() if name is not None]
    settings = load_recipe(recipe, [*(option or []), *changes])
    check_known(settings)
    # Any other guide is refused by fit_guide, whatever its encoders.
    if settings.guide.name == "fitted":
        check_encoders(settings)
    # Imported after the recipe is checked, so that errors in a recipe are reported at once.
    from clfa.runs.fit_guide import fit_guide
    from clfa.runs.guide import pairs_line

    tables = fit_guide(settings, pairs, output, exclude=exclude or [], text=text_column, image=image_column)
    echo(f"{pairs_line(tables)} -> {output}")


@app.command()
def check(
    guide: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of `clfa guide fit`, or RUN/guide.")],
    pairs: Annotated[list[str], typer.Argument(help="Tables of pairs that the guide was not fitted on.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe with the guide's encoders; the one saved with it when not given.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(help="Use the first pairs up to this number; ranks depend on it.", min=2)
    ] = 1000,
    text_column: TextColumn = None,
    image_column: ImageColumn = None,
) -> None:
    """Print how well a guide finds the image of a text and the text of an image.

    Every text and every image counts once, with the first pair it occurs in.

    Example:

        clfa guide check guides/mine held-out.csv
    """
    from rich.table import Table

    from clfa.recipe import load_recipe
    from clfa.runs.fit_guide import check_saved_guide

    found = check_saved_guide(
        guide,
        pairs,
        recipe=None if recipe is None else load_recipe(recipe),
        limit=limit,
        text=text_column,
        image=image_column,
    )
    table = Table("retrieval", "candidates", "rank 1", "first ten", "median rank")
    directions: dict[str, RetrievalReport] = {
        "text to image": found.text_to_image,
        "image to text": found.image_to_text,
    }
    for name, report in directions.items():
        figures = (f"{report.rank1:.1%}", f"{report.rank10:.1%}", f"{report.median_rank:g}")
        table.add_row(name, f"{report.candidates:,}", *figures)
    n = found.text_to_image.candidates
    table.add_row("chance", f"{n:,}", f"{1 / n:.1%}", f"{min(10 / n, 1):.1%}", f"{(n + 1) / 2:g}")
    console().print(table)
    for reason, count in found.dropped.items():
        echo(f"left out: {count:,} x {reason}")
    if found.text_to_image.near_chance:
        echo("The guide is near chance on these pairs; aligning to it will not help.")
