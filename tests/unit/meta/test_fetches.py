"""One holder for each fetch: who takes it over, when, and with which token."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.meta import versions
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.meta.repos import Repositories
from holdfast.names import Repository
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import blob, new_ids

DIGEST = blob("a layer")
# Of all workers: an operation is known by its id.
NEW_ID = new_ids()


class Worker:
    """A process with its lease, and what it sees of fetches."""

    def __init__(self, store, name: str) -> None:
        self.store = store
        self.lease_id = store.grant_lease(10.0).lease_id
        versions.announce(store, WORKER, name, "0.1.0", self.lease_id, f"{name}:1")
        self.fetches = Fetches(store, NEW_ID, name)

    def take(self):
        return self.fetches.take(DIGEST, self.fetches.look(DIGEST))

    def die(self) -> None:
        self.store.revoke_lease(self.lease_id)


@pytest.fixture
def store():
    return MemoryStore(ManualClock())


def test_what_a_living_worker_fetches_nobody_else_takes(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    fetch = one.take()
    assert one.fetches.name(fetch, "upload") is not None
    standing = two.fetches.look(DIGEST)
    assert standing.is_held
    assert standing.fetch.upload_id == "upload"
    assert two.fetches.take(DIGEST, standing) is None


def test_what_a_dead_worker_has_brought_is_gone_on_with_under_a_higher_token(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    former = one.fetches.name(one.take(), "upload")
    one.die()
    taken = two.take()
    assert (taken.worker, taken.upload_id) == ("two", "upload")
    assert taken.token > former.token


def test_a_worker_that_was_taken_over_from_can_neither_name_nor_end_nor_leave(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    former = one.take()
    one.die()
    taken = two.take()
    assert one.fetches.name(former, "another upload") is None
    assert not one.fetches.end(former)
    one.fetches.leave(former)
    assert two.fetches.look(DIGEST).fetch == taken


def test_two_that_see_a_dead_worker_do_not_both_take_over(store):
    one, two, three = (Worker(store, name) for name in ("one", "two", "three"))
    one.take()
    one.die()
    seen = two.fetches.look(DIGEST), three.fetches.look(DIGEST)
    assert two.fetches.take(DIGEST, seen[0]) is not None
    assert three.fetches.take(DIGEST, seen[1]) is None


def test_a_worker_that_comes_back_before_it_is_missed_keeps_its_fetch(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    one.take()
    one.die()
    seen = two.fetches.look(DIGEST)
    Worker(store, "one")
    assert two.fetches.take(DIGEST, seen) is None


def test_what_was_left_is_anybodys_with_what_has_come(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    one.fetches.leave(one.fetches.name(one.take(), "upload"))
    assert not two.fetches.look(DIGEST).is_held
    assert two.take().upload_id == "upload"


def test_what_has_ended_leaves_nothing(store):
    one = Worker(store, "one")
    assert one.fetches.end(one.take())
    assert one.fetches.look(DIGEST).fetch is None


def test_an_upload_that_was_begun_for_it_is_named_at_once_unless_something_had_come(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    first = one.fetches.take(DIGEST, one.fetches.look(DIGEST), "one's")
    assert (first.upload_id, two.fetches.look(DIGEST).fetch) == ("one's", first)
    one.die()
    assert two.fetches.take(DIGEST, two.fetches.look(DIGEST), "two's").upload_id == "one's"


def test_a_fetch_that_came_to_its_end_since_the_look_is_not_begun_again(store):
    one, two = Worker(store, "one"), Worker(store, "two")
    repos = Repositories(store, NEW_ID, ManualClock())
    seen = two.fetches.look(DIGEST)
    fetch = one.take()
    repos.add_link(Repository("up/app"), DIGEST, 7, repos.fence(DIGEST), "upstream")
    assert one.fetches.end(fetch)
    assert two.fetches.look(DIGEST).fetch is None
    assert two.fetches.take(DIGEST, seen) is None
    assert two.take() is not None


def test_workers_are_found_with_their_addresses(store):
    Worker(store, "one")
    versions.announce(store, "gateway", "g", "0.1.0", store.grant_lease(10.0).lease_id)
    assert [(worker.process_id, worker.address) for worker in versions.workers(store)] == [("one", "one:1")]
