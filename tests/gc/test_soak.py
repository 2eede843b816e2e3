"""Clients that push, tag again, mount and delete, with a collector that never rests: nothing is missing, and nothing is left.

The short form runs with the other tests. The long one (``-m soak``) is 16 clients, at least 100,000 operations and at least 480
collections a second apart. OPERATIONS and COLLECTIONS change that, for a look at how fast it goes.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from holdfast.clock import SystemClock
from holdfast.meta.sqlite import SqliteStore
from tests.gc.soaking import Cycles, Team, broken_names, reporting
from tests.gc.test_on_one_machine import stored
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server

OPERATIONS = int(os.environ.get("OPERATIONS", "100000"))
COLLECTIONS = int(os.environ.get("COLLECTIONS", "480"))
MOST_SECONDS = float(os.environ.get("MOST_SECONDS", "6000"))
LEFT_SECONDS = 120.0


def all_garbage_goes(server: Server, needed: set[str]) -> None:
    """An orphan that stays is an error, and so is one blob too few."""
    wait_for("all garbage to go", lambda: stored(server) == needed, LEFT_SECONDS)


def soak(server: Server, team: Team, collections: int) -> int:
    """How many collections there were while they worked."""
    cycles = Cycles(server.log)
    tell, began = reporting(team, cycles), time.monotonic()

    def is_enough() -> bool:
        tell()
        return cycles.each()[0] >= collections

    team.work(is_enough, MOST_SECONDS)
    (counted,), seconds = cycles.each(), time.monotonic() - began
    team.look_at_all()
    all_garbage_goes(server, team.needed)
    team.look_at_all()
    assert server.told("went to the trash"), "nothing was collected, so nothing was tried"
    print(
        f"\n{team.told()}, {counted} collections, {seconds:.0f} s: "
        f"0 blobs missing, 0 manifests dangling, 0 orphans left; said with 5xx: {dict(team.again)}"
    )
    return counted


def require_whole(root: Path) -> None:
    """After the registry has ended, in the metadata itself."""
    with contextlib.closing(SqliteStore(root / "data/meta/holdfast.db", SystemClock())) as store:
        assert broken_names(store) == []


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_missing_and_nothing_is_left(tmp_path: Path) -> None:
    storage = {"gc": True, "gcDelay": "1s", "gcInterval": "100ms", "uploadExpiry": "3s"}
    with serving(tmp_path, storage=storage) as server:
        team = Team.at([server], clients=4, operations=300, prompt_seconds=1.0)
        soak(server, team, collections=3)
    assert team.done >= 300
    require_whole(tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_operations(tmp_path: Path) -> None:
    storage = {"gc": True, "gcDelay": "2s", "gcInterval": "1s", "uploadExpiry": "10s"}
    with serving(tmp_path, storage=storage) as server:
        team = Team.at([server], clients=16, operations=OPERATIONS, prompt_seconds=1.0)
        counted = soak(server, team, collections=COLLECTIONS)
    assert team.done >= OPERATIONS
    assert counted >= COLLECTIONS
    require_whole(tmp_path)
