"""Looking for what is nobody's: each folder once, a moment at a time, and however many there are."""

from __future__ import annotations

import random
import threading

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import UnavailableError
from storagenode.objects import keys
from storagenode.objects.bucket import Seen
from storagenode.objects.keys import Entry
from storagenode.objects.orphans import Orphans
from storagenode.objects.sorting import Scratch

KEEP_SECONDS = 100.0
DIGEST = digests.of(b"whatever")


class Listed:
    """A bucket of which only the keys matter. Each thousand of them take ``page_seconds`` to list."""

    def __init__(self, clock, page_seconds=0.0):
        self.keys = {folder: [] for folder in (keys.DATA, keys.BLOBS, keys.TRASH, keys.QUARANTINE)}
        self.clock = clock
        self.page_seconds = page_seconds
        self.given = 0
        self.deleted = []

    def list(self, folder):
        for number, key in enumerate(self.keys[folder]):
            if number % 1000 == 0:
                self.clock.advance(self.page_seconds)
            self.given += 1
            yield Seen(key, 1, "")

    def delete(self, names):
        self.deleted += names
        self.keys[keys.DATA] = [key for key in self.keys[keys.DATA] if key not in set(names)]


class Tenure:
    is_lost = False

    def require(self):
        if self.is_lost:
            raise UnavailableError("another process has it")


class World:
    def __init__(self, folder, page_seconds=0.0, piece=100_000):
        self.clock = ManualClock()
        self.bucket = Listed(self.clock, page_seconds)
        self.under_way = set()
        self.tenure, self.stopping = Tenure(), threading.Event()
        scratch = Scratch(str(folder), piece)
        self.orphans = Orphans(
            self.bucket, lambda: set(self.under_way), self.tenure, scratch, self.clock, self.stopping
        )

    def fill(self, count, orphans=3):
        """In the orders that object stores give: bytes by their own names, the others by their digests'."""
        chance = random.Random(7)
        uniques = [f"{chance.getrandbits(128):032x}" for _ in range(count)]
        nobodys, named = uniques[:orphans], uniques[orphans:]
        self.bucket.keys[keys.DATA] = [keys.data(one) for one in sorted(uniques)]
        self.bucket.keys[keys.BLOBS] = [Entry(DIGEST, 1, one, "0" * 8).key for one in named[5:]]
        self.bucket.keys[keys.TRASH] = [Entry(DIGEST, 1, one).aside(keys.TRASH, "0") for one in named[:3]]
        self.bucket.keys[keys.QUARANTINE] = [Entry(DIGEST, 1, one).aside(keys.QUARANTINE, "0") for one in named[3:5]]
        return sorted(keys.data(one) for one in nobodys)

    def look(self):
        """One from its beginning to its end; how many times it went on."""
        self.clock.advance(3600 * 24)
        goes, before = 0, self.orphans._due
        while self.orphans._due == before:
            self.orphans.empty(KEEP_SECONDS)
            goes += 1
        return goes


def test_a_look_goes_through_each_folder_once_also_where_there_are_very_many(tmp_path):
    world = World(tmp_path)
    nobodys = world.fill(120_000)
    world.look()
    assert world.bucket.given == 120_000 + 120_000 - 3
    world.look()
    assert sorted(world.bucket.deleted) == nobodys


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_what_is_found_does_not_depend_on_how_many_are_in_memory(tmp_path, piece):
    world = World(tmp_path, piece=piece)
    nobodys = world.fill(40)
    random.Random(3).shuffle(world.bucket.keys[keys.DATA])  # there are stores that list in no order
    world.look()
    world.look()
    assert sorted(world.bucket.deleted) == nobodys
    assert list(tmp_path.iterdir()) == []


def test_a_long_look_goes_on_a_moment_at_a_time_and_rests_after_it(tmp_path):
    world = World(tmp_path, page_seconds=0.4)
    world.fill(20_000)
    assert world.look() > 4
    given = world.bucket.given
    world.clock.advance(KEEP_SECONDS)
    world.orphans.empty(KEEP_SECONDS)
    assert world.bucket.given == given


def test_what_was_nobodys_for_too_short_a_time_stays(tmp_path):
    """The time is between two looks: how long a look takes does not count."""
    world = World(tmp_path, page_seconds=KEEP_SECONDS)
    world.fill(5_000)
    world.look()
    assert world.bucket.deleted == []


def test_nothing_goes_that_is_about_to_be_named_or_once_the_place_is_anothers(tmp_path):
    world = World(tmp_path)
    nobodys = world.fill(40)
    world.under_way = {nobodys[0].removeprefix(f"{keys.DATA}/")}
    world.look()
    world.tenure.is_lost = True
    with pytest.raises(UnavailableError):
        world.look()
    assert world.bucket.deleted == []
    world.tenure.is_lost = False
    world.look()
    assert sorted(world.bucket.deleted) == nobodys[1:]


def test_a_look_that_failed_begins_anew(tmp_path, monkeypatch):
    world = World(tmp_path)
    nobodys = world.fill(40)
    world.look()
    with monkeypatch.context() as patched:
        patched.setattr(world.orphans, "_under_way", lambda: (_ for _ in ()).throw(UnavailableError("no answer")))
        with pytest.raises(UnavailableError):
            world.look()
    world.look()
    assert sorted(world.bucket.deleted) == nobodys
