"""``holdfast verify`` and ``holdfast schema``: what they print, and how they end."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from holdfast.config import check
from holdfast.ops import verify as verify_module
from holdfast.ops.schema import schema
from holdfast.ops.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = {"storage": {"gcDelay": "soon", "subPaths": {"/a[b]": {"rootDirectory": {}}}}, "http": {"port": 99999}}


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(verify)
    app.command()(schema)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(BROKEN), encoding="utf-8")
    return path


def test_a_good_file_is_said_to_be_valid(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    path.write_text('{"storage": {"rootDirectory": "/d"}}', encoding="utf-8")
    result = run("verify", str(path))
    assert (result.exit_code, result.output) == (0, f"{path} is valid\n")


def test_a_good_file_with_missing_features_says_what_serve_will_do(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    content = {
        "storage": {"rootDirectory": "/d"},
        "cluster": {"members": ["a:8080", "b:8080"], "hashKey": "0123456789abcdef"},
        "extensions": {"lint": {}},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    result = run("verify", str(path))
    assert result.exit_code == 0
    valid, members, _, lint = result.output.splitlines()
    assert valid.endswith("is valid")
    assert members.startswith("warning: cluster.members: ")
    assert "refuses to start" in members
    assert lint.startswith("warning: extensions.lint: ")
    assert "ignores it" in lint


def test_a_file_for_gateways_only_is_valid_and_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    path.write_text('{"cluster": {"etcd": {"endpoints": "http://127.0.0.1:2379"}}}', encoding="utf-8")
    result = run("verify", str(path))
    assert result.exit_code == 0
    valid, warning = result.output.splitlines()
    assert valid == f"{path} is valid"
    assert warning.startswith("warning: storage.rootDirectory: not given: this does for gateways")
    assert "cluster.node.dataDir" in warning


def test_every_fault_stands_on_a_line_with_its_path(broken: Path) -> None:
    result = run("verify", str(broken))
    assert result.exit_code == 1
    first, *lines = result.output.splitlines()
    assert first == f"{broken} is not valid: 4 faults"
    assert {line.split(": ")[1] for line in lines} == {
        "storage.rootDirectory",
        "storage.gcDelay",
        "storage.subPaths./a[b].rootDirectory",
        "http.port",
    }


def test_a_terminal_gets_a_table_with_the_same_paths(broken: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, color_system=None, markup=False, emoji=False)
    verify_module._show(broken, check(broken), [], console)
    for fault in check(broken).faults:
        assert fault.path in out.getvalue()


def test_programs_get_json(broken: Path) -> None:
    result = run("verify", "--json", str(broken))
    told = json.loads(result.output)
    assert result.exit_code == 1
    assert told["valid"] is False
    assert [fault["path"] for fault in told["faults"]] == [fault.path for fault in check(broken).faults]


def test_an_unreadable_file_is_said_to_be_so(tmp_path: Path) -> None:
    result = run("verify", str(tmp_path / "none.json"))
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def test_the_schema_is_printed_as_json() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["properties"]["storage"]


def test_a_sample_ends_well(sample: Path) -> None:
    assert run("verify", str(sample)).exit_code == 0
