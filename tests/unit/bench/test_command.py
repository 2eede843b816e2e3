import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import typer
from typer.testing import CliRunner

from holdfast.ops.bench.command import bench
from tests.fakes.registry import FakeRegistry

APP = typer.Typer()
APP.command()(bench)
QUICK = ["--size", "50KB", "--clients", "1", "--seconds", "0.2", "--repeat", "1", "--connections", "2"]
FIGURE_MEMBERS = {
    "scenario", "case", "skipped", "requests", "failures", "reconnects", "seconds", "moved_bytes", "bytes_per_second",
    "requests_per_second", "p50_seconds", "p99_seconds", "first_byte_p50_seconds", "first_byte_p99_seconds",
    "server_cpu_seconds", "server_rss_before_bytes", "server_rss_peak_bytes", "facts",
}  # fmt: skip


def invoke(*arguments):
    return CliRunner().invoke(APP, list(arguments))


def test_a_table_for_people_and_exit_code_0():
    with FakeRegistry() as registry:
        result = invoke(registry.url, "--scenario", "push", "--scenario", "get-tag", *QUICK)
    assert result.exit_code == 0
    assert "50KB x1" in result.stdout
    assert "2 connections" in result.stdout


def test_the_json_has_the_members_of_schema_1():
    with FakeRegistry() as registry:
        result = invoke(registry.url, "--scenario", "pull", "--json", *QUICK)
        record = json.loads(result.stdout)
    assert set(record) == {"schema", "url", "failed_requests", "figures"}
    assert (record["schema"], record["url"], record["failed_requests"]) == (1, registry.url, 0)
    (figure,) = record["figures"]
    assert set(figure) == FIGURE_MEMBERS
    assert figure["moved_bytes"] == 50_000
    assert 0 < figure["first_byte_p50_seconds"] <= figure["p50_seconds"] * 1.01


def test_failures_are_shown_and_exit_with_1():
    with FakeRegistry() as registry:
        registry.refuse["PATCH"] = 500
        result = invoke(registry.url, "--scenario", "push", *QUICK)
    assert result.exit_code == 1
    assert "1 x PATCH upload 500" in result.stdout


def test_no_registry_exits_with_1():
    with FakeRegistry() as registry:
        pass
    result = invoke(registry.url, "--scenario", "push")
    assert result.exit_code == 1
    assert "cannot connect" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("http://127.0.0.1:1", "--scenario", "fly"),
        ("http://127.0.0.1:1", "--size", "huge"),
        ("http://127.0.0.1:1", "--clients", "0"),
        ("http://127.0.0.1:1", "--repository", "UPPER"),
        ("ftp://127.0.0.1:1",),
        ("http://127.0.0.1:1/some/path",),
        ("http://127.0.0.1:1", "--username", "alice"),
        ("http://127.0.0.1:1", "--username", "alice", "--password-file", "/nowhere"),
        ("https://127.0.0.1:1", "--ca", "/nowhere"),
        ("http://127.0.0.1:1", "--no-such-option"),
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_ctrl_c_exits_with_130_and_leaves_no_directory(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("holdfast.ops.bench.registry.Client.push_blob", interrupt)
    with FakeRegistry() as registry:
        result = invoke(registry.url, "--scenario", "push", *QUICK)
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


# A shell that starts things in the background has them ignore SIGINT, and that is inherited: so it is set right first.
PROGRAM = """
import signal, sys, typer
from holdfast.ops.bench.command import bench
signal.signal(signal.SIGINT, signal.default_int_handler)
app = typer.Typer()
app.command()(bench)
app()
"""


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def test_sigint_ends_the_load_processes_and_removes_the_directory(tmp_path):
    with FakeRegistry() as registry:
        argv = [sys.executable, "-c", PROGRAM, registry.url, "--scenario", "get-tag", "--seconds", "60"]
        process = subprocess.Popen(argv, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
        (child,) = until(lambda: psutil.Process(process.pid).children())
        until(lambda: len(registry.seen) > 50)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in said
    assert not child.is_running()
    assert list(tmp_path.iterdir()) == []


def test_the_password_can_come_from_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    with FakeRegistry(login="basic") as registry:
        result = invoke(
            registry.url, "--scenario", "push", "--username", "alice", "--password-file", str(secret), *QUICK
        )
    assert result.exit_code == 0
