"""The rules of repositories once more, over a real etcd: the tests of ``tests/unit/meta/test_repos.py`` as they stand.

All but one: 10,000 references are a bound of the record's form, and take 20,000 transactions to make.
"""

from __future__ import annotations

import secrets

import pytest

from holdfast.clock import ManualClock
from holdfast.meta.repos import Repositories
from tests.etcd_cluster import shared_cluster
from tests.fakes.faulty_store import FaultyStore
from tests.unit.meta import test_repos as rules
from tests.unit.meta import world as worlds

# Collected here under their own names; the fixture gives them another world.
LEFT_OUT = {"test_ten_thousand_references_are_taken_and_one_more_is_not"}
globals().update({name: vars(rules)[name] for name in vars(rules).keys() - LEFT_OUT if name.startswith("test_")})


@pytest.fixture(autouse=True)
def _etcd_world(monkeypatch):
    cluster = shared_cluster(1)
    opened = []

    def world(store=None):
        if store is None:
            opened.append(cluster.open(b"rules-%s/" % secrets.token_hex(8).encode()))
            store = FaultyStore(opened[-1])
            store._clock = ManualClock()  # the fake's, which a test moves on
        return store, Repositories(store, worlds.new_ids(), ManualClock())

    monkeypatch.setattr(worlds, "world", world)
    monkeypatch.setattr(rules, "world", world)
    yield
    assert opened, "the test did not use the world that was made for it"
    for store in opened:
        store.close()
