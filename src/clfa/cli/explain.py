"""``clfa explain``: what decided the predictions on posts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
from clfa.errors import CLFAError
from clfa.terminal import echo

if TYPE_CHECKING:
    from clfa.explaining.explanation import Explanation
    from clfa.explaining.neighbours import NeighbourIndex
    from clfa.prediction.post_classifier import PostClassifier

# Words in the terminal.
_SHOWN = 10


def explain(
    run: Annotated[
        str, typer.Argument(help="Run folder, model directory or hub id; with --engine onnx or openvino an export.")
    ],
    source: Annotated[Path | None, typer.Argument(metavar="INPUT", help="Table of posts.", show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write. For one post: .png or .json. For a table: an .html page; default: "
            "INPUT.explanations.html.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="One post's text, instead of a table.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="One post's image; repeatable.")] = None,
    method: Annotated[str, typer.Option(help="occlusion, or gradients (needs the extra `explain`).")] = "occlusion",
    target: Annotated[str | None, typer.Option(help="The explained target.", show_default="the first")] = None,
    label: Annotated[str | None, typer.Option(help="The explained class.", show_default="the predicted one")] = None,
    limit: Annotated[int, typer.Option(help="Largest number of posts on the page.", min=1)] = 50,
    neighbours: Annotated[
        Path | None,
        typer.Option(
            help="Table of training posts, to name the nearest ones (their ids and labels are shown); or an index from "
            "--save-index.",
            show_default=False,
        ),
    ] = None,
    save_index: Annotated[
        Path | None,
        typer.Option(help="Keep the index of --neighbours in this file (.npz): ids, labels, vectors; no texts."),
    ] = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
    engine: Annotated[str, typer.Option(help="torch, onnx or openvino.")] = "torch",
) -> None:
    """Show which words and regions decided, and the answer without the text or the picture.

    Examples:

        clfa explain runs/mine --image a.jpg --text "best monday ever" --output why.png

        clfa explain runs/mine posts.csv --limit 20
    """
    from clfa.runs.trained_place import require_trained

    if (source is None) == (text is None and not image):
        raise typer.BadParameter("give either an INPUT table, or one post with --image and --text.")
    if save_index is not None and neighbours is None:
        raise typer.BadParameter("--save-index needs --neighbours.")
    suffixes = (".png", ".json") if source is None else (".html",)
    if output is not None and output.suffix.lower() not in suffixes:
        raise typer.BadParameter(f"--output is {output}; give a file that ends in {' or '.join(suffixes)}.")
    require_trained(run)
    from clfa.explaining import METHODS
    from clfa.files import require_apart, require_writable
    from clfa.prediction.engines import ENGINES
    from clfa.prediction.post import Post
    from clfa.prediction.post_classifier import PostClassifier
    from clfa.tables.access import Access

    METHODS.get(method)
    if ENGINES.get(engine).distributed:
        raise typer.BadParameter(f"--engine {engine} computes elsewhere, explanations are made here; choose another.")
    target_file = source.with_name(f"{source.stem}.explanations.html") if source and not output else output
    require_apart([target_file, save_index], [source])
    for place in (target_file, save_index):
        if place is not None:
            require_writable(place, file=True)
    urls = allowed_urls(allow_urls)
    classifier = PostClassifier.load(run, engine=engine, allow_urls=urls)
    access = Access.of(urls, allow_outside)
    index = None if neighbours is None else _index(classifier, run, neighbours, save_index, access)
    chosen: dict[str, Any] = {"method": method, "target": target, "label": label, "neighbours": index}
    if source is None:
        _one(classifier, Post(text, list(image or [])), target_file, chosen)
    else:
        assert target_file is not None
        _table(classifier, run, source, target_file, limit, access, chosen)


def _one(classifier: PostClassifier, post: Any, output: Path | None, chosen: dict[str, Any]) -> None:
    from clfa.explaining.explain import explain_post
    from clfa.explaining.picture import headline, seen_picture, write_png
    from clfa.files import write_json

    found = explain_post(classifier, post, **chosen)
    if found.error is not None:
        raise CLFAError(f"cannot predict on this post: {found.error}")
    echo(headline(found))
    words = sorted(found.words, key=lambda word: -abs(word.score))[:_SHOWN]
    if words and abs(words[0].score) < found.least:
        echo("No word alone changes the answer.")
        words = []
    for word in words:
        # Nothing is rounded to a negative zero.
        echo(f"  {round(word.score, 3) + 0.0:+.3f}  {word.text}")
    _show_rest(found)
    if output is None:
        return
    if output.suffix.lower() == ".json":
        write_json(output, found.to_dict())
    else:
        write_png(found, seen_picture(classifier, post), output)
    echo(f"Written: {output}")


def _show_rest(found: Explanation) -> None:
    from clfa.explaining.picture import without_lines

    for line in without_lines(found):
        echo(line)
    for near in found.neighbours:
        echo(f"near: {near.id} ({near.label}), {near.similarity:.2f}")


def _table(
    classifier: PostClassifier,
    run: str,
    source: Path,
    output: Path,
    limit: int,
    access: Any,
    chosen: dict[str, Any],
) -> None:
    from clfa.errors import DataError
    from clfa.explaining.explain import explain_post
    from clfa.explaining.explanation import Explanation
    from clfa.explaining.page import ExplainedPost, render_page
    from clfa.explaining.picture import data_url, seen_picture, with_regions
    from clfa.files import atomic_write
    from clfa.prediction.post import Post
    from clfa.prediction.required import required_fields
    from clfa.prediction.table_posts import rows_of
    from clfa.runs.run_folder import RunFolder

    posts, count = [], 0
    for row in rows_of(str(source), RunFolder(run).read_columns(), required_fields(classifier), None, access):
        count += 1
        if count > limit:
            continue
        if not isinstance(row.post, Post):
            posts.append(ExplainedPost(row.id, Explanation(error=row.post.error)))
            continue
        found, picture = explain_post(classifier, row.post, **chosen), None
        if found.error is None:
            try:
                seen = seen_picture(classifier, row.post)
            except DataError:
                seen = None
            picture = None if seen is None else data_url(with_regions(seen, found.regions, found.least))
        posts.append(ExplainedPost(row.id, found, picture))
    with atomic_write(output) as file:
        file.write(render_page(posts, source.name, count))
    failed = sum(post.explanation.error is not None for post in posts)
    echo(f"{len(posts):,} of {count:,} posts, {failed:,} without an answer. Page: {output}")


def _index(classifier: PostClassifier, run: str, table: Path, keep: Path | None, access: Any) -> NeighbourIndex:
    from clfa.explaining.neighbours import NeighbourIndex
    from clfa.prediction.post import Post
    from clfa.prediction.required import required_fields
    from clfa.prediction.table_posts import rows_of
    from clfa.runs.run_folder import RunFolder

    if table.suffix == ".npz":
        return NeighbourIndex.load(table)
    columns = RunFolder(run).read_columns()
    label = columns.label or "label"
    rows = rows_of(str(table), columns, required_fields(classifier), None, access)
    posts = ((row.id, _plain(row.cells.get(label)), row.post) for row in rows if isinstance(row.post, Post))
    found, left_out = NeighbourIndex.build(classifier, posts)
    echo(f"{len(found.ids):,} posts in the index of neighbours, {len(left_out):,} left out")
    for name, reason in left_out[:3]:
        echo(f"  {name}: {reason}")
    if keep is not None:
        found.save(keep)
    return found


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
