"""Options of the command line that say what rows may open."""

from __future__ import annotations

from typing import Annotated

import typer

AllowUrls = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SCHEME",
        help="Scheme of addresses that rows may name as pictures, for instance https; repeatable; `all` for any, "
        "and `private` for private hosts, too.",
        show_default="none",
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Rows may name local pictures outside the folder of pictures."),
]


def allowed_urls(schemes: list[str] | None) -> bool | list[str]:
    """Return the schemes of ``--allow-urls``: ``True`` for all but private hosts."""
    given = [part.strip() for scheme in schemes or [] for part in scheme.split(",") if part.strip()]
    return True if set(given) == {"all"} else given
