"""What every storage node keeps to: the real one behind gRPC, and the fake that other tests stand on.

The real one is reached by a Unix socket, with one disk and with two, with an object store in place of either, and over mutual TLS
on an address of loopback that is not the usual one.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.certs.peer import Role
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    DigestInvalidError,
    OffsetError,
    RangeInvalidError,
    RequestInvalidError,
    SizeInvalidError,
    StaleWriterError,
    TooLargeError,
    UploadUnknownError,
)
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.collecting import Order
from holdfast.rpc.host import host_id
from holdfast.rpc.methods import MAX_PUT_BYTES
from holdfast.rpc.node import NodeClient, UploadKey, Want
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions, RoomOptions
from storagenode.server import NodeServer
from tests.fakes.memory_node import MemoryNode
from tests.fakes.object_servers import SERVERS
from tests.fakes.papers import Papers
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.credentials import Credentials
    from tests.fakes.places import Prefix

REPOSITORY = "library/alpine"
MIB = 1 << 20


@dataclass
class Subject:
    """``operator``: the same node, for what only operators may ask."""

    client: NodeClient
    operator: NodeClient
    damage: Callable[[Digest, bytes], None]


def _grpc(path: Path) -> contextlib.AbstractContextManager[Subject]:
    return _served(NodeOptions(path / "data", f"unix:{path}/s", reserve_bytes=0), None, None)


def _rooms(path: Path) -> contextlib.AbstractContextManager[Subject]:
    """Uploads go to another disk than what is put without a word of where."""
    room = RoomOptions("/library", path / "room", reserve_bytes=0)
    return _served(NodeOptions(path / "data", f"unix:{path}/s", reserve_bytes=0, rooms=(room,)), None, None)


def _tls(path: Path) -> contextlib.AbstractContextManager[Subject]:
    papers = Papers(path / "certs")
    tls = papers.issue(Role.NODE, ["127.0.0.2"])
    return _served(
        NodeOptions(path / "data", "127.0.0.2:0", reserve_bytes=0, tls=tls),
        papers.credentials(Role.GATEWAY),
        papers.credentials(Role.OPS),
    )


def _objects(path: Path) -> contextlib.AbstractContextManager[Subject]:
    return _in(SERVERS["versitygw"]().place(), path)


def _azure(path: Path) -> contextlib.AbstractContextManager[Subject]:
    return _in(SERVERS["azurite"]().place(), path)


def _in(place: Prefix, path: Path) -> contextlib.AbstractContextManager[Subject]:
    return _served(
        NodeOptions(path / "data", f"unix:{path}/s", reserve_bytes=0, bucket=place.bucket()), None, None, place
    )


def _object_room(path: Path) -> contextlib.AbstractContextManager[Subject]:
    """Uploads go to an object store, what is put without a word of where to the disk."""
    place = SERVERS["versitygw"]().place()
    room = RoomOptions("/library", path / "room", reserve_bytes=0, bucket=place.bucket())
    return _served(NodeOptions(path / "data", f"unix:{path}/s", reserve_bytes=0, rooms=(room,)), None, None, place)


@contextlib.contextmanager
def _served(
    options: NodeOptions,
    credentials: Credentials | None,
    for_operators: Credentials | None,
    place: Prefix | None = None,
) -> Iterator[Subject]:
    server = NodeServer(options)
    address = server.start()
    client = GrpcNode(address, host_id=host_id(), credentials=credentials)
    operator = GrpcNode(address, host_id="", credentials=for_operators)
    trees = [Tree(str(directory)) for directory in (options.data_dir, *(room.directory for room in options.rooms))]

    def damage(digest: Digest, data: bytes) -> None:
        found = [path for tree in trees if (path := Path(tree.blob(digest))).exists()]
        if place is not None and not found:
            place.damage(digest, data)
            return
        (blob,) = found
        blob.write_bytes(data)

    try:
        yield Subject(client, operator, damage)
    finally:
        operator.close()
        client.close()
        server.stop(0)


@contextlib.contextmanager
def _memory(_path: Path) -> Iterator[Subject]:
    node = MemoryNode()
    yield Subject(node, node, node.blobs.__setitem__)


SUBJECTS = {
    "grpc": _grpc,
    "rooms": _rooms,
    "tls": _tls,
    "objects": _objects,
    "object room": _object_room,
    "azure": _azure,
    "memory": _memory,
}


@pytest.fixture(scope="module", params=SUBJECTS.values(), ids=SUBJECTS)
def subject(request, tmp_path_factory) -> Iterator[Subject]:
    with request.param(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def node(subject: Subject) -> NodeClient:
    return subject.client


def begin(node: NodeClient, data: bytes = b"", principal: str = "") -> UploadKey:
    key = UploadKey(node.start_upload(REPOSITORY, principal, None).upload_id, REPOSITORY, principal)
    if data:
        node.append(key, 0, [data])
    return key


def stored(node: NodeClient, data: bytes) -> Digest:
    return node.put_blob(digests.of(data), data).digest


def test_an_upload_becomes_a_blob(node):
    data = [bytes([n]) * MIB for n in range(3)] + [b"end"]
    whole = b"".join(data)
    key = begin(node)
    assert node.append(key, 0, data).offset_bytes == len(whole)
    blob = node.finish_upload(key, digests.of(whole))
    assert (blob.digest, blob.size_bytes) == (digests.of(whole), len(whole))
    assert b"".join(node.read_blob(Want(blob.digest, len(whole)), 0, None)) == whole


def test_an_upload_says_how_many_read_it_while_it_grows(node):
    key = begin(node, b"a" * 10)
    assert node.upload_state(key).followers == 0
    streams = [node.follow_upload(key.upload_id, 0) for _ in range(2)]
    for stream in streams:
        next(stream)
    assert node.upload_state(key).followers == 2
    streams[0].close()
    wait_for("one to have left", lambda: node.upload_state(key).followers == 1)
    node.cancel_upload(key)
    with pytest.raises(CorruptError):
        list(streams[1])


def test_upload_ids_need_no_escaping_in_a_path(node):
    upload_id = begin(node).upload_id
    assert upload_id.replace("-", "").isalnum()
    assert upload_id.startswith(f"{node.node_id}-")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake3"])
@pytest.mark.parametrize("announced", [True, False])
def test_every_registered_algorithm_closes_an_upload(node, algorithm, announced):
    data = b"some bytes" * 1000
    state = node.start_upload(REPOSITORY, "", algorithm if announced else None)
    key = UploadKey(state.upload_id, REPOSITORY)
    node.append(key, None, [data])
    digest = digests.of(data, algorithm)
    assert node.finish_upload(key, digest).digest == digest
    assert node.stat_blobs([Want(digest, len(data))])[0] is not None


def test_an_algorithm_that_cannot_be_computed_is_refused(node):
    with pytest.raises(DigestInvalidError):
        node.start_upload(REPOSITORY, "", "md5")
    key = begin(node, b"x")
    with pytest.raises(DigestInvalidError):
        node.finish_upload(key, digests.parse("md5:00"))
    assert node.upload_state(key).offset_bytes == 1


def test_bytes_at_a_wrong_offset_change_nothing(node):
    key = begin(node, b"abc")
    for offset in (0, 2, 4):
        with pytest.raises(OffsetError) as refused:
            node.append(key, offset, [b"x"])
        assert refused.value.offset_bytes == 3
    assert node.append(key, 3, [b"d"]).offset_bytes == 4
    assert node.finish_upload(key, digests.of(b"abcd")).size_bytes == 4


def test_a_writer_with_a_lower_token_than_was_seen_is_refused_and_changes_nothing(node):
    key = begin(node)
    node.append(key, 0, [b"abc"], 7)
    with pytest.raises(StaleWriterError):
        node.append(key, 3, [b"x"], 6)
    assert node.append(key, 3, [b"d"], 7).offset_bytes == 4
    assert node.append(key, 4, [b"e"], 9).offset_bytes == 5
    with pytest.raises(StaleWriterError):
        node.append(key, 5, [b"x"], 8)
    assert node.finish_upload(key, digests.of(b"abcde")).size_bytes == 5


def test_no_offset_means_wherever_it_stands(node):
    key = begin(node, b"abc")
    assert node.append(key, None, [b"d", b"", b"e"]).offset_bytes == 5


def test_an_upload_is_invisible_to_other_repositories_and_principals(node):
    key = begin(node, b"abc", principal="alice")
    for other in (
        UploadKey(key.upload_id, "other/repo", "alice"),
        UploadKey(key.upload_id, REPOSITORY, "bob"),
        UploadKey(key.upload_id, REPOSITORY),
        UploadKey("nobody-" + "0" * 32, REPOSITORY, "alice"),
        UploadKey("../../etc/passwd", REPOSITORY, "alice"),
    ):
        with pytest.raises(UploadUnknownError):
            node.upload_state(other)
        with pytest.raises(UploadUnknownError):
            node.append(other, None, [b"x"])
        with pytest.raises(UploadUnknownError):
            node.open_append(other, None)
        with pytest.raises(UploadUnknownError):
            node.finish_upload(other, digests.of(b"abc"))
        with pytest.raises(UploadUnknownError):
            node.cancel_upload(other)
    assert node.upload_state(key).offset_bytes == 3


def test_a_principal_may_have_any_name(node):
    key = begin(node, b"abc", principal="Zoë/ü@例え")
    assert node.upload_state(key).offset_bytes == 3


def test_a_body_that_breaks_off_raises_its_own_error_and_leaves_what_arrived(node):
    key = begin(node)

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        yield b"def"
        raise SizeInvalidError("the body ended early")

    with pytest.raises(SizeInvalidError):
        node.append(key, 0, chunks())
    assert node.upload_state(key).offset_bytes == 6
    assert node.append(key, 6, [b"ghi"]).offset_bytes == 9


def test_other_bytes_than_named_drop_the_upload(node):
    key = begin(node, b"abc")
    for _ in range(2):  # a repeated call hears the same
        with pytest.raises(DigestInvalidError):
            node.finish_upload(key, digests.of(b"other"))
    with pytest.raises(UploadUnknownError):
        node.upload_state(key)
    assert node.stat_blobs([Want(digests.of(b"abc")), Want(digests.of(b"other"))]) == [None, None]


def test_a_repeated_finish_finds_the_result(node):
    key = begin(node, b"finished twice")
    digest = digests.of(b"finished twice")
    first = node.finish_upload(key, digest)
    again = node.finish_upload(key, digest)
    assert (again.digest, again.size_bytes) == (first.digest, first.size_bytes)
    with pytest.raises(UploadUnknownError):
        node.finish_upload(UploadKey(key.upload_id, "other/repo"), digest)


def test_a_repeated_finish_does_not_answer_for_bytes_that_were_swept(node):
    key = begin(node, b"swept")
    blob = node.finish_upload(key, digests.of(b"swept"))
    assert node.delete_blob(blob.digest, blob.stamp)
    with pytest.raises(UploadUnknownError):
        node.finish_upload(key, blob.digest)


def test_a_cancelled_upload_is_gone(node):
    key = begin(node, b"abc")
    node.cancel_upload(key)
    with pytest.raises(UploadUnknownError):
        node.append(key, None, [b"d"])
    with pytest.raises(UploadUnknownError):
        node.cancel_upload(key)


def test_a_node_that_collects_no_garbage_says_so(subject):
    with pytest.raises(RequestInvalidError):
        list(subject.operator.collect(Order()))


def test_open_uploads_are_listed_whoever_began_them(subject, node):
    first, second = begin(node, b"abc", "alice"), begin(node, b"", "bob")
    finished = begin(node, b"done")
    node.finish_upload(finished, digests.of(b"done"))
    listed = list(subject.operator.list_uploads())
    found = {upload.key: upload for upload in listed}
    assert found.keys() & {first, second, finished} == {first, second}
    assert (found[first].offset_bytes, found[second].offset_bytes) == (3, 0)
    assert all(upload.idle_seconds >= 0 for upload in listed)
    assert [upload.key.upload_id for upload in listed] == sorted(upload.key.upload_id for upload in listed)
    subject.operator.cancel_upload(first)
    assert first not in {upload.key for upload in subject.operator.list_uploads()}


def test_an_empty_blob_is_a_blob(node):
    digest = digests.of(b"")
    assert node.finish_upload(begin(node), digest).size_bytes == 0
    assert list(node.read_blob(Want(digest, 0), 0, None)) == []


def test_followers_see_bytes_as_they_arrive_and_the_last_one_only_after_the_commit(node):
    key = begin(node, b"x" * MIB)
    heard: list[bytes] = []
    some = threading.Event()

    def follow() -> None:
        for message in node.follow_upload(key.upload_id, 0):
            heard.append(bytes(message))
            some.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert some.wait(10)
    node.append(key, MIB, [b"yz"])
    assert not b"".join(heard).endswith(b"z")
    node.finish_upload(key, digests.of(b"x" * MIB + b"yz"))
    follower.join(10)
    assert not follower.is_alive()
    assert b"".join(heard) == b"x" * MIB + b"yz"


def test_a_follower_may_begin_anywhere_and_come_late(node):
    key = begin(node, b"0123456789")
    node.finish_upload(key, digests.of(b"0123456789"))
    assert b"".join(node.follow_upload(key.upload_id, 4)) == b"456789"


@pytest.mark.parametrize("how", ["cancel", "digest"])
def test_followers_of_a_dropped_upload_hear_that_it_is_not_complete(node, how):
    key = begin(node, b"x" * 100)
    stream = node.follow_upload(key.upload_id, 0)
    first = next(stream)
    if how == "cancel":
        node.cancel_upload(key)
    else:
        with pytest.raises(DigestInvalidError):
            node.finish_upload(key, digests.of(b"other"))
    rest = []
    with pytest.raises(CorruptError):
        rest.extend(stream)
    assert len(bytes(first) + b"".join(rest)) < 100


def test_following_an_unknown_upload_is_refused(node):
    with pytest.raises(UploadUnknownError):
        list(node.follow_upload("nobody-" + "0" * 32, 0))


def test_put_stores_a_small_blob(node):
    data = b"p" * MAX_PUT_BYTES
    digest = digests.of(data)
    assert node.put_blob(digest, data).size_bytes == MAX_PUT_BYTES
    assert b"".join(node.read_blob(Want(digest), 0, None)) == data
    with pytest.raises(TooLargeError):
        node.put_blob(digests.of(data + b"p"), data + b"p")
    with pytest.raises(DigestInvalidError):
        node.put_blob(digests.of(b"named"), b"sent")
    assert node.stat_blobs([Want(digests.of(b"named"))]) == [None]


def test_stat_answers_in_order(node):
    one, two, none = stored(node, b"one"), stored(node, b"two"), digests.of(b"none")
    found = node.stat_blobs([Want(none), Want(two, 3), Want(digests.parse("md5:00")), Want(one)])
    assert [blob.digest if blob else None for blob in found] == [None, two, None, one]
    assert node.stat_blobs([]) == []


def test_a_copy_of_another_size_is_no_copy_and_pushing_again_heals_it(subject):
    node = subject.client
    digest = stored(node, b"healed")
    before = node.status().quarantined
    subject.damage(digest, b"short")
    assert node.stat_blobs([Want(digest, 6)]) == [None]
    wait_for("the copy to be found out", lambda: node.status().quarantined == before + 1)
    with pytest.raises(BlobUnknownError):
        list(node.read_blob(Want(digest, 6), 0, None))
    stored(node, b"healed")
    assert b"".join(node.read_blob(Want(digest, 6), 0, None)) == b"healed"


def test_a_copy_asked_for_at_a_false_size_is_not_given_and_stays(node):
    digest = stored(node, b"nobody's word counts")
    before = node.status().quarantined
    assert node.stat_blobs([Want(digest, 6)]) == [None]
    for begin in (0, 2):
        with pytest.raises((CorruptError, BlobUnknownError)):
            next(iter(node.read_blob(Want(digest, 6), begin, None)))
    with pytest.raises((CorruptError, BlobUnknownError)):
        node.open_blob(Want(digest, 6))
    assert node.prove_blob(Want(digest, 6), lambda: None) is None
    assert b"".join(node.read_blob(Want(digest, 20), 0, None)) == b"nobody's word counts"
    assert node.status().quarantined == before


def test_a_copy_is_proven_by_its_bytes(subject):
    node = subject.client
    digest = stored(node, b"as it is named")
    found = node.prove_blob(Want(digest, 14), lambda: None)
    assert found is not None
    assert (found.digest, found.size_bytes) == (digest, 14)
    assert node.prove_blob(Want(digests.of(b"nobody has this")), lambda: None) is None
    assert node.prove_blob(Want(digests.parse("md5:00")), lambda: None) is None


@pytest.mark.parametrize("damaged", [b"rots in the dark", b"cut"], ids=["same size", "other size"])
def test_a_copy_that_cannot_be_proven_goes_into_quarantine(subject, damaged):
    node = subject.client
    digest = stored(node, b"right in the end")
    assert node.prove_blob(Want(digest), lambda: None) is not None  # a proof does not outlive the bytes that it is for
    before = node.status().quarantined
    subject.damage(digest, damaged)
    assert node.prove_blob(Want(digest, 16), lambda: None) is None
    assert node.status().quarantined == before + 1
    assert node.stat_blobs([Want(digest)]) == [None]


def test_who_waits_for_a_proof_hears_that_it_goes_on(node):
    key = begin(node, bytes(40 * MIB))
    digest = digests.of(bytes(40 * MIB))
    node.finish_upload(key, digest)
    signs = []
    assert node.prove_blob(Want(digest, 40 * MIB), lambda: signs.append(1)) is not None
    assert signs


def test_a_read_of_a_copy_of_another_size_is_refused_before_the_first_byte(subject):
    node = subject.client
    for ask in (
        node.open_blob,
        lambda want: next(iter(node.read_blob(want, 0, None))),
        lambda want: next(iter(node.read_blob(want, 2, 3))),
    ):
        digest = stored(node, b"refused")
        subject.damage(digest, b"refused and more")
        with pytest.raises(CorruptError):
            ask(Want(digest, 7))
        wait_for("the copy to be found out", lambda digest=digest: node.stat_blobs([Want(digest)]) == [None])


def test_a_whole_read_withholds_the_end_of_wrong_bytes(subject):
    node = subject.client
    data = b"a" * (2 * MIB + 5)
    digest = stored(node, data)
    subject.damage(digest, b"b" + data[1:])
    came = []
    with pytest.raises(CorruptError):
        came.extend(node.read_blob(Want(digest, len(data)), 0, None))
    assert len(b"".join(came)) == 2 * MIB
    assert node.stat_blobs([Want(digest)]) == [None]


def test_a_push_over_damaged_bytes_of_the_right_size_heals_them(subject):
    node = subject.client
    digest = stored(node, b"right size")
    subject.damage(digest, b"wrong size")
    stored(node, b"right size")
    assert b"".join(node.read_blob(Want(digest, 10), 0, None)) == b"right size"


def test_ranges(node):
    data = bytes(range(256)) * 8192  # 2 MiB
    digest = stored(node, data)
    for offset, length in [(0, 1), (5, 10), (MIB - 1, 2), (100, None), (0, 10 * MIB), (len(data) - 1, 5)]:
        end = len(data) if length is None else offset + length
        assert b"".join(node.read_blob(Want(digest), offset, length)) == data[offset:end]
    with pytest.raises(RangeInvalidError) as refused:
        list(node.read_blob(Want(digest), len(data), None))
    assert refused.value.size_bytes == len(data)


def test_what_is_not_there_is_unknown(node):
    for digest in (digests.of(b"never stored"), digests.parse("md5:00"), digests.parse("x" * 100 + ":" + "y" * 155)):
        with pytest.raises(BlobUnknownError):
            list(node.read_blob(Want(digest), 0, None))
        assert node.delete_blob(digest, "") is False


@pytest.mark.parametrize("for_good", [False, True])
def test_a_delete_is_conditional_on_the_stamp(node, for_good):
    digest = stored(node, b"deleted")
    (listed,) = (blob for blob in node.list_blobs(digest.partition, digest.partition) if blob.digest == digest)
    again = node.stat_blobs([Want(digest)])[0]  # a "have it" answer makes the listing stale
    assert again is not None
    assert again.stamp != listed.stamp
    assert node.delete_blob(digest, listed.stamp, for_good=for_good) is False
    assert node.delete_blob(digest, again.stamp, for_good=for_good) is True
    assert node.stat_blobs([Want(digest)]) == [None]
    assert node.delete_blob(digest, again.stamp, for_good=for_good) is False


def test_a_commit_changes_the_stamp(node):
    first = node.put_blob(digests.of(b"stamped"), b"stamped")
    second = node.put_blob(digests.of(b"stamped"), b"stamped")
    assert first.stamp != second.stamp
    assert node.delete_blob(first.digest, first.stamp) is False


def test_the_inventory_is_sorted_by_partition_and_digest(node):
    for number in range(50):
        data = f"listed {number}".encode()
        node.put_blob(digests.of(data, ("sha256", "sha512")[number % 2]), data)
    listed = list(node.list_blobs(0, 4095))
    order = [(blob.digest.partition, str(blob.digest)) for blob in listed]
    assert order == sorted(order)
    assert len(set(order)) == len(order) >= 50
    middle = listed[len(listed) // 2].digest.partition
    parts = [*node.list_blobs(0, middle), *node.list_blobs(middle + 1, 4095)]
    assert [blob.digest for blob in parts] == [blob.digest for blob in listed]
    with pytest.raises(RequestInvalidError):
        list(node.list_blobs(0, 4096))


@pytest.mark.parametrize("size", [0, 5, 3 * MIB + 1])
def test_a_copy_from_another_node_is_durable_when_it_was_received(node, size):
    data = bytes([size % 251]) * size
    digest = digests.of(data, "sha512")
    pieces = [data[at : at + MIB] for at in range(0, size, MIB)]
    assert node.receive(digest, size, pieces).size_bytes == size
    assert b"".join(node.read_blob(Want(digest, size), 0, None)) == data
    assert node.receive(digest, size, pieces).digest == digest  # again: a copy like any other


def test_nothing_is_kept_of_a_copy_that_breaks_off_or_has_other_bytes(node):
    data = b"received" * 1000
    digest = digests.of(data)
    with pytest.raises(SizeInvalidError):
        node.receive(digest, len(data), [data[:100]])
    with pytest.raises((SizeInvalidError, DigestInvalidError)):
        node.receive(digest, len(data), [data, b"more"])
    with pytest.raises(DigestInvalidError):
        node.receive(digest, len(data), [bytes(len(data))])

    def broken() -> Iterator[bytes]:
        yield data[:100]
        raise CorruptError("the copy here is shorter than it was")

    uploads = node.status().uploads
    with pytest.raises(CorruptError):
        node.receive(digest, len(data), broken())
    assert node.stat_blobs([Want(digest)]) == [None]
    assert node.status().uploads == uploads


def test_a_copy_of_an_algorithm_that_cannot_be_computed_is_refused(node):
    with pytest.raises(DigestInvalidError):
        node.receive(digests.parse("md5:00"), 1, [b"x"])


def test_sums_of_partitions_follow_what_is_in_them(node):
    digest = digests.of(b"summed")
    partition = digest.partition

    def here():
        return {one.partition: (one.copies, one.total) for one in node.sum_partitions(partition, partition)}

    before = here()
    blob = node.put_blob(digest, b"summed")
    after = here()
    assert after[partition][0] == before.get(partition, (0, b""))[0] + 1
    assert after != before
    node.put_blob(digest, b"summed")
    assert here() == after
    (held,) = node.stat_blobs([Want(digest)])
    assert node.delete_blob(blob.digest, held.stamp)
    assert here() == before


def test_sums_cover_a_range_and_leave_out_what_is_empty(node):
    for number in range(5):
        stored(node, b"in a range %d" % number)
    held = {blob.digest.partition for blob in node.list_blobs(0, 4095)}
    found = [one.partition for one in node.sum_partitions(0, 4095)]
    assert found == sorted(held)
    middle = found[len(found) // 2]
    parts = [*node.sum_partitions(0, middle), *node.sum_partitions(middle + 1, 4095)]
    assert parts == list(node.sum_partitions(0, 4095))
    for first, last in ((5, 4), (0, 4096)):
        with pytest.raises(RequestInvalidError):
            node.sum_partitions(first, last)


def test_status_names_the_node(node):
    status = node.status()
    assert status.node_id == node.node_id
    assert status.cluster_id == "local"
    assert 0 < status.free_bytes <= status.capacity_bytes
    assert not status.read_only
