"""The soak on three nodes with two copies of everything, and one node at a time killed and begun again."""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from tests.cluster.processes import running
from tests.gc.soaking import Cycles, Team, broken_names, held_by_anybody, reporting
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster

OPERATIONS = int(os.environ.get("OPERATIONS", "100000"))
COLLECTIONS = int(os.environ.get("COLLECTIONS", "480"))
MOST_SECONDS = float(os.environ.get("MOST_SECONDS", "6000"))
LEFT_SECONDS = 180.0
UP_SECONDS = 300.0
UP = "storage node is up"


@dataclass
class Killer(threading.Thread):
    """Kills a node, begins it again within ``away_seconds``, waits for it, and rests for ``pause_seconds``; until its end."""

    cluster: Cluster
    away_seconds: float
    pause_seconds: float
    most_kills: int
    kills: int = 0
    error: BaseException | None = None
    ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.chance = random.Random(0)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        try:
            while self.kills < self.most_kills and not self.ending.wait(self.pause_seconds):
                node = self.chance.choice(list(self.cluster.nodes.values()))
                node.kill()
                self.ending.wait(self.chance.uniform(0, self.away_seconds))
                # The cluster believes for a while that it has never been away, so its own word is waited for.
                starts = node.told().count(UP)
                node.begin()
                node.wait_until("to be up", lambda node=node, starts=starts: node.told().count(UP) > starts, UP_SECONDS)
                self.kills += 1  # only now, so that work goes on while it is away
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            self.error = error

    def end(self) -> None:
        self.ending.set()
        self.join()
        assert self.error is None, self.error


def copies(cluster: Cluster) -> dict[str, set[str]]:
    """Digest by digest, where it is."""
    found: dict[str, set[str]] = {}
    for node in cluster.nodes.values():
        for name in node.held():
            found.setdefault(f"sha256:{name.rpartition('-')[2]}", set()).add(node.name)
    return found


def all_is_well(cluster: Cluster) -> bool:
    """What anybody links has its two copies where they belong; nothing else is anywhere."""
    found = copies(cluster)
    return found.keys() == held_by_anybody(cluster.store) and all(
        where == cluster.owners(digests.parse(name)) for name, where in found.items()
    )


def soak(cluster: Cluster, team: Team, killer: Killer, collections: int) -> list[int]:
    """How many collections each node had while they worked."""
    cycles = Cycles(*(node.log for node in cluster.nodes.values()))
    tell, began = reporting(team, cycles), time.monotonic()

    def is_enough() -> bool:
        assert killer.error is None, killer.error
        tell()
        return killer.kills > 0 and sum(cycles.each()) >= collections

    killer.start()
    team.work(is_enough, MOST_SECONDS)
    counted, seconds = cycles.each(), time.monotonic() - began
    killer.end()
    team.look_at_all()
    wait_for("all garbage to go", lambda: held_by_anybody(cluster.store) == team.needed, LEFT_SECONDS)
    wait_for("all copies to be where they belong", lambda: all_is_well(cluster), LEFT_SECONDS)
    team.look_at_all()
    assert broken_names(cluster.store) == []
    print(
        f"\n{team.told()}, {killer.kills} nodes killed, {counted} collections, {seconds:.0f} s: "
        f"0 blobs missing, 0 manifests dangling, 0 orphans left; said with 5xx: {dict(team.again)}"
    )
    return counted


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    storage = {"gc": True, "gcDelay": "2s", "gcInterval": "1s", "uploadExpiry": "8s"}
    with running(tmp_path, ("a", "b", "c"), ("g", "h"), replicas=2, storage=storage, workers=1) as cluster:
        yield cluster


@pytest.mark.timeout(600)
def test_nothing_is_missing_and_nothing_is_left_when_a_node_was_killed(cluster: Cluster) -> None:
    doors = list(cluster.gateways.values())
    team = Team.at(doors, clients=4, operations=200, prompt_seconds=1.0)
    soak(cluster, team, Killer(cluster, away_seconds=1.0, pause_seconds=0.5, most_kills=1), collections=2)
    assert team.done >= 200


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_operations_while_nodes_are_killed(cluster: Cluster) -> None:
    doors = list(cluster.gateways.values())
    team = Team.at(doors, clients=16, operations=OPERATIONS, prompt_seconds=1.0)
    counted = soak(cluster, team, Killer(cluster, away_seconds=20.0, pause_seconds=15.0, most_kills=1000), COLLECTIONS)
    assert team.done >= OPERATIONS
    assert sum(counted) >= COLLECTIONS
