"""The storage node as a process: signals, its parent's death, a directory in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import NodeUnreachableError
from holdfast.rpc.client import GrpcNode
from tests.serving import wait_for

ROOT = Path(__file__).parents[2]


def started(folder: Path, *more: str, **popen) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "storagenode", "--data-dir", str(folder / "data"), "--listen", f"unix:{folder}/s"]
    process = subprocess.Popen([*command, *more], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **popen)
    client = GrpcNode(f"unix:{folder}/s", host_id="")

    def answers() -> bool:
        try:
            return bool(client.status().node_id)
        except NodeUnreachableError:
            return False

    wait_for("the node", lambda: process.poll() is not None or answers())
    client.close()
    return process


@pytest.fixture
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("p")


def test_sigterm_stops_it_in_order(folder):
    process = started(folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_it_goes_when_its_parent_is_gone_however_that_went(folder):
    reading, writing = os.pipe()
    process = started(folder, "--parent-pipe", str(reading), pass_fds=[reading])
    os.close(reading)
    assert process.poll() is None
    os.close(writing)
    assert process.wait(20) == 0
    process.stderr.close()


def test_a_refused_start_says_why_in_one_line_and_that_trying_again_is_no_use(folder):
    (folder / "data").mkdir()
    (folder / "data" / "node.json").write_text("{}")
    process = started(folder)
    assert process.wait(20) == 78
    said = process.stderr.read().decode()
    process.stderr.close()
    assert "node.json is damaged" in said
    assert said.count("\n") == 1
