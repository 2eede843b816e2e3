"""``holdfast sync`` as an operator says it, in this process: a program of its own takes most of a second to start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from holdfast.cli import app

if TYPE_CHECKING:
    from click.testing import Result

    from tests.serving import Server


def says(server: Server, *words: str) -> Result:
    return CliRunner().invoke(app, ["sync", *words, "--config", str(server.config)])


def told(server: Server, *words: str, code: int = 0) -> Any:
    """What it answers to programs."""
    said = says(server, *words, "--json")
    assert said.exit_code == code, said.output
    return json.loads(said.stdout)
