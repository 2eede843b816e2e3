"""What every command of the operator has in common."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.errors import ConfigError
from holdfast.ops.reach import cluster_of

GROUPS = ("node", "layout", "repair", "upload", "sync", "metadata")
# These change something that cannot be taken back by the same command.
ASKING = {"apply", "drain", "undrain", "remove", "skip-dead", "cancel"}


def commands():
    root = typer.main.get_command(app)
    for group in GROUPS:
        for name, command in sorted(root.commands[group].commands.items()):
            yield pytest.param(name, command, id=f"{group} {name}")
    yield pytest.param("status", root.commands["status"], id="status")


def options(command):
    return {flag for parameter in command.params for flag in parameter.opts}


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_says_what_it_does_finds_its_cluster_alike_and_speaks_json(name, command):
    assert command.help
    assert {"--config", "-c", "--json"} <= options(command)
    assert all(getattr(parameter, "help", "given") for parameter in command.params)


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_what_cannot_be_taken_back_asks_first(name, command):
    assert ("--yes" in options(command)) == (name in ASKING)


def test_without_a_configuration_a_command_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.delenv("HOLDFAST_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="--config FILE, by HOLDFAST_CONFIG, or as"):
        cluster_of(None, tmp_path / "config.json")


def test_wrong_usage_ends_with_2():
    runner = CliRunner()
    assert runner.invoke(app, ["layout", "apply", "--replicas", "0"]).exit_code == 2
    assert runner.invoke(app, ["node", "drain"]).exit_code == 2
    assert runner.invoke(app, ["status", "team/app:1", "--watch"]).exit_code == 2
    assert runner.invoke(app, ["upload", "cancel"]).exit_code == 2
