"""A node says that it is there, under a lease that it renews, and takes another one when it was lost."""

from __future__ import annotations

import threading

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta.members import Alive, Members
from storagenode.cluster.membership import Membership
from tests.fakes.memory_store import MemoryStore
from tests.serving import wait_for

ALIVE = Alive(b"boot", "0", "host", 1, 2)


class Going:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.members = Members(self.store, lambda: b"x" * 16, self.clock)
        self.stopping = threading.Event()
        self.free_bytes = 1
        self.refusal: ConfigError | None = None
        self.entered: list[int] = []
        self.membership = Membership(
            self.store,
            self.members,
            "n1",
            self.describe,
            self.stopping,
            self.enter,
            ttl_seconds=10.0,
            every_seconds=0.01,
        )

    def enter(self, lease_id: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.entered.append(lease_id)

    def describe(self) -> Alive:
        return Alive(b"boot", "0", "host", self.free_bytes, 2)


@pytest.fixture
def going():
    made = Going()
    yield made
    made.stopping.set()


def test_a_node_is_alive_as_soon_as_it_has_joined_and_describes_itself_anew(going):
    going.membership.start()
    assert going.members.alive() == {"n1": ALIVE}
    going.free_bytes = 7
    wait_for("the next word", lambda: going.members.alive()["n1"].free_bytes == 7)


def test_a_node_asks_whether_it_may_take_part_once_and_under_its_lease(going):
    going.membership.start()
    (lease_id,) = going.entered
    assert going.store.keep_alive(lease_id) > 0


def test_a_node_that_may_not_take_part_does_not_go_on_saying_that_it_is_there(going):
    going.refusal = ConfigError("too old for this cluster")
    with pytest.raises(ConfigError):
        going.membership.start()
    going.clock.advance(11)
    assert going.members.alive() == {}


def test_a_lease_is_renewed(going):
    going.membership.start()
    for _ in range(5):
        before = going.store.transactions
        going.clock.advance(6)
        wait_for("a renewal", lambda before=before: going.store.transactions > before + 1)
        assert "n1" in going.members.alive()


def test_a_lost_lease_is_replaced(going):
    going.membership.start()
    going.clock.advance(11)  # longer than anybody was allowed to be silent
    wait_for("another lease", going.members.alive)
    assert len(going.store._leases) == 1


def test_a_store_that_does_not_answer_is_asked_again(going):
    going.membership.start()
    for nth in range(1, 4):
        going.store.fail_txn(nth, "down")
    going.free_bytes = 7
    wait_for("the next word", lambda: going.members.alive()["n1"].free_bytes == 7)


def test_a_node_that_cannot_say_that_it_is_there_does_not_start(going):
    going.store.fail_txn(1, "down")
    with pytest.raises(MetadataUnavailableError):
        going.membership.start()


def test_a_node_that_leaves_is_gone_at_once(going):
    going.membership.start()
    going.stopping.set()
    going.membership.join()
    assert going.members.alive() == {}


def test_leaving_while_the_store_does_not_answer_is_no_error(going):
    going.membership.start()
    going.stopping.set()
    going.store.close()
    going.membership.join()
