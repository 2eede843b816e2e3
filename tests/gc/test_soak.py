"""Clients that push, tag again, mount and delete, with a collector that never rests: nothing is missing, and nothing is left.

The short form runs with the other tests. The long one (``-m soak``) is 16 clients, at least 100,000 operations and at least 480
collections a second apart. OPERATIONS changes the first, for a look at how fast it goes.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.clock import SystemClock
from holdfast.meta.sqlite import SqliteStore
from tests.gc.soaking import Team, broken_names, cycles_in, held_by_anybody
from tests.gc.test_on_one_machine import stored
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server

OPERATIONS = int(os.environ.get("OPERATIONS", "100000"))
CYCLES = 480
LEFT_SECONDS = 120.0


def all_garbage_goes(server: Server, needed: set[str]) -> None:
    """An orphan that stays is an error, and so is one blob too few."""
    wait_for("all garbage to go", lambda: stored(server) == needed, LEFT_SECONDS)


def soak(root: Path, clients: int, operations: int, prompt_seconds: float, storage: dict[str, Any]) -> tuple[Team, int]:
    """Its clients, and how many collections there were while they worked."""
    with serving(root, storage=storage) as server:
        team = Team.at([server], clients, operations, prompt_seconds)
        began, told = time.monotonic(), 0.0

        def tell() -> None:
            nonlocal told
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"{told - began:.0f} s: {team.told()}", flush=True)

        team.work(tell)
        cycles = len(cycles_in(server.log))
        team.look_at_all()
        all_garbage_goes(server, team.needed)
        team.look_at_all()
        assert server.told("went to the trash"), "nothing was collected, so nothing was tried"
    with contextlib.closing(SqliteStore(root / "data/meta/holdfast.db", SystemClock())) as store:
        assert broken_names(store) == []
        assert held_by_anybody(store) == team.needed
    seconds = time.monotonic() - began
    print(f"\n{team.told()}, {cycles} collections, {seconds:.0f} s: 0 blobs missing, 0 manifests dangling, 0 orphans left")
    return team, cycles


def test_nothing_acknowledged_is_missing_and_nothing_is_left(tmp_path: Path) -> None:
    storage = {"gc": True, "gcDelay": "300ms", "gcInterval": "100ms", "uploadExpiry": "1s"}
    team, cycles = soak(tmp_path, 4, 300, 0.3, storage)
    assert team.done >= 300
    assert cycles >= 3


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_operations(tmp_path: Path) -> None:
    storage = {"gc": True, "gcDelay": "2s", "gcInterval": "1s", "uploadExpiry": "10s"}
    team, cycles = soak(tmp_path, 16, OPERATIONS, 1.0, storage)
    assert team.done >= OPERATIONS
    assert cycles >= min(CYCLES, OPERATIONS // 250)
