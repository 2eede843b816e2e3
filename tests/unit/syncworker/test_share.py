"""A worker's share of a run: what is tried again, what is given up, what is told, and what is left to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.clock import ManualClock
from holdfast.errors import (
    HoldfastError,
    StaleWriterError,
    UpstreamDeniedError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from holdfast.meta import keys, versions
from holdfast.meta.fetches import WORKER
from holdfast.meta.mirrorruns import Counts, MirrorRuns, Part
from holdfast.meta.store import Delete
from holdfast.mirrors.entries import Entry
from syncworker.jobs import Copied, Progress
from syncworker.share import Mirror, Share
from syncworker.upstream.pace import Retry, Time
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import new_ids

ENTRY = Entry("0123456789", 0, "pull", "https://there")
ONE, TWO = names.repository("team/one"), names.repository("team/two")
DOWN = UpstreamUnavailableError("down")
NEW_ID = new_ids()

Act = Callable[[Progress], None]


@dataclass
class FakeJob:
    """``acts`` are done one after the other for a tag, when it is copied; then it is copied."""

    content: dict[str, list[str]]
    acts: dict[tuple[str, str], list[Act | HoldfastError]] = field(default_factory=dict)
    listing: HoldfastError | None = None
    copied: list[tuple[str, str]] = field(default_factory=list)

    def repositories(self):
        yield from self.content
        if self.listing:
            raise self.listing

    def tags(self, repository):
        return sorted(self.content[repository])

    def copy(self, repository, tag, progress):
        self.copied.append((repository, tag))
        acts = self.acts.get((repository, tag), [])
        while acts:
            act = acts.pop(0)
            if isinstance(act, HoldfastError):
                raise act
            act(progress)
        progress.moved(10)
        return Copied(is_changed=True, size_bytes=10, digest=digests.of(b"image"))


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.pauses: list[float] = []
        self.runs = self.worker("me")
        self.is_stopping = False

    def worker(self, name: str) -> MirrorRuns:
        versions.announce(self.store, WORKER, name, "0.1.0", self.store.grant_lease(1e6).lease_id, name)
        return MirrorRuns(self.store, NEW_ID, name)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    def take(self, job: FakeJob, *, retries: int = 2, timeout_seconds: float = 0.0, first_seconds: float = 1.0):
        """A run, from its beginning or from where it stands; what the record says afterwards."""
        standing = self.runs.look(ENTRY.id)
        run = standing.run if standing.run.is_running else self.runs.begin(standing, ENTRY.title, self.clock.wall())
        mirror = Mirror(ENTRY, job, 3600.0, 1, timeout_seconds, Retry(retries, first_seconds, 8.0))
        Share(mirror, self.runs, Time(self.clock, self.pause, lambda: 0.999), lambda: self.is_stopping).take(run)
        return self.runs.look(ENTRY.id).run


@pytest.fixture
def world() -> World:
    return World()


def test_everything_is_copied_counted_and_the_run_over(world):
    run = world.take(FakeJob({ONE: ["v1", "v2"], TWO: ["v1"]}))
    assert (run.is_running, run.counts, run.has_failed) == (False, Counts(seen=3, changed=3, size_bytes=30), False)
    assert run.succeeded_seconds == run.ended_seconds > 0


def test_what_passes_is_tried_again_with_growing_pauses(world):
    times: list[float] = []

    def down(_progress):
        times.append(world.clock.now)
        raise DOWN

    def up(_progress):
        times.append(world.clock.now)

    job = FakeJob({ONE: ["v1"]}, {(ONE, "v1"): [down, down, up]})
    assert world.take(job).counts == Counts(seen=1, changed=1, size_bytes=10)
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [1, 2]


def test_what_does_not_pass_is_told_and_the_next_image_gone_on_with(world):
    job = FakeJob({ONE: ["v1", "v2"]}, {(ONE, "v1"): [DOWN, DOWN, DOWN]})
    run = world.take(job)
    assert run.counts == Counts(seen=2, changed=1, failed=1, size_bytes=10)
    assert (run.failure.message, run.failure.repository, run.failure.tag) == ("down", ONE, "v1")
    assert run.has_failed
    assert run.succeeded_seconds == 0


@pytest.mark.parametrize("error", [UpstreamDeniedError("no"), UpstreamWrongError("other bytes")])
def test_what_asking_again_does_not_cure_is_not_asked_again(world, error):
    job = FakeJob({ONE: ["v1"]}, {(ONE, "v1"): [error]})
    assert world.take(job).counts.failed == 1
    assert (job.copied, world.pauses) == ([(ONE, "v1")], [])


def test_an_upstream_that_stays_away_is_not_asked_for_every_image(world):
    tags = [f"v{number}" for number in range(9)]
    job = FakeJob({ONE: tags}, {(ONE, tag): [DOWN] for tag in tags})
    run = world.take(job, retries=0)
    assert len(job.copied) == 5
    assert run.counts == Counts(seen=5, failed=9)


def test_an_image_that_takes_too_long_is_left_and_the_next_one_has_its_own_time(world):
    slow = [lambda progress: (world.clock.advance(31.0), progress.moved(5))]
    job = FakeJob({ONE: ["v1", "v2"]}, {(ONE, "v1"): slow})
    run = world.take(job, timeout_seconds=30.0)
    assert run.counts == Counts(seen=2, changed=1, failed=1, size_bytes=15)
    assert "syncTimeout" in run.failure.message
    assert job.copied == [(ONE, "v1"), (ONE, "v2")]


def test_an_image_that_breaks_the_job_does_not_break_the_run(world):
    def broken(_progress):
        raise ZeroDivisionError

    run = world.take(FakeJob({ONE: ["v1", "v2"]}, {(ONE, "v1"): [broken]}))
    assert run.counts == Counts(seen=2, changed=1, failed=1, size_bytes=10)


def test_named_repositories_are_copied_though_the_others_cannot_be_listed(world):
    run = world.take(FakeJob({ONE: ["v1"]}, listing=UpstreamDeniedError("no catalog")))
    assert (run.counts, run.failure.message) == (Counts(seen=1, changed=1, failed=1, size_bytes=10), "no catalog")


def test_a_run_without_a_list_is_over_and_has_failed(world):
    run = world.take(FakeJob({}, listing=DOWN))
    assert (run.is_running, run.failure.message) == (False, "down")


def test_a_paused_mirror_leaves_what_is_under_way_and_goes_on_behind_what_is_done(world):
    def pausing(progress):
        world.runs.pause(ENTRY.id)
        world.clock.advance(3.0)
        progress.moved(1)

    job = FakeJob({ONE: ["v1", "v2", "v3"]}, {(ONE, "v2"): [pausing]})
    run = world.take(job)
    assert run.is_running
    assert run.counts == Counts(seen=1, changed=1, size_bytes=10)
    assert [part.worker for part in world.runs.parts(ENTRY.id)] == [""]
    world.runs.resume(ENTRY.id)
    assert world.take(job).counts == Counts(seen=3, changed=3, size_bytes=30)
    assert job.copied == [(ONE, "v1"), (ONE, "v2"), (ONE, "v2"), (ONE, "v3")]


def test_who_pauses_a_mirror_does_not_wait_for_the_next_try(world):
    def down(_progress):
        world.runs.pause(ENTRY.id)
        raise DOWN

    job = FakeJob({ONE: ["v1"]}, {(ONE, "v1"): [down]})
    assert world.take(job, first_seconds=600.0).counts == Counts()
    assert sum(world.pauses) < 10
    assert job.copied == [(ONE, "v1")]


def test_a_worker_that_stops_lets_go_at_the_image_under_way(world):
    def stopping(progress):
        world.is_stopping = True
        progress.moved(1)

    job = FakeJob({ONE: ["v1", "v2"]}, {(ONE, "v1"): [stopping]})
    assert world.take(job).is_running
    assert job.copied == [(ONE, "v1")]
    assert [part.worker for part in world.runs.parts(ENTRY.id)] == [""]


def test_a_worker_that_was_taken_over_from_ends_at_once_and_counts_nothing(world):
    seen: list[type] = []

    def taken_over(progress):
        world.store.txn((), [Delete(keys.process(WORKER, "me"))])
        other = world.worker("other")
        part = other.claim(other.look(ENTRY.id).run, ONE)
        assert isinstance(part, Part)
        world.is_stopping = True  # it would wait for the other one
        world.clock.advance(3.0)
        try:
            progress.moved(1)
        except HoldfastError as error:
            seen.append(type(error))
            raise

    job = FakeJob({ONE: ["v1", "v2"]}, {(ONE, "v1"): [taken_over]})
    run = world.take(job)
    assert seen == [StaleWriterError]
    assert (run.is_running, run.counts) == (True, Counts())
    assert [part.worker for part in world.runs.parts(ENTRY.id)] == ["other"]


def test_what_another_worker_is_at_is_waited_for_and_gone_on_with_when_it_is_gone(world):
    other = world.worker("other")
    run = world.runs.begin(world.runs.look(ENTRY.id), "", 0.0)
    part = other.claim(run, ONE)
    other.report(part, "v1", Counts(seen=1, changed=1))
    waited = world.pause

    def pause(seconds: float) -> None:
        world.store.txn((), [Delete(keys.process(WORKER, "other"))])
        waited(seconds)

    world.pause = pause
    job = FakeJob({ONE: ["v1", "v2"], TWO: ["v1"]})
    assert world.take(job).counts == Counts(seen=3, changed=3, size_bytes=20)
    assert job.copied == [(TWO, "v1"), (ONE, "v2")]
