"""``holdfast certs``: what the commands write, say and refuse."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from holdfast.certs.facts import facts_of
from holdfast.certs.peer import Peer, Role
from holdfast.ops.certs import app
from holdfast.rpc.credentials import Credentials, TlsFiles
from tests.fakes.papers import Papers

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "made" / "certs"
    assert run("init", path, "--name", "west").exit_code == 0
    return path


def test_an_authority_and_a_node_are_two_commands(directory: Path) -> None:
    result = run("issue", directory, "store-1", "--host", "store-1.example", "--host", "10.0.0.5")
    assert result.exit_code == 0
    credentials = Credentials(TlsFiles(directory / "ca.crt", directory / "store-1.crt", directory / "store-1.key"))
    assert credentials.peer == Peer("west", Role.NODE, "store-1")
    assert credentials.facts.hosts == ("store-1.example", "10.0.0.5")


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.WORKER, Role.OPS])
def test_who_only_calls_others_needs_no_hosts(directory: Path, role: Role) -> None:
    assert run("issue", directory, "one", "--role", role).exit_code == 0
    assert facts_of((directory / "one.crt").read_bytes()).peer == Peer("west", role, "one")


@pytest.mark.parametrize("role", [Role.NODE, Role.ETCD])
def test_who_is_called_by_others_needs_hosts(directory: Path, role: Role) -> None:
    result = run("issue", directory, "other", "--role", role)
    assert (result.exit_code, "--host" in result.output) == (1, True)
    assert not (directory / "other.key").exists()


def test_keys_are_for_their_owner_alone_and_nothing_else_is_left_behind(directory: Path) -> None:
    run("issue", directory, "one", "--role", "ops")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "one.crt": 0o644, "one.key": 0o600}


def test_no_command_prints_a_key(directory: Path) -> None:
    said = run("init", directory, "--force").output
    said += run("issue", directory, "one", "--role", "ops").output
    for path in (directory, directory / "one.key", directory / "ca.crt"):
        said += run("show", path).output + run("show", "--json", path).output
    assert "one.crt" in said
    assert "PRIVATE" not in said
    assert not any(line in said for line in (directory / "one.key").read_text().splitlines()[1:-1])


def test_nothing_is_replaced_without_force(directory: Path) -> None:
    run("issue", directory, "one", "--role", "ops")
    before = {path: path.read_bytes() for path in directory.iterdir()}
    for again in (("init", directory), ("issue", directory, "one", "--role", "ops")):
        result = run(*again)
        assert (result.exit_code, "--force" in result.output) == (1, True)
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
    assert run("issue", directory, "one", "--role", "ops", "--force").exit_code == 0
    assert (directory / "one.crt").read_bytes() != before[directory / "one.crt"]
    assert (directory / "one.key").read_bytes() != before[directory / "one.key"]


def test_a_key_alone_is_not_replaced_either(directory: Path) -> None:
    (directory / "one.key").write_text("somebody's", encoding="utf-8")
    assert run("issue", directory, "one", "--role", "ops").exit_code == 1
    assert (directory / "one.key").read_text(encoding="utf-8") == "somebody's"
    assert not (directory / "one.crt").exists()


@pytest.mark.parametrize("name", ["ca", "../one", "a b", ""])
def test_a_name_stays_in_the_directory_and_spares_the_authority(directory: Path, name: str) -> None:
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert run("issue", directory, name, "--role", "ops", "--force").exit_code == 1
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
    assert [path.name for path in directory.parent.iterdir()] == ["certs"]


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    result = run("issue", tmp_path, "one", "--role", "ops")
    assert (result.exit_code, "ca.crt cannot be read" in result.output) == (1, True)


def test_an_unknown_role_is_wrong_usage(directory: Path) -> None:
    assert run("issue", directory, "one", "--role", "auditor").exit_code == 2


def test_show_lists_a_directory(directory: Path) -> None:
    run("issue", directory, "one", "--host", "one.example", "--days", "30")
    result = run("show", directory)
    assert result.exit_code == 0
    (line,) = [line for line in result.output.splitlines() if "one.crt" in line]
    assert [cell.strip() for cell in line.split("\u2502")[1:5]] == [
        "one.crt",
        "CN=node/one,O=west",
        "node",
        "one.example",
    ]
    told = {entry["file"].rpartition("/")[2]: entry for entry in json.loads(run("show", "--json", directory).output)}
    assert told.keys() == {"ca.crt", "one.crt"}
    assert told["ca.crt"]["authority"] is True
    assert {key: told["one.crt"][key] for key in ("cluster", "role", "name", "hosts", "authority")} == {
        "cluster": "west",
        "role": "node",
        "name": "one",
        "hosts": ["one.example"],
        "authority": False,
    }
    assert told["one.crt"]["daysLeft"] in {29, 30}


def test_show_ends_badly_over_a_certificate_that_has_ended(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    good, ended = papers.issue(name="good"), papers.issue(name="ended", ended=True)
    assert run("show", good.certificate).exit_code == 0
    result = run("show", ended.certificate)
    assert result.exit_code == 1
    assert "ended" in result.output.splitlines()[3].split("\u2502")[6]


def test_show_says_what_it_could_not_read_and_shows_the_rest(directory: Path, tmp_path: Path) -> None:
    (directory / "zz.crt").write_text("rubbish", encoding="utf-8")
    result = run("show", directory)
    assert result.exit_code == 1
    assert "no certificate" in result.output
    assert "ca.crt" in result.output
    told = json.loads(run("show", "--json", directory).output)
    assert [set(entry) for entry in told if "fault" in entry] == [{"file", "fault"}]
    assert run("show", tmp_path / "none").exit_code == 1
    (tmp_path / "empty").mkdir()
    assert "holds no certificate" in run("show", tmp_path / "empty").output
