"""A registry whose processes are killed with SIGKILL, again and again, at every point that matters and at any moment.

After each kill the registry must come back by itself (a killed supervisor is started anew), and everything is compared with
what was acknowledged. ``make soak`` runs the long form; its last line tells how many kills there were and what they cost.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.crash import points
from tests.crash.compare import Comparison, Findings
from tests.crash.control import Control
from tests.crash.traffic import Client
from tests.crash.victims import Victims
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NAMES = ("one", "two", "three")
_FIRE_SECONDS = 20.0
_SOON_SECONDS = 2.0
_TRIES = 10
# How long traffic runs before a kill from outside, at most.
_MOMENT_SECONDS = 0.2
_KILLS = 500


@dataclass
class Killing:
    """The whole: victims, clients, what was found."""

    control: Control
    victims: Victims
    clients: list[Client]
    findings: Findings = field(default_factory=Findings)
    kills: int = 0
    fired: set[str] = field(default_factory=set)

    @property
    def acknowledged(self) -> int:
        return sum(client.ledger.acknowledged for client in self.clients)

    def at_point(self, point: str, passages: int = 1) -> None:
        """Traffic until a process dies at ``point``."""
        self.control.arm(point, passages)
        self._go()
        self._pause_when(point)
        self._look(point)

    def at_restart(self, point: str) -> None:
        """Kill what makes ``point`` be passed, in the middle of traffic."""
        self._go()
        self.control.arm(point)
        self.victims.kill(points.RESTARTS[point])
        self.kills += 1
        self._pause_when(point)
        self._look(point)

    def at_any_moment(self, victim: str, after_seconds: float) -> None:
        self._go()
        time.sleep(after_seconds)  # not to wait for anything: the moment itself is what is random
        self.victims.kill(victim)
        self.kills += 1
        self._pause()
        self._look(victim)

    def after_a_dead_writer(self, point: str) -> None:
        """A gateway dies while it writes into the file of an upload; whoever goes on with that upload finds the node dead."""
        for _ in range(_TRIES):
            self.at_point("gateway.splice.lent.after")
            self.control.arm(point)
            self._go()
            with contextlib.suppress(AssertionError):  # the upload was in the hands of a client that had other plans
                self._pause_when(point, _SOON_SECONDS)
            if point in self.fired:
                break
        self._look(point)

    def _go(self) -> None:
        for client in self.clients:
            client.go()

    def _pause_when(self, point: str, seconds: float = _FIRE_SECONDS) -> None:
        try:
            wait_for(f"a kill at {point}", lambda: self.control.fired or self._broken(), seconds)
        finally:
            self._pause()
        assert self.control.fired == point
        self.fired.add(point)
        self.kills += 1

    def _broken(self) -> bool:
        return any(client.error for client in self.clients)

    def _pause(self) -> None:
        for client in self.clients:
            client.ask_to_pause()
        for client in self.clients:
            client.pause()

    def _look(self, what: str) -> None:
        self.control.disarm()
        self.victims.recover(what.partition(".")[0])
        for client in self.clients:
            comparison = Comparison(client.http.ask, client.ledger, self.findings)
            comparison.run()
            comparison.uploads(client.stands)
        assert not self.findings, f"after {what}: {self.findings}"

    def summary(self) -> str:
        lost, half = len(self.findings.lost), len(self.findings.half_visible)
        return f"{self.kills} kills, {self.acknowledged} acknowledged, {lost} lost, {half} half-visible"

    def away(self) -> str:
        """Until the next push is taken, by what was killed."""
        return "; ".join(
            f"{what}: median {statistics.median(times):.2f} s, longest {max(times):.2f} s"
            for what, times in sorted(self.victims.away_seconds.items())
        )


@pytest.fixture
def killing(tmp_path: Path) -> Iterator[Killing]:
    before = dict(os.environ)
    control = Control(tmp_path / "control")
    victims = Victims(tmp_path, control.environment)
    clients = [
        Client(victims.server.port, name, [other for other in _NAMES if other != name], seed)
        for seed, name in enumerate(_NAMES)
    ]
    try:
        for client in clients:
            client.stock()
        yield Killing(control, victims, clients)
        for client in clients:
            client.close()
        assert victims.server.stop() == 0
    finally:
        for client in clients:
            client.close()
        victims.server.process.kill()
        victims.server.process.wait()
        os.environ.clear()
        os.environ.update(before)
        control.close()


def at_each(killing: Killing, names: Sequence[str], chance: random.Random) -> None:
    order = list(names)
    chance.shuffle(order)
    for point in order:
        if point in points.RESTARTS:
            killing.at_restart(point)
        elif point in points.AFTER_A_DEAD_WRITER:
            killing.after_a_dead_writer(point)
        else:
            killing.at_point(point, chance.choice([1, 1, 2, 5]))
    assert killing.fired >= set(names)


@pytest.mark.timeout(600)
def test_a_kill_loses_nothing_and_leaves_nothing_half_visible(killing, capsys):
    """One side of each point; the long form has both."""
    chance = random.Random(7)
    at_each(killing, [chance.choice(sides) for sides in points.SIDES], chance)
    for victim in points.VICTIMS:
        killing.at_any_moment(victim, chance.uniform(0, _MOMENT_SECONDS))
    print(f"{killing.summary()}\n{killing.away()}")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_500_kills_lose_nothing_and_leave_nothing_half_visible(killing, capsys):
    chance = random.Random(11)
    at_each(killing, points.EVERY, chance)
    while killing.kills < _KILLS:
        if chance.random() < 0.5:
            killing.at_point(chance.choice(points.TRAFFIC), chance.choice([1, 2, 3, 5, 8, 13]))
        else:
            killing.at_any_moment(chance.choice(points.VICTIMS), chance.uniform(0, _MOMENT_SECONDS))
    with capsys.disabled():
        print(f"\n{killing.summary()}\n{killing.away()}")
