"""Which sync worker is asked, and which one after it."""

from __future__ import annotations

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, UpstreamMissingError, WorkerUnreachableError
from holdfast.meta.versions import Living
from holdfast.names import repository
from holdfast.replicas.workers import Workers
from holdfast.rpc.sync import Underway

REPO = repository("up/app")
DIGESTS = [digests.of(b"%d" % number) for number in range(64)]


class Worker:
    """Answers with its own name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.error: Exception | None = None

    def fetch_blob(self, _repository, _digest, _patience_seconds):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Underway(self.name)


class World:
    def __init__(self, *names: str) -> None:
        self.clock = ManualClock()
        self.known = {name: Worker(name) for name in names}
        self.error: Exception | None = None

    def living(self):
        if self.error is not None:
            raise self.error
        return [Living("worker", name, "0.1.0", name) for name in self.known]

    def workers(self) -> Workers:
        """As one gateway process sees them."""
        return Workers(self.living, self.known.__getitem__, self.clock)


def asked(workers: Workers) -> list[str]:
    return [workers.fetch_blob(REPO, digest).upload_id for digest in DIGESTS]


def test_all_gateways_ask_the_same_worker_for_the_same_digest_and_all_workers_are_asked():
    world = World("a", "b", "c")
    assert asked(world.workers()) == asked(world.workers())
    assert set(asked(world.workers())) == {"a", "b", "c"}


def test_a_worker_that_is_gone_moves_only_what_was_its_own():
    world = World("a", "b", "c")
    before = asked(world.workers())
    del world.known["b"]
    after = asked(world.workers())
    assert all(now == was for was, now in zip(before, after, strict=True) if was != "b")


def test_who_does_not_answer_is_passed_over_and_rests():
    world = World("a", "b")
    world.known["a"].error = WorkerUnreachableError("gone")
    workers = world.workers()
    assert set(asked(workers)) == {"b"}
    assert world.known["a"].asked == 1
    world.known["a"].error = None
    world.clock.advance(10.0)
    assert set(asked(workers)) == {"a", "b"}


def test_what_a_worker_says_of_an_upstream_is_the_answer_and_nobody_else_is_asked():
    world = World("a", "b")
    for worker in world.known.values():
        worker.error = UpstreamMissingError("none")
    with pytest.raises(UpstreamMissingError):
        world.workers().fetch_blob(REPO, DIGESTS[0])
    assert sum(worker.asked for worker in world.known.values()) == 1


def test_without_a_worker_nothing_can_be_asked():
    with pytest.raises(WorkerUnreachableError):
        World().workers().fetch_blob(REPO, DIGESTS[0])


def test_the_only_worker_is_waited_for_while_it_is_started_again():
    world = World("a")
    world.known["a"].error = WorkerUnreachableError("starting")

    def pause(seconds: float) -> None:
        world.clock.advance(seconds)
        if world.known["a"].asked == 3:
            world.known["a"].error = None

    workers = Workers(world.living, world.known.__getitem__, world.clock, 5.0, pause)
    assert workers.fetch_blob(REPO, DIGESTS[0]).upload_id == "a"
    world.known["a"].asked, world.known["a"].error = 100, WorkerUnreachableError("gone")
    with pytest.raises(WorkerUnreachableError):
        workers.fetch_blob(REPO, DIGESTS[0])


def test_the_last_known_workers_are_asked_while_the_metadata_is_away():
    world = World("a")
    workers = world.workers()
    assert set(asked(workers)) == {"a"}
    world.error = MetadataUnavailableError("no quorum")
    world.clock.advance(60.0)
    assert set(asked(workers)) == {"a"}
