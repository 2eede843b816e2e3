"""The commands of this part, run as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from holdfast.cli import app

# Logins and registries of whoever runs the tests are not the tests' to use.
_OWN = {"DOCKER_CONFIG": "/nonexistent", "HOLDFAST_REGISTRY": "http://127.0.0.1:1"}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    def of(self, repository: str) -> dict[str, Any]:
        """What a report in JSON says of one repository."""
        return next(one for one in self.record["repositories"] if one["repository"] == repository)


def begin(*words: object, **environment: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "holdfast.cli", *map(str, words)]
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | _OWN | environment,
    )


def run(*words: object, stdin: str = "", **environment: str) -> Said:
    """In this process: a start costs more than most of these commands do."""
    result = CliRunner().invoke(app, [*map(str, words)], input=stdin, env=_OWN | environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def done(*words: object, stdin: str = "", **environment: str) -> Said:
    """The same of one that must not fail."""
    said = run(*words, stdin=stdin, **environment)
    assert said.code == 0, said.out + said.err
    return said
