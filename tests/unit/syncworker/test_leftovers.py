"""Keys of fetches that are over go; those that can be gone on with stay."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import NodeUnreachableError, UploadUnknownError
from holdfast.meta import versions
from holdfast.meta.fetches import WORKER, Fetches
from syncworker.leftovers import Leftovers
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import blob, new_ids

ONE, TWO, THREE = blob("one"), blob("two"), blob("three")
NEW_ID = new_ids()


class World:
    """Workers, and a storage node that knows ``uploads``; None: it does not answer."""

    def __init__(self) -> None:
        self.store = MemoryStore(ManualClock())
        self.uploads: set[str] | None = set()
        self.flying = set()
        self.leases = {}

    def worker(self, name):
        if name not in self.leases:
            self.leases[name] = self.store.grant_lease(10.0).lease_id
            versions.announce(self.store, WORKER, name, "0.1.0", self.leases[name], f"{name}:1")
        return Fetches(self.store, NEW_ID, name)

    def fetched(self, name, digest, upload_id=""):
        worker = self.worker(name)
        fetch = worker.take(digest, worker.look(digest))
        return worker.name(fetch, upload_id) if upload_id else fetch

    def die(self, name) -> None:
        self.store.revoke_lease(self.leases.pop(name))

    def ask(self, key) -> None:
        if self.uploads is None:
            raise NodeUnreachableError("no answer")
        if key.upload_id not in self.uploads:
            raise UploadUnknownError("no such upload")

    def round(self, name="tidy") -> int:
        return Leftovers(self.worker(name), self.ask, self.flying.__contains__).round()

    def left(self):
        worker = self.worker("tidy")
        return {digest for digest in (ONE, TWO, THREE) if worker.look(digest).fetch is not None}


@pytest.fixture
def world():
    return World()


def test_of_a_dead_worker_s_fetches_those_stay_whose_upload_is_still_there(world):
    world.uploads = {"there"}
    world.fetched("gone", ONE, "there")
    world.fetched("gone", TWO, "stored or dropped")
    world.fetched("gone", THREE)
    assert world.round() == 0
    world.die("gone")
    assert world.round() == 2
    assert world.left() == {ONE}


def test_what_was_let_go_of_goes_once_its_upload_has_expired(world):
    world.uploads = {"there"}
    world.worker("lives").leave(world.fetched("lives", ONE, "there"))
    assert world.round() == 0
    world.uploads.clear()
    assert world.round() == 1
    assert not world.left()


def test_a_node_that_does_not_answer_costs_no_fetch(world):
    world.fetched("gone", ONE, "nobody knows")
    world.die("gone")
    world.uploads = None
    assert world.round() == 0
    assert world.left() == {ONE}


def test_a_worker_s_own_fetch_goes_only_when_no_flight_of_it_is_in_the_air(world):
    world.fetched("tidy", ONE)
    world.flying = {ONE}
    assert world.round() == 0
    world.flying = set()
    assert world.round() == 1
    assert not world.left()


def test_what_another_takes_over_meanwhile_is_left_alone(world):
    world.fetched("gone", ONE, "upload")
    world.die("gone")
    world.worker("other")

    def taken_over(_key) -> None:
        world.fetched("other", ONE)
        raise UploadUnknownError("no such upload")

    assert Leftovers(world.worker("tidy"), taken_over, lambda _: False).round() == 0
    assert world.left() == {ONE}


def test_rounds_go_on_after_one_that_failed_until_the_process_ends(world, caplog):
    world.fetched("tidy", ONE)
    answers = iter((False, False, True))
    world.store.fail_txn(1, "down")
    Leftovers(world.worker("tidy"), world.ask, lambda _: False).keep_tidy(lambda _seconds: next(answers))
    assert "the next round tries again" in caplog.text
    assert not world.left()
