"""The directory of a cluster: who reads, who writes, who takes uploads in, by what the metadata says."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, NodeUnreachableError, UnavailableError, UploadUnknownError
from holdfast.meta import keys
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Alive, Declared, Intent, Members
from holdfast.meta.store import Delete
from holdfast.placement.layout import Rules
from holdfast.replicas.cluster import ClusterDirectory
from holdfast.replicas.read import ReplicaReader
from holdfast.rpc.node import Want
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.views import THREE, layout_of

DIGEST = digests.of(b"some bytes")
GIB = 1 << 30


class World:
    """Metadata, nodes by name, and a directory that is read when a test says so."""

    def __init__(self, host_id: str = "") -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        numbers = itertools.count(1)
        self.members = Members(self.store, lambda: next(numbers).to_bytes(16), self.clock)
        self.book = LayoutBook(self.store, lambda: next(numbers).to_bytes(16), self.clock)
        self.connected: list[tuple[str, str]] = []
        self.directory = ClusterDirectory(self.store, self.book, self.members, self.connect, self.clock, host_id)
        self.lease = self.store.grant_lease(1000).lease_id

    def connect(self, node_id: str, address: str) -> MemoryNode:
        self.connected.append((node_id, address))
        if address.startswith("nowhere"):
            raise ConfigError("plaintext may not go there")
        return MemoryNode(node_id)

    def join(self, *names: str, host_id: str = "h", free_bytes: int = 50 * GIB, address: str = "", **said) -> None:
        for name in names:
            self.members.register(name, Declared(address or f"{name}:1", said.pop("zone", "z"), 100 * GIB))
            self.members.announce(name, Alive(b"b", "0", host_id, free_bytes, 100 * GIB, **said), self.lease)

    def apply(self, *names: str, rules: Rules = THREE) -> None:
        live = self.book.live()
        self.book.publish(layout_of(len(live.layouts.live) + 1 if live.layouts else 1, *names, rules=rules), live)
        self.directory.refresh()

    def dies(self, name: str) -> None:
        self.store.txn([], [Delete(keys.alive(name))])
        self.directory.refresh()

    def readers(self) -> list[str]:
        return [node.node_id for node in self.directory.readers(DIGEST)]

    def ingest(self) -> list[str]:
        return [node.node_id for node in self.directory.ingest()]


@pytest.fixture
def world():
    made = World()
    made.join("a", "b", "c", "d")
    made.apply("a", "b", "c", "d")
    return made


def owners(world: World) -> list[str]:
    return list(world.directory.view.owners(DIGEST.partition))


def test_owners_are_asked_first_and_everybody_is_asked(world):
    world.join("new")
    world.directory.refresh()
    assert world.readers()[:3] == owners(world)
    assert world.readers()[4:] == ["new"]


def test_who_is_down_is_asked_last_never_left_out(world):
    first, second, third = owners(world)
    world.dies(first)
    (handoff,) = {"a", "b", "c", "d"} - {first, second, third}
    assert world.readers() == [second, third, handoff, first]
    world.directory.pulse.failed(second)
    assert world.readers() == [third, handoff, first, second]


def test_the_quickest_owner_is_asked_first_and_one_of_this_host_before_it():
    world = World(host_id="here")
    world.join("a", "b", "c")
    world.join("d", host_id="here")
    world.apply("a", "b", "c", "d", rules=Rules(4, 3))
    for name, seconds in {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.4}.items():
        world.directory.pulse.answered(name, seconds)
    assert world.readers() == ["d", "c", "b", "a"]
    assert [node.node_id for node in world.directory.near(DIGEST)] == ["d"]


def test_readers_beyond_the_first_are_not_even_connected_to_before_somebody_wants_them(world):
    world.connected.clear()
    assert next(iter(world.directory.readers(DIGEST))).node_id == owners(world)[0]
    assert len(world.connected) == 1


def test_a_removed_node_is_neither_read_from_nor_written_to_and_a_handoff_takes_its_place(world):
    gone = owners(world)[0]
    world.members.order(gone, intent=Intent.REMOVED)
    world.directory.refresh()
    placing = world.directory.placing(DIGEST)
    assert gone not in (*world.readers(), *world.ingest(), *placing.order, *placing.zones)
    assert (len(placing.owners), placing.vacant) == (2, 1)
    with pytest.raises(UploadUnknownError):
        world.directory.by_upload(f"{gone}-123")


def test_nothing_is_placed_before_there_is_a_layout():
    world = World()
    world.join("a")
    world.directory.refresh()
    with pytest.raises(NodeUnreachableError):
        world.directory.placing(DIGEST)


def test_copies_go_to_the_owners_of_all_live_layouts_and_then_to_handoffs_of_the_newest(world):
    world.join("e", "new")
    world.apply("b", "c", "d", "e")
    placing = world.directory.placing(DIGEST)
    newest = world.book.live().layouts.newest
    assert placing.owners[:3] == newest.owners(DIGEST.partition)
    assert set(placing.owners) >= set(world.book.live().layouts.oldest.owners(DIGEST.partition))
    assert "new" not in placing.order
    assert set(placing.order) <= {"a", "b", "c", "d", "e"}
    assert placing.nodes.keys() == set(placing.order)
    assert (placing.version, placing.layout_revision) == (newest.version, world.book.live().revision)


def test_a_node_that_no_layout_names_may_place_what_it_took_in(world):
    world.join("new", zone="elsewhere")
    world.directory.refresh()
    assert world.directory.placing(DIGEST).zones["new"] == "elsewhere"


def test_one_write_knows_of_a_few_handoffs_only_and_first_of_those_that_are_well():
    world = World()
    names = [f"n{number:02}" for number in range(40)]
    world.join(*names)
    world.apply(*names)
    everybody = world.directory.view.everybody(DIGEST.partition)
    world.dies(everybody[3])
    placing = world.directory.placing(DIGEST)
    assert placing.order == (*everybody[:3], *everybody[4:20])
    for name in everybody[5:]:
        world.dies(name)
    assert world.directory.placing(DIGEST).order[3] == everybody[4]


@pytest.mark.parametrize(
    "how", [{"read_only": True}, {"free_bytes": GIB, "reserve_bytes": 2 * GIB}], ids=["read-only", "full"]
)
def test_read_only_and_full_nodes_take_no_copies_and_no_uploads_while_others_can(how):
    world = World()
    world.join("a", "b", "c")
    world.join("d", **how)
    world.apply("a", "b", "c", "d")
    assert world.directory.placing(DIGEST).down == {"d"}
    assert world.ingest()[-1] == "d"


def test_uploads_go_round(world):
    assert {world.ingest()[0] for _ in range(4)} == {"a", "b", "c", "d"}


def test_uploads_keep_to_nodes_with_room_that_the_layout_names_and_that_stay(world):
    world.join("full", free_bytes=GIB)
    world.join("new")
    world.apply("a", "b", "c", "d", "full")
    world.members.order("c", intent=Intent.DRAINING)
    world.directory.pulse.failed("d")
    world.directory.refresh()
    for _ in range(12):
        order = world.ingest()
        assert set(order[:2]) == {"a", "b"}
        assert set(order[2:4]) == {"c", "new"}
        assert order[4:] == ["full", "d"]


@pytest.mark.parametrize(
    ("free", "reserve"), [(10 * GIB, 6 * GIB), (GIB, GIB // 2)], ids=["its reserve is near", "less than a layer"]
)
def test_an_upload_that_may_have_to_be_refused_in_the_middle_begins_elsewhere(world, free, reserve):
    world.join("e", free_bytes=free, reserve_bytes=reserve)
    world.apply("a", "b", "c", "d", "e")
    assert {world.ingest()[-1] for _ in range(5)} == {"e"}


def test_uploads_keep_to_this_host():
    world = World(host_id="here")
    world.join("a", "b")
    world.join("c", host_id="here")
    world.apply("a", "b", "c")
    assert {world.ingest()[0] for _ in range(6)} == {"c"}


def test_without_a_living_node_nothing_is_taken_in():
    world = World()
    world.directory.refresh()
    with pytest.raises(NodeUnreachableError):
        world.directory.ingest()


@pytest.mark.parametrize(
    "question",
    [
        lambda directory: directory.readers(DIGEST),
        lambda directory: directory.ingest(),
        lambda directory: directory.placing(DIGEST),
        lambda directory: directory.by_upload("a-123"),
    ],
    ids=["readers", "ingest", "placing", "by_upload"],
)
def test_before_the_members_were_read_nothing_is_said_to_be_missing(question):
    world = World()
    world.store.close()
    with pytest.raises(UnavailableError) as refused:
        question(world.directory)
    assert "no layout" not in refused.value.message


def test_a_blob_is_not_missing_while_nobody_is_known_who_could_be_asked():
    world = World()
    reader = ReplicaReader(world.directory, world.clock)
    for _ in range(2):
        with pytest.raises(NodeUnreachableError):
            reader.stat([Want(DIGEST)])
        with pytest.raises(NodeUnreachableError):
            next(reader.read(Want(DIGEST), 0, None))
        world.directory.refresh()  # and now it is known that there is none


def test_an_upload_on_a_node_that_has_just_joined_is_found(world):
    world.clock.advance(10)
    world.join("new")
    assert world.directory.by_upload("new-123").node_id == "new"


def test_made_up_uploads_do_not_make_a_gateway_read_the_metadata_each_time(world):
    world.clock.advance(10)
    with pytest.raises(UploadUnknownError):
        world.directory.by_upload("nobody-123")
    reads = world.store.reads
    for _ in range(10):
        with pytest.raises(UploadUnknownError):
            world.directory.by_upload("nobody-123")
    assert world.store.reads == reads


def test_a_member_with_an_unusable_address_is_a_node_that_does_not_answer(world):
    world.join("lost", address="nowhere:1")
    world.apply("a", "b", "c", "lost")
    lost = world.directory.client("lost")
    with pytest.raises(NodeUnreachableError):
        lost.stat_blobs([Want(DIGEST)])
    assert set(world.readers()) == {"a", "b", "c", "d", "lost"}
    assert "lost" in {name for _ in range(9) for name in world.directory.placing(DIGEST).nodes}


def test_a_node_that_moved_is_reached_at_its_new_address(world):
    before = world.directory.client("a")
    assert world.directory.client("a") is before
    world.join("a", address="a:2")
    world.directory.refresh()
    assert world.directory.client("a") is not before
    assert world.connected[-1] == ("a", "a:2")


def test_a_view_never_goes_back(world):
    reached, go_on = threading.Event(), threading.Event()
    read_alive = world.members.alive

    def slow_alive():
        if not reached.is_set():
            reached.set()
            assert go_on.wait(30)
        return read_alive()

    world.members.alive = slow_alive
    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(world.directory.refresh)
        assert reached.wait(30)
        world.book.publish(layout_of(2, "a", "b", "c"), world.book.live())
        newer = threads.submit(world.directory.refresh)
        newer_is_first = threading.Event()
        newer.add_done_callback(lambda _: newer_is_first.set())
        newer_is_first.wait(0.2)
        go_on.set()
        older.result(30)
        newer.result(30)
    assert world.directory.view.layouts.newest.version == 2


def test_what_is_placed_afresh_knows_the_layout_of_now(world):
    world.book.publish(layout_of(2, "a", "b", "c"), world.book.live())
    assert world.directory.placing(DIGEST).version == 1
    assert world.directory.placing(DIGEST, fresh=True).version == 2
