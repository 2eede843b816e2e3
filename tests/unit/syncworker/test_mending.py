"""What nodes have lost of mirrored repositories is asked for again, and nothing else is."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import CorruptError, OverloadedError, UpstreamMissingError
from holdfast.meta.lost import Lost, LostBook
from syncworker.mending import AGAIN_SECONDS, Mending
from tests.unit.meta.world import OTHER, REPO, blob, link, new_ids, world

A, B = blob("a"), blob("b")


class World:
    def __init__(self, *filled):
        self.store, self.repos = world()
        self.lost = LostBook(self.store, new_ids())
        self.clock = ManualClock()
        self.brought, self.errors = [], {}
        self.mending = Mending(self.lost, self.repos, lambda name: name in filled, self.bring, self.clock)

    def bring(self, repository, digest):
        self.brought.append((repository, digest))
        if repository in self.errors:
            raise self.errors[repository]

    def lose(self, digest, *repositories):
        for name in repositories:
            link(self.repos, digest, repo=name)
        self.lost.add(Lost(digest, "it is empty", 1.0))


def test_only_what_an_upstream_fills_is_asked_for():
    found = World(OTHER)
    found.lose(A, REPO, OTHER)
    found.lose(B, REPO)
    assert found.mending.round() == 1
    assert found.brought == [(OTHER, A)]


def test_an_upstream_is_not_asked_again_at_once_whatever_it_said():
    found = World(REPO)
    found.errors[REPO] = UpstreamMissingError("it has none")
    found.lose(A, REPO)
    assert found.mending.round() == 0
    assert found.mending.round() == 0
    found.clock.advance(AGAIN_SECONDS)
    found.errors.clear()
    assert found.mending.round() == 1
    assert found.brought == [(REPO, A)] * 2


def test_another_repository_s_upstream_is_asked_where_the_first_has_none():
    found = World(REPO, OTHER)
    found.errors[REPO] = UpstreamMissingError("it has none")
    found.lose(A, REPO, OTHER)
    assert found.mending.round() == 1
    assert found.brought == [(REPO, A), (OTHER, A)]


def test_what_there_was_no_room_for_is_begun_the_next_time():
    found = World(REPO)
    found.errors[REPO] = OverloadedError("too many")
    found.lose(A, REPO)
    with pytest.raises(OverloadedError):
        found.mending.round()
    found.errors.clear()
    assert found.mending.round() == 1


def test_what_has_come_is_forgotten_and_asked_for_when_it_is_lost_again():
    found = World(REPO)
    found.lose(A, REPO)
    found.mending.round()
    found.lost.remove(A)
    found.mending.round()
    found.lose(A)
    assert found.mending.round() == 1


def test_what_nobody_expected_ends_neither_the_rounds_nor_the_thread():
    found, looks = World(REPO), iter([False, False, True])
    found.errors[REPO] = CorruptError("a copy")
    found.lose(A, REPO)
    found.mending.keep_mended(lambda _seconds: next(looks))
    assert found.brought == [(REPO, A)]


def test_what_cannot_be_brought_makes_room_for_what_comes_behind_it(monkeypatch):
    monkeypatch.setattr("syncworker.mending._AT_A_TIME", 1)
    found = World(OTHER)
    first, last = sorted((A, B), key=lambda digest: (digest.partition, str(digest)))
    found.lose(first, REPO)
    found.lose(last, OTHER)
    for _ in range(2):
        found.mending.round()
    assert found.brought == [(OTHER, last)]
