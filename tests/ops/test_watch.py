"""``holdfast status --watch``: one page that stays true, until somebody ends it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.ops.cluster import running
from tests.ops.terminal import ENTER_SCREEN, HIDE_CURSOR, HOME, LEAVE_SCREEN, SECONDS, SHOW_CURSOR, at_terminal
from tests.serving import wait_for

pytestmark = pytest.mark.slow

NO_LAYOUT = "no layout is applied yet"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    with running(tmp_path_factory.mktemp("watched"), "a") as cluster:
        yield cluster


def environment(cluster):
    return {"HOLDFAST_CONFIG": str(cluster.config)}


def is_as_before(terminal):
    """The screen that was there before is back, and the cursor with it."""
    left = terminal.drawn.rpartition(LEAVE_SCREEN)
    return (
        bool(left[1]) and HOME not in left[2] and terminal.drawn.rfind(SHOW_CURSOR) > terminal.drawn.rfind(HIDE_CURSOR)
    )


def test_the_page_is_drawn_over_the_one_before_and_ctrl_c_gives_the_terminal_back(tmp_path):
    with (
        running(tmp_path, "a") as cluster,
        at_terminal("status", "--watch", environment=environment(cluster)) as terminal,
    ):
        terminal.wait_for_page(NO_LAYOUT, cluster.id_of("a"), "versions:")
        cluster.must("layout", "apply", "--replicas", "1", "--yes")
        terminal.wait_for_page("layout 1", cluster.id_of("a"), "versions:", without=NO_LAYOUT)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert terminal.drawn.count(ENTER_SCREEN) == terminal.drawn.count(LEAVE_SCREEN) == 1
        assert is_as_before(terminal)
        assert "Traceback" not in terminal.drawn


def test_told_to_end_it_gives_the_terminal_back_too(one):
    with at_terminal("status", "--watch", environment=environment(one)) as terminal:
        terminal.wait_for_page(one.id_of("a"))
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert is_as_before(terminal)


def test_it_outlives_an_etcd_that_goes_and_comes_back(one):
    with at_terminal("status", "--watch", environment=environment(one)) as terminal:
        terminal.wait_for_page(one.id_of("a"))
        one.etcd.members[0].kill()
        terminal.wait_for_page("etcd has no quorum", without=one.id_of("a"))
        one.etcd.members[0].begin()
        terminal.wait_for_page(one.id_of("a"), without="etcd has no quorum")
        terminal.press_ctrl_c()
        assert terminal.end() == 130


@contextlib.contextmanager
def kept(cluster, path, *words):
    """Its output goes to a file, as by ``holdfast status --watch >FILE``."""
    with path.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "status", "--watch", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            env=os.environ | environment(cluster),
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def interrupted(process):
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert said == b""
    return process.returncode


def test_where_there_is_no_screen_one_page_follows_the_other(one, tmp_path):
    out = tmp_path / "pages"
    with kept(one, out) as process:
        wait_for("two pages", lambda: out.read_text().count("gateways: ") >= 2)
        assert interrupted(process) == 130
    pages = out.read_text()
    assert pages.count(one.id_of("a")) >= 2
    assert "\x1b" not in pages


def test_programs_get_a_line_of_json_for_each_look(one, tmp_path):
    out = tmp_path / "lines"
    with kept(one, out, "--json") as process:
        wait_for("two lines", lambda: out.read_text().count("\n") >= 2)
        assert interrupted(process) == 130
    for line in out.read_text().splitlines():
        assert [node["node"] for node in json.loads(line)["nodes"]] == [one.id_of("a")]
