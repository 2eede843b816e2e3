"""How the commands of ``holdfast certs`` end when they are refused: one line on standard error, exit 1."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def refusals_told() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        typer.echo(f"holdfast: {error.message}", err=True)
        raise typer.Exit(1) from error
