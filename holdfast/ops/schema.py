"""``holdfast schema``: the JSON Schema of the configuration, for editors and their completion."""

from __future__ import annotations

import json

import typer

from holdfast.config import json_schema


def schema() -> None:
    """Print the JSON Schema of the configuration."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
