"""When a link is renewed for whoever asks for its blob: by the delay of the repository's own route."""

from __future__ import annotations

import pytest

from gateway.renewal import Renewal
from holdfast.clock import ManualClock
from holdfast.meta.repos import Repositories
from holdfast.names import repository
from holdfast.patterns.routes import route_of
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import blob, link, new_ids


@pytest.mark.parametrize(
    ("name", "route"),
    [("a", "/a"), ("a/b", "/a/b"), ("a/bc", "/a"), ("a/b/c", "/a/b"), ("ab", ""), ("b", ""), ("up", "/Up")],
)
def test_the_longest_route_that_takes_a_repository_counts(name, route):
    assert route_of(name, ["", "/a", "/a/b", "/Up"]) == route


@pytest.mark.parametrize(("name", "after_seconds"), [("quick/app", 15), ("app", 900)])
def test_a_link_is_renewed_after_a_quarter_of_its_own_delay(name, after_seconds):
    clock, repo = ManualClock(), repository(name)
    repos = Repositories(MemoryStore(clock), new_ids(), clock)
    link(repos, blob("a"), repo=repo)
    renewal = Renewal(repos, clock, 3600.0, {"/quick": 60.0})
    clock.advance(after_seconds - 1)
    assert renewal.fence(repo, repos.link(repo, blob("a"))) is None
    clock.advance(1)
    assert renewal.fence(repo, repos.link(repo, blob("a"))) is not None
