"""One blob on its way: what is asked when, what is left behind, and who is told what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import CorruptError, UploadUnknownError, UpstreamMissingError, UpstreamUnavailableError
from holdfast.meta.fetches import Fetches
from holdfast.meta.repos import Repositories
from holdfast.names import Repository
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from syncworker.fetching import Fetching
from syncworker.flight import Runner, Tools
from syncworker.linking import Linking
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.serving import wait_for
from tests.unit.meta.world import new_ids

REPO = Repository("up/app")
DATA = b"a layer of some bytes"
DIGEST = digests.of(DATA)


class Stream(list[bytes]):
    """A blob's bytes as an upstream sends them."""

    def __init__(self, upstream: Upstream, offset_bytes: int) -> None:
        super().__init__([upstream.data[offset_bytes:]])
        self.total_bytes = len(upstream.data)
        self._upstream = upstream

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._upstream.open -= 1


class Upstream:
    """``fails``: what it answers in place of the blob. ``gate``: it answers only when that is set."""

    def __init__(self, data: bytes = DATA, fails: Exception | None = None) -> None:
        self.data = data
        self.fails = fails
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.open = 0

    def blob(self, _name, _digest, offset_bytes=0, **_options):
        self.asked += 1
        assert self.gate.wait(30)
        if self.fails:
            raise self.fails
        self.open += 1
        return Stream(self, offset_bytes)


class Sources:
    """As the configuration names them, for every repository."""

    def __init__(self, *upstreams: Upstream) -> None:
        self.upstreams = upstreams

    def ask(self, repository, question):
        worst = None
        for upstream in self.upstreams:
            try:
                return question(upstream, repository)
            except (UpstreamMissingError, UpstreamUnavailableError) as error:
                worst = error
        raise worst


class World:
    def __init__(self, pool, *upstreams: Upstream) -> None:
        clock = ManualClock()
        store = MemoryStore(clock)
        self.repos = Repositories(store, new_ids(), clock)
        self.node = MemoryNode()
        directory = OneNode(self.node)
        reader = ReplicaReader(directory, clock)
        self.writer = ReplicaWriter(directory, FanOut(directory, pool, clock), lambda *_: None, reader.remember)
        linking = Linking(self.repos, reader, self.writer, lambda _repository, _size: None)
        self.fetches = Fetches(store, new_ids(), "local")
        self.sources = Sources(*upstreams)
        pause = threading.Event()
        tools = Tools(self.fetches, self.repos, self.writer, linking, self.sources, pause.wait, SystemClock())
        self.fetching = Fetching(self.repos, linking, self.sources, Runner(tools), SystemClock())

    def end(self, upload_id: str) -> bytes:
        return b"".join(self.node.follow_upload(upload_id, 0))

    def settled(self) -> bool:
        """Nothing is under way, and nothing is left of what was."""
        for thread in threading.enumerate():
            if thread.name.startswith("fetch-"):
                thread.join(30)
        return self.fetches.look(DIGEST).fetch is None and self.node.list_uploads() == []


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_a_digest_that_only_the_upstream_can_vouch_for_is_asked_for_once_by_however_many(pool):
    upstream = Upstream()
    upstream.gate.clear()
    world = World(pool, upstream)
    calls = [pool.submit(world.fetching.fetch, REPO, DIGEST) for _ in range(5)]
    upstream.gate.set()
    # Whoever comes when it is over hears that it is stored.
    told = [call.result(30) for call in calls]
    assert {world.end(underway.upload_id) if underway else world.node.blobs[DIGEST] for underway in told} == {DATA}
    assert world.settled()
    assert (upstream.asked, upstream.open) == (1, 0)


def test_what_is_stored_is_linked_without_a_write_that_claims_it(pool):
    upstream = Upstream()
    world = World(pool, upstream)
    world.writer.put(DIGEST, DATA, REPO)
    world.node.calls.clear()
    assert world.fetching.fetch(REPO, DIGEST) is None
    assert world.repos.link(REPO, DIGEST).size_bytes == len(DATA)
    assert world.settled()
    assert (upstream.open, world.node.calls.count("start_upload")) == (0, 0)


def test_an_upload_that_was_begun_beside_the_question_is_gone_when_no_upstream_has_the_blob(pool):
    upstream = Upstream(fails=UpstreamMissingError("none"))
    world = World(pool, upstream)
    named(world)
    with pytest.raises(UpstreamMissingError):
        world.fetching.fetch(REPO, DIGEST)
    assert world.settled()
    assert (upstream.asked, world.node.calls.count("cancel_upload")) == (1, 1)


def test_the_upload_is_begun_and_claimed_while_the_upstream_has_not_answered(pool):
    upstream = Upstream()
    upstream.gate.clear()
    world = World(pool, upstream)
    named(world)
    call = pool.submit(world.fetching.fetch, REPO, DIGEST)
    claimed = wait_for("the claim", lambda: world.fetches.look(DIGEST).fetch)
    assert not call.done()
    upstream.gate.set()
    assert call.result(30).upload_id == claimed.upload_id
    assert world.end(claimed.upload_id) == DATA
    assert world.settled()


def test_who_was_told_of_an_upload_that_could_not_be_claimed_is_told_of_the_next_one(pool):
    upstream = Upstream()
    world = World(pool, upstream)
    named(world)
    takes, take = [], world.fetches.take

    def lose_once(digest, standing, upload_id=""):
        takes.append(upload_id)
        return take(digest, standing, upload_id) if len(takes) > 1 else None

    world.fetches.take = lose_once
    told = world.fetching.fetch(REPO, DIGEST)
    while told is not None and told.upload_id == takes[0]:
        with pytest.raises((CorruptError, UploadUnknownError)):
            world.end(told.upload_id)
        told = world.fetching.fetch(REPO, DIGEST)
    assert world.settled()
    assert world.node.blobs[DIGEST] == DATA
    assert (upstream.asked, upstream.open) == (1, 0)


def test_a_source_that_failed_when_it_was_asked_ahead_is_not_asked_again(pool):
    down, up = Upstream(fails=UpstreamUnavailableError("down")), Upstream()
    world = World(pool, down, up)
    named(world)
    assert world.end(world.fetching.fetch(REPO, DIGEST).upload_id) == DATA
    assert world.settled()
    assert (down.asked, up.asked, up.open) == (1, 1, 0)


def named(world: World) -> None:
    """The repository links the digest, so that nobody needs to ask an upstream whether it may have it."""
    world.repos.add_link(REPO, DIGEST, len(DATA), world.repos.fence(DIGEST), "upstream")
