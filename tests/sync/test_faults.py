"""Everything that can happen to a cold pull on one machine while clients follow it. See ``trials`` for what must hold.

``make soak`` runs each fault at every tenth of the transfer and prints what became of the clients, and what the upstream gave.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from holdfast.clock import SystemClock
from holdfast.meta.fetches import Fetches
from holdfast.meta.sqlite import SqliteStore
from holdfast.rpc.client import GrpcNode
from storagenode.disk.tree import Tree
from syncworker.leftovers import Leftovers
from tests.crash.victims import children
from tests.serving import wait_for
from tests.sync.faulty import Cut, Faulty, Stall
from tests.sync.mirrored import mirroring
from tests.sync.trials import SHARE, Fault, suffer, summary, uploads_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.crash.control import Control
    from tests.serving import Server
    from tests.sync.trials import Trial

TENTHS = tuple(number / 10 for number in range(1, 10))
_PAUSE_SECONDS = 1.5


@dataclass
class Machine:
    """A registry of one machine. ``spare``: what its upstream's second URL leads to."""

    server: Server
    stock: Faulty
    spare: Faulty
    store: SqliteStore
    place: str = "up"

    @property
    def gateways(self) -> Sequence[Server]:
        return [self.server]

    @property
    def data(self) -> Path:
        return self.server.root / "data"

    def staged(self) -> set[str]:
        return uploads_in(Tree(str(self.data / "node")))

    def tidy(self) -> None:
        fetches = Fetches(self.store, lambda: os.urandom(16), "local")
        words = psutil.Process(self.server.child("storagenode")).cmdline()
        node = GrpcNode(next(word for word in words if word.startswith("unix:")), host_id="")
        try:
            Leftovers(fetches, node.upload_state, lambda _digest: False).round()
        finally:
            node.close()

    def gateway_workers(self) -> set[int]:
        return set(children(self.server.child("gateway")))


@contextlib.contextmanager
def machine(root: Path) -> Iterator[Machine]:
    with contextlib.ExitStack() as stack:
        stock, spare = (stack.enter_context(Faulty().serving()) for _ in range(2))
        spare.blobs, spare.manifests, spare.given = stock.blobs, stock.manifests, stock.given
        server = stack.enter_context(mirroring(root, {"/up": [stock.url, spare.url]}, maxRetries=3))
        store = SqliteStore(root / "data" / "meta" / "holdfast.db", SystemClock())
        stack.callback(store.close)
        yield Machine(server, stock, spare, store)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, control: Control) -> Iterator[Machine]:
    """One for all: what a fault leaves behind the next one meets."""
    with machine(tmp_path_factory.mktemp("machine")) as site:
        yield site


# -- what is done to processes


def kill(name: str):
    def act(site: Machine, _trial: Trial) -> None:
        killed = site.server.child(name)
        os.kill(killed, signal.SIGKILL)
        wait_for(f"another {name}", lambda: site.server.child(name) != killed)

    return act


def pause(name: str, seconds: float = _PAUSE_SECONDS):
    def act(site: Machine, _trial: Trial) -> None:
        pid = site.server.child(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            threading.Event().wait(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    return act


def kill_gateways(site: Machine, _trial: Trial) -> None:
    killed = site.gateway_workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for("other gateways", lambda: len(site.gateway_workers() - killed) == len(killed))


def hold_the_metadata(site: Machine, _trial: Trial) -> None:
    """Somebody else has the database's lock from now until after the last byte has come."""
    database = sqlite3.connect(site.data / "meta" / "holdfast.db", isolation_level=None, check_same_thread=False)
    database.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        database.execute("ROLLBACK")
        database.close()

    threading.Timer(_PAUSE_SECONDS, let_go).start()


def lose_the_first_url(site: Machine, _trial: Trial) -> None:
    site.stock.is_down = True


FAULTS = (
    Fault("the upstream breaks off at every tenth", plan=tuple(map(Cut, TENTHS))),
    Fault(
        "it refuses what is to go on, with 429 and 500", plan=(Cut(0.3, answers=(500, 429)), Cut(0.6, answers=(503,)))
    ),
    Fault("it says nothing for a while", plan=(Stall(0.3, _PAUSE_SECONDS), Stall(0.7, 0.5))),
    Fault("it goes away, and its second URL is asked", act=lose_the_first_url),
    Fault("the worker is killed", act=kill("syncworker")),
    Fault("the worker is paused", act=pause("syncworker")),
    Fault("the node with the growing upload is killed", act=kill("storagenode")),
    Fault("the node with the growing upload is paused", act=pause("storagenode")),
    Fault("the gateway is killed", act=kill_gateways),
    Fault("the metadata is locked by somebody else", act=hold_the_metadata),
)

# They take longer than a test may that runs every time: what waits here waits longer than the product's patience.
LONG_FAULTS = (
    Fault("the upstream stalls for longer than it is waited for", plan=(Stall(0.5, 40.0),)),
    Fault("it refuses for longer than it is asked", plan=(Cut(0.5, answers=(500,) * 12),)),
    Fault("the worker is paused for long", act=pause("syncworker", 15.0)),
    Fault("the node is paused for long", act=pause("storagenode", 20.0)),
)


@pytest.fixture(autouse=True)
def _upstream_is_back(site: Machine) -> Iterator[None]:
    yield
    site.stock.is_down = False


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_client_ends_with_the_right_bytes_or_knows_better(site: Machine, fault: Fault) -> None:
    suffer(site, fault)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_fault_at_every_tenth_of_the_transfer(site: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = [Fault(f"the upstream breaks off at {share:.0%}", plan=(Cut(share),)) for share in TENTHS]
    trials = [(fault, SHARE) for fault in (*cuts, *LONG_FAULTS)]
    trials += [(fault, share) for fault in FAULTS if fault.act is not None for share in TENTHS]
    reports = []
    for fault, share in trials:
        site.stock.is_down = False
        reports.append(suffer(site, fault, share))
        with capsys.disabled():
            print(reports[-1], flush=True)
    with capsys.disabled():
        print(summary(reports))
