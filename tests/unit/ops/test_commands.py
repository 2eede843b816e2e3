"""What every command of the operator has in common."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from holdfast.cli import COMMANDS, app
from holdfast.errors import ConfigError
from holdfast.ops.reach import cluster_of

GROUPS = ("node", "layout", "repair", "upload", "sync", "metadata")
# These change something that cannot be taken back by the same command.
ASKING = {"apply", "drain", "undrain", "remove", "skip-dead", "cancel"}


def commands():
    for group in GROUPS:
        for name, command in sorted(COMMANDS[group].command(group).commands.items()):
            yield pytest.param(name, command, id=f"{group} {name}")
    yield pytest.param("status", COMMANDS["status"].command("status"), id="status")


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


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_of_each_what_it_says_of_itself(name):
    assert " ".join(COMMANDS[name].command(name).help.split("\n\n")[0].split()) == COMMANDS[name].help


HEAVY = {"cel", "grpc", "pydantic", "prompt_toolkit", "urllib3", "pyetcd"}


def heavy_after(code):
    said = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    return HEAVY & set(said.stdout.split())


def test_the_list_of_commands_imports_none_of_them():
    assert heavy_after("from holdfast.cli import app; app(['--help'], standalone_mode=False)") == set()


@pytest.mark.parametrize("name", ["layout", "node"])  # which name each other
def test_a_command_can_be_the_first_that_is_imported(name):
    heavy_after(f"from holdfast.cli import COMMANDS; COMMANDS[{name!r}].command({name!r})")


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
