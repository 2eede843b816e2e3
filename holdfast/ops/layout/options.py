"""The options that say what a layout shall be like. Values for typer, and no more."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Replicas: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        min=1,
        max=255,
        help="Copies of every blob.",
        show_default="as it is; at first 3, or one for each node if there are fewer",
    ),
]
WriteQuorum: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--write-quorum",
        min=1,
        max=255,
        help="Copies that must be durable before a write is acknowledged.",
        show_default="as it is; at first more than half",
    ),
]
ZoneStrict: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--zone-strict/--no-zone-strict",
        help="Rather refuse a write than keep its copies in too few zones.",
        show_default="as it is; at first no",
    ),
]
