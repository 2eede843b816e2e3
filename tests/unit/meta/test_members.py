"""Members: what a node declares, what the operator orders, and who is alive. Over memory and over SQLite."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.errors import ConfigError, CorruptError, NodeTakenError, NodeUnknownError, OutcomeUnknownError
from holdfast.meta import keys
from holdfast.meta.members import Alive, Declared, Intent, Member, Members, Orders, Progress, decode_member
from holdfast.meta.store import Put
from tests.contract.adapters import HARNESSES
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import new_ids

GIB = 1 << 30
DECLARED = Declared("10.0.0.1:5100", "east", 10 * GIB)
ALIVE = Alive(
    b"boot",
    "1.2",
    "host",
    5,
    10,
    read_only=True,
    quarantined=3,
    repair=Progress(2, 3, 4, 5, 6, 7),
    reserve_bytes=9,
    wall_seconds=1_700_000_000.5,
)


@pytest.fixture
def members(store, harness):
    return Members(store, new_ids(), harness.clock)


def test_a_node_is_what_it_says_until_somebody_says_otherwise(members):
    member = members.register("n1", DECLARED)
    assert (member.address, member.zone, member.weight, member.takes_part) == ("10.0.0.1:5100", "east", 10, True)
    assert members.all() == [member]


def test_a_node_that_starts_again_may_say_something_else(members):
    first = members.register("n1", DECLARED)
    again = members.register("n1", Declared("10.0.0.2:5100", "west", GIB, weight=7))
    assert (again.address, again.zone, again.weight) == ("10.0.0.2:5100", "west", 7)
    assert again.joined_seconds == first.joined_seconds


def test_an_order_outweighs_what_the_node_says_and_outlives_its_restart(members):
    members.register("n1", DECLARED)
    members.order("n1", zone="north", weight=3, intent=Intent.DRAINING)
    member = members.register("n1", DECLARED)
    assert (member.zone, member.weight, member.takes_part) == ("north", 3, False)


def test_an_order_changes_only_what_it_names_and_can_be_taken_back(members):
    members.register("n1", DECLARED)
    members.order("n1", zone="north", weight=3)
    members.order("n1", intent=Intent.DRAINING)
    assert members.all()[0].orders == Orders("north", 3, Intent.DRAINING)
    member = members.order("n1", zone="", weight=0, intent=Intent.PRESENT)
    assert (member.zone, member.weight, member.takes_part) == ("east", 10, True)


def test_nobody_can_give_orders_to_a_node_that_never_joined(members):
    with pytest.raises(NodeUnknownError):
        members.order("n1", weight=3)


def test_a_removed_node_does_not_come_back_under_its_id(members):
    members.register("n1", DECLARED)
    members.order("n1", intent=Intent.REMOVED)
    with pytest.raises(ConfigError):
        members.register("n1", DECLARED)
    assert members.all()[0].orders.intent is Intent.REMOVED


def test_a_disk_smaller_than_the_unit_still_has_a_weight(members):
    assert members.register("n1", Declared("a:1", "z", 5)).weight == 1


def test_members_come_in_the_order_of_their_ids(members):
    for name in ("n3", "n1", "n2"):
        members.register(name, DECLARED)
    assert [member.node_id for member in members.all()] == ["n1", "n2", "n3"]


def test_alive_is_who_holds_a_lease(members, store, harness):
    lease = store.grant_lease(10)
    assert members.announce("n1", ALIVE, lease.lease_id)
    assert members.alive() == {"n1": ALIVE}
    harness.let_pass(11)
    assert members.alive() == {}
    assert not members.announce("n1", ALIVE, lease.lease_id)
    assert members.alive() == {}


def test_joining_is_registering_and_announcing_or_neither(members, store, harness):
    lease = store.grant_lease(10)
    assert members.join("n1", DECLARED, ALIVE, lease.lease_id)
    assert (members.alive(), [member.declared for member in members.all()]) == ({"n1": ALIVE}, [DECLARED])
    harness.let_pass(11)
    assert not members.join("n1", Declared("b:1", "z", 1), ALIVE, lease.lease_id)
    assert (members.alive(), [member.declared for member in members.all()]) == ({}, [DECLARED])


@pytest.mark.parametrize(
    "other",
    [{"directory": "another"}, {"host_id": "another"}, {"directory": ""}, {"host_id": ""}],
    ids=["other directory", "other host", "no directory", "no host"],
)
def test_an_id_belongs_to_one_living_process(members, store, harness, other):
    first = replace(ALIVE, directory="a disk")
    members.join("n1", DECLARED, first, store.grant_lease(10).lease_id)
    second, lease = replace(first, boot_id=b"second", **other), store.grant_lease(20)
    for say in (
        lambda: members.join("n1", Declared("b:1", "z", 1), second, lease.lease_id),
        lambda: members.announce("n1", second, lease.lease_id),
    ):
        with pytest.raises(NodeTakenError):
            say()
    assert (members.alive(), [member.declared for member in members.all()]) == ({"n1": first}, [DECLARED])
    harness.let_pass(11)
    assert members.join("n1", DECLARED, second, lease.lease_id)


def test_a_process_that_has_the_directory_follows_the_one_that_had_it(members, store, harness):
    first = replace(ALIVE, directory="a disk")
    members.join("n1", DECLARED, first, store.grant_lease(10).lease_id)
    second = replace(first, boot_id=b"second")
    assert members.join("n1", DECLARED, second, store.grant_lease(20).lease_id)
    harness.let_pass(11)
    assert members.alive() == {"n1": second}


def test_nobody_whose_word_came_in_between_is_overwritten(harness):
    store = MemoryStore(harness.clock)
    ids = new_ids()
    members, other = (Members(store, ids, harness.clock) for _ in range(2))
    lease, theirs = store.grant_lease(10).lease_id, store.grant_lease(10).lease_id
    second = replace(ALIVE, boot_id=b"second", directory="another")
    store.before_txn(lambda: other.join("n1", Declared("b:1", "z", 1), second, theirs))
    with pytest.raises(NodeTakenError):
        members.join("n1", DECLARED, ALIVE, lease)
    store.revoke_lease(theirs)
    theirs = store.grant_lease(10).lease_id
    store.before_txn(lambda: other.join("n1", Declared("b:1", "z", 1), second, theirs))
    with pytest.raises(NodeTakenError):
        members.announce("n1", ALIVE, lease)
    assert members.alive() == {"n1": second}


def test_an_order_that_crosses_a_restart_is_kept(harness):
    store = MemoryStore(harness.clock)
    members = Members(store, new_ids(), harness.clock)
    members.register("n1", DECLARED)
    operator = Members(store, new_ids(), harness.clock)
    store.before_txn(lambda: operator.order("n1", intent=Intent.REMOVED))
    with pytest.raises(ConfigError):
        members.register("n1", Declared("b:1", "z", 1))


def test_an_answer_that_was_lost_is_looked_for():
    harness = HARNESSES["memory"](None)
    members = Members(harness.store, new_ids(), harness.clock)
    harness.store.fail_txn(1, "after")
    assert members.register("n1", DECLARED).node_id == "n1"
    harness.store.fail_txn(1, "before")
    harness.store.fail_txn(2, "before")
    with pytest.raises(OutcomeUnknownError):
        members.order("n1", weight=3)


@pytest.mark.parametrize("wrong", [("", "z", 1), ("a:1", "", 1), ("a:1", "z", -1)])
def test_a_declaration_makes_sense(wrong):
    with pytest.raises(ValueError, match="a node has an address"):
        Declared(*wrong)


def test_a_record_that_makes_no_sense_is_corrupt(store, members):
    store.txn([], [Put(keys.member("n1"), b"")])
    with pytest.raises(CorruptError):
        members.all()
    with pytest.raises(CorruptError):
        decode_member("n1", b"\xff")
    assert isinstance(members.register("n2", DECLARED), Member)
