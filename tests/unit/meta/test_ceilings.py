"""How many repositories there may be: exact under whatever happens at once, and nothing to those that stand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import HoldfastError, TooManyRepositoriesError
from holdfast.meta.ceilings import Ceilings
from holdfast.meta.repos import Repositories
from holdfast.names import repository
from tests.unit.meta import world as worlds
from tests.unit.meta.world import blob, image, link, new_ids


def limited(most: dict[str, int]):
    store, _ = worlds.world()
    return store, Repositories(store, new_ids(), ManualClock(), Ceilings(store, most).room)


def fill(repos, *names: str) -> None:
    for name in names:
        link(repos, blob("b"), repo=repository(name))


def names(repos) -> list[str]:
    return list(repos.repositories("", 1000)[0])


def test_one_repository_too_many_is_refused_by_a_blob_a_mount_and_a_manifest_and_leaves_nothing():
    _, repos = limited({"": 2})
    fill(repos, "a", "b")
    new = image("m")
    tries = [
        lambda: fill(repos, "c"),
        lambda: repos.mount(repository("a"), repository("c"), blob("b"), repos.fence(blob("b"))),
        lambda: repos.put_manifest(repository("c"), new, [], repos.fence(new.digest), 0),
    ]
    for once in tries:
        with pytest.raises(TooManyRepositoriesError, match="there are 2 repositories and may be no more, so c is not"):
            once()
    assert names(repos) == ["a", "b"]
    assert repos.link(repository("c"), blob("b")) is None


def test_those_that_stand_go_on_and_one_that_goes_makes_room():
    _, repos = limited({"": 2})
    fill(repos, "a", "b", "a")
    link(repos, blob("another"), repo=repository("b"))
    repos.delete_blob(repository("a"), blob("b"))
    fill(repos, "c")
    assert names(repos) == ["b", "c"]


def test_each_route_counts_what_is_below_it_and_the_top_counts_the_rest():
    _, repos = limited({"": 1, "/Infra": 2, "/infra/free": 0})
    fill(repos, "infra", "infra/a", "infra/free/1", "infra/free/2", "infra-x")
    for name in ("infra/b", "other", "infras"):
        with pytest.raises(TooManyRepositoriesError):
            fill(repos, name)
    fill(repos, "infra/free/3")


def test_whoever_pushes_into_a_standing_repository_is_not_counted_for():
    store, repos = limited({"": 5})
    fill(repos, "a")
    reads = store.reads
    link(repos, blob("more"), repo=repository("a"))
    free = Repositories(store, new_ids(), ManualClock())
    between = store.reads
    link(free, blob("still more"), repo=repository("a"))
    assert between - reads == store.reads - between


def test_of_many_first_pushes_at_once_exactly_as_many_are_taken_as_there_is_room_for():
    _, repos = limited({"": 7})

    def push(number: int) -> bool:
        try:
            fill(repos, f"r{number}")
        except TooManyRepositoriesError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(push, range(24)))
    assert sum(taken) == len(names(repos)) == 7


def test_a_repository_that_appears_between_the_count_and_the_write_is_counted():
    store, repos = limited({"": 1})
    other = Repositories(store, new_ids(), ManualClock())
    store.before_txn(lambda: fill(other, "sooner"))
    with pytest.raises(TooManyRepositoriesError):
        fill(repos, "later")
    assert names(repos) == ["sooner"]


def test_a_store_over_its_limit_loses_nothing_and_takes_no_more():
    store, free = worlds.world()
    fill(free, "a", "b", "c")
    repos = Repositories(store, new_ids(), ManualClock(), Ceilings(store, {"": 2}).room)
    with pytest.raises(HoldfastError):
        fill(repos, "d")
    fill(repos, "a", "b", "c")
    assert names(repos) == ["a", "b", "c"]
