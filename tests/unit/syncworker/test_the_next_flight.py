"""One fetch after another of the same blob: what the next one makes of what the one before has left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import NodeUnreachableError, UnavailableError, UpstreamUnavailableError
from holdfast.meta import versions
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.placement.layout import Rules
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.node import UploadKey
from syncworker.aloft import OWNER, PRINCIPAL, Flight
from syncworker.flight import Runner, Tools
from syncworker.linking import Linking
from tests.fakes.memory_node import MemoryNode
from tests.fakes.several import Several
from tests.unit.meta.world import REPO, new_ids, world

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYER = bytes(range(256)) * 8
DIGEST = digests.of(LAYER)
PIECE_BYTES = 256


def key_of(upload_id: str) -> UploadKey:
    return UploadKey(upload_id, OWNER, PRINCIPAL)


@dataclass
class Upstream:
    """Stands for ``Sources`` and for the one upstream behind it. ``breaks_at``: of the blob, once. ``meanwhile``: at that place."""

    given_bytes: int = 0
    breaks_at: int | None = None
    meanwhile: list = field(default_factory=list)

    def ask(self, repository, question):
        return question(self, repository)

    def blob(self, _name, _digest, at_bytes, **_more):
        return Stream(self, at_bytes)


@dataclass
class Stream:
    """An answer of the upstream."""

    upstream: Upstream
    at_bytes: int
    total_bytes: int = len(LAYER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """There is no connection."""

    def __iter__(self) -> Iterator[bytes]:
        for start in range(self.at_bytes, len(LAYER), PIECE_BYTES):
            if self.upstream.breaks_at == start:
                self.upstream.breaks_at = None
                while self.upstream.meanwhile:
                    self.upstream.meanwhile.pop()()
                raise UpstreamUnavailableError("it broke off")
            piece = LAYER[start : start + PIECE_BYTES]
            self.upstream.given_bytes += len(piece)
            yield piece


class Bench:
    """One worker over storage nodes in memory. A pause moves the clock."""

    def __init__(self) -> None:
        self.nodes = {name: MemoryNode(name) for name in ("a", "b")}
        self.directory = Several(*self.nodes.values(), rules=Rules(1, 1))
        self.clock = ManualClock()
        self.upstream = Upstream()
        self.store, self.repos = world()
        self.lease_id = self.store.grant_lease(10.0).lease_id
        versions.announce(self.store, WORKER, "me", "0.1.0", self.lease_id, "me:1")
        reader, writer = ReplicaReader(self.directory, self.clock), ReplicaWriter(self.directory, None, None)
        self.fetches = Fetches(self.store, new_ids(), "me")
        linking = Linking(self.repos, reader, writer, lambda _repository, _size: None)
        self.tools = Tools(self.fetches, self.repos, writer, linking, self.upstream, self.pause, self.clock)

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def fetch(self) -> Flight:
        flight = Flight(DIGEST, len(LAYER), [REPO])
        Runner(self.tools).run(flight)
        return flight

    @property
    def upload_id(self) -> str:
        return self.fetches.look(DIGEST).fetch.upload_id

    def node_of(self, upload_id: str) -> MemoryNode:
        return self.nodes[upload_id.partition("-")[0]]

    def holders(self) -> set[str]:
        return {name for name, node in self.nodes.items() if node.blobs.get(DIGEST) == LAYER}

    def is_over(self) -> bool:
        """Stored, linked, and nothing left."""
        uploads = [upload for node in self.nodes.values() for upload in node.list_uploads()]
        is_linked = self.repos.link(REPO, DIGEST) is not None
        return bool(self.holders()) and is_linked and not uploads and self.fetches.look(DIGEST).fetch is None


@pytest.fixture
def bench():
    return Bench()


def break_off(bench: Bench) -> str:
    """In the middle; the upload that is left."""
    bench.upstream.breaks_at = 1024
    bench.fetch()
    assert not bench.holders()
    return bench.upload_id


def test_what_broke_off_is_gone_on_with(bench):
    former = break_off(bench)
    assert bench.fetch().begun.result(0).upload_id == former
    assert bench.is_over()
    assert bench.upstream.given_bytes == len(LAYER)


def test_what_was_dropped_or_has_expired_is_fetched_anew(bench):
    former = break_off(bench)
    bench.node_of(former).cancel_upload(key_of(former))
    assert bench.fetch().begun.result(0).upload_id != former
    assert bench.is_over()
    assert bench.upstream.given_bytes == len(LAYER) + 1024


def test_a_node_that_comes_back_in_time_costs_the_upstream_nothing(bench):
    former = break_off(bench)
    node = bench.node_of(former)
    node.fail_with = NodeUnreachableError("it was killed")
    began = bench.clock.monotonic()

    def pause(seconds: float) -> None:
        bench.pause(seconds)
        if bench.clock.monotonic() - began > 9:
            node.fail_with = None

    bench.tools = replace(bench.tools, pause=pause)
    assert bench.fetch().begun.result(0).upload_id == former
    assert bench.is_over()
    assert bench.upstream.given_bytes == len(LAYER)


def test_a_node_that_stays_away_costs_what_it_had(bench):
    former = break_off(bench)
    bench.node_of(former).fail_with = NodeUnreachableError("it was killed")
    began = bench.clock.monotonic()
    with pytest.raises(UnavailableError):
        bench.fetch().begun.result(0)
    assert bench.clock.monotonic() - began < 15
    assert bench.node_of(bench.upload_id) is not bench.node_of(former)
    found = bench.fetch().begun.result(0)
    assert bench.holders() == {found.upload_id.partition("-")[0]}
    assert bench.upstream.given_bytes == len(LAYER) + 1024


def test_what_a_node_has_that_stays_away_is_kept_where_there_is_no_other(bench):
    former = break_off(bench)
    for node in bench.nodes.values():
        node.fail_with = NodeUnreachableError("they were killed")
    with pytest.raises(UnavailableError):
        bench.fetch().begun.result(0)
    assert bench.upload_id == former
    for node in bench.nodes.values():
        node.fail_with = None
    bench.fetch()
    assert bench.is_over()
    assert bench.upstream.given_bytes == len(LAYER)


def test_a_node_that_is_back_when_it_is_given_up_is_gone_on_with(bench):
    former = break_off(bench)
    node = bench.node_of(former)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node, "upload_state", lambda _key: (_ for _ in ()).throw(NodeUnreachableError("not yet")))
        with pytest.raises(UnavailableError):
            bench.fetch().begun.result(0)
    assert bench.upload_id == former
    bench.fetch()
    assert bench.is_over()
    assert bench.upstream.given_bytes == len(LAYER)


def test_a_worker_that_was_taken_over_from_leaves_everything_to_the_next(bench):
    def taken_over() -> None:
        bench.store.revoke_lease(bench.lease_id)
        other = Fetches(bench.store, new_ids(), "other")
        assert other.take(DIGEST, other.look(DIGEST)) is not None

    bench.upstream.meanwhile.append(taken_over)
    former = break_off(bench)
    record = bench.fetches.look(DIGEST).fetch
    assert (record.worker, record.upload_id) == ("other", former)
    assert bench.node_of(former).upload_state(key_of(former)).offset_bytes == 1024


def test_a_node_that_dies_of_every_append_does_not_hold_a_fetch_for_ever(bench):
    former = break_off(bench)
    bench.node_of(former).append = lambda *_: (_ for _ in ()).throw(NodeUnreachableError("it dies of each append"))
    bench.directory.ingest = lambda: [bench.nodes["b"]]
    bench.fetch()
    assert bench.upload_id.startswith("b-")


def test_a_blob_that_was_stored_before_its_node_could_say_so_is_not_fetched_again(bench):
    former = break_off(bench)
    node = bench.node_of(former)
    node.blobs[DIGEST] = LAYER
    node.cancel_upload(key_of(former))
    assert bench.fetch().begun.result(0) is None
    assert bench.is_over()
    assert bench.upstream.given_bytes == 1024
