"""What repositories hold, and how many there may be, once more over a real etcd and over SQLite."""

from __future__ import annotations

import secrets

import pytest

from holdfast.clock import ManualClock
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from tests.etcd_cluster import shared_cluster
from tests.fakes.faulty_store import FaultyStore
from tests.unit.meta import test_ceilings as ceilings
from tests.unit.meta import test_usage as usage
from tests.unit.meta import world as worlds

# Of all that happens in memory this is what depends on how a store compares and orders.
TAKEN = (
    usage.test_a_blob_counts_once_in_each_repository_however_often_it_is_pushed,
    usage.test_manifests_count_as_they_come_and_go_and_what_holds_nothing_has_no_count,
    usage.test_a_namespace_is_what_its_names_say_and_not_what_begins_like_it,
    usage.test_sixteen_who_push_and_delete_at_once_leave_the_right_count,
    usage.test_a_recount_repairs_what_others_have_not_counted,
    ceilings.test_one_repository_too_many_is_refused_by_a_blob_a_mount_and_a_manifest_and_leaves_nothing,
    ceilings.test_those_that_stand_go_on_and_one_that_goes_makes_room,
    ceilings.test_each_route_counts_what_is_below_it_and_the_top_counts_the_rest,
    ceilings.test_of_many_first_pushes_at_once_exactly_as_many_are_taken_as_there_is_room_for,
    ceilings.test_a_repository_that_appears_between_the_count_and_the_write_is_counted,
)
globals().update({test.__name__: test for test in TAKEN})


@pytest.fixture(autouse=True, params=["etcd", "sqlite"])
def _real_world(request, monkeypatch, tmp_path):
    opened = []

    def world(store=None):
        if store is None:
            inner = (
                shared_cluster(1).open(b"counts-%s/" % secrets.token_hex(8).encode())
                if request.param == "etcd"
                else SqliteStore(tmp_path / "metadata.db", ManualClock())
            )
            opened.append(inner)
            store = FaultyStore(inner)
        return store, Repositories(store, worlds.new_ids(), ManualClock())

    monkeypatch.setattr(worlds, "world", world)
    yield
    assert opened, "the test did not use the world that was made for it"
    for store in opened:
        store.close()
