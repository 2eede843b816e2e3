"""A node says that it is there, under a lease that it renews, and takes another one when it was lost."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta.members import Alive, Declared, Intent, Members
from storagenode.cluster.membership import Membership, Presence
from tests.fakes.memory_store import MemoryStore
from tests.serving import wait_for

ALIVE = Alive(b"boot", "0", "host", 1, 2, directory="a disk")
DECLARED = Declared("first:1", "z", 2)


class Going:
    """``former``: the one whose store and time it shares."""

    def __init__(self, former: Going | None = None, declared: Declared = DECLARED, alive: Alive = ALIVE) -> None:
        self.clock = former.clock if former else ManualClock()
        self.store = former.store if former else MemoryStore(self.clock)
        self.alive = alive
        self.members = Members(self.store, lambda: b"x" * 16, self.clock)
        self.stopping = threading.Event()
        self.free_bytes = 1
        self.refusal: ConfigError | None = None
        self.entered: list[int] = []
        self.membership = Membership(
            self.store,
            self.members,
            Presence("n1", declared, self.describe),
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
        return replace(self.alive, free_bytes=self.free_bytes)

    def kill(self) -> None:
        """It renews nothing any more, and gives nothing back."""
        self.stopping.set()
        self.membership._thread.join()


@pytest.fixture
def start():
    made = []

    def going(*what, **how) -> Going:
        made.append(Going(*what, **how))
        return made[-1]

    yield going
    for one in made:
        one.stopping.set()


@pytest.fixture
def going(start):
    return start()


COPIED = replace(ALIVE, boot_id=b"of a copy", directory="another disk")
ELSEWHERE = replace(COPIED, host_id="another host", directory="a disk")
RESTARTED = replace(ALIVE, boot_id=b"later")
MOVED = Declared("second:1", "z", 2)


@pytest.mark.parametrize("alive", [COPIED, ELSEWHERE], ids=["same machine", "another machine"])
def test_a_copy_of_a_node_that_is_alive_is_refused_and_the_node_is_not_disturbed(going, start, alive):
    going.membership.start()
    copy = start(going, MOVED, alive)
    with pytest.raises(ConfigError, match="n1 is alive already, in another process"):
        copy.membership.start()
    assert copy.entered == []
    assert going.members.alive() == {"n1": ALIVE}
    assert [member.address for member in going.members.all()] == ["first:1"]
    assert len(going.store._leases) == 1
    going.free_bytes = 7
    wait_for("the next word", lambda: going.members.alive()["n1"].free_bytes == 7)


def test_who_was_killed_and_comes_back_on_its_directory_takes_its_place_at_once(going, start):
    going.membership.start()
    going.kill()
    start(going, MOVED, RESTARTED).membership.start()
    assert going.members.alive() == {"n1": RESTARTED}
    assert [member.address for member in going.members.all()] == ["second:1"]
    for _ in range(2):  # the lease of the former process ends, the new one renews its own
        before = going.store.transactions
        going.clock.advance(6)
        wait_for("a renewal", lambda before=before: going.store.transactions > before + 1)
    assert len(going.store._leases) == 1
    assert going.members.alive()["n1"].boot_id == b"later"


def test_who_was_killed_and_comes_back_elsewhere_waits_for_the_lease_of_its_former_process(going, start):
    going.membership.start()
    going.kill()
    later = start(going, MOVED, ELSEWHERE)
    waiting = threading.Thread(target=later.membership.start)
    waiting.start()
    wait_for("a look", lambda: len(going.store._leases) == 2)
    assert going.members.alive() == {"n1": ALIVE}
    going.clock.advance(11)
    waiting.join()
    assert going.members.alive() == {"n1": ELSEWHERE}


def test_a_lease_that_is_kept_alive_without_a_word_is_not_waited_for_for_ever(going, start):
    going.membership.start()
    going.kill()
    later = start(going, MOVED, COPIED)
    later.membership._ttl_seconds = 0.1
    with pytest.raises(ConfigError, match="alive already"):
        later.membership.start()


def test_who_was_away_so_long_that_another_took_its_place_waits_for_that_one(going, start):
    going.membership.start()
    (lease_id,) = going.entered
    going.store.revoke_lease(lease_id)
    other = start(going, MOVED, COPIED)
    other.membership._announce()
    before = going.store.transactions
    wait_for("a look of the first", lambda: len(going.store._leases) == 2 and going.store.transactions == before)
    assert going.members.alive() == {"n1": COPIED}
    other.membership._give_back()
    wait_for("its return", lambda: going.members.alive() == {"n1": ALIVE})
    assert [member.address for member in going.members.all()] == ["first:1"]


def test_a_node_that_is_removed_while_it_was_away_says_that_it_is_there(going):
    going.membership.start()
    going.members.order("n1", intent=Intent.REMOVED)
    going.clock.advance(11)
    wait_for("its return", lambda: going.members.alive() == {"n1": ALIVE})


def test_a_node_that_was_removed_does_not_join(going):
    going.members.register("n1", DECLARED)
    going.members.order("n1", intent=Intent.REMOVED)
    with pytest.raises(ConfigError, match="was removed"):
        going.membership.start()
    assert going.members.alive() == {}


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
