"""The option of commands that write CSV files."""

from __future__ import annotations

from typing import Annotated

import typer

Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Write texts into a CSV file as they are; otherwise those that a spreadsheet would read as formulas begin "
        "with an apostrophe.",
    ),
]
