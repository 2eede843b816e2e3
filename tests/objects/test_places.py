"""Whose a place in an object store is, and that none is ever taken for an empty one."""

from __future__ import annotations

import contextlib
import shutil
import threading
from types import SimpleNamespace

import pytest

from holdfast import digest as digests
from holdfast.errors import ConfigError, ReadOnlyError, UnavailableError
from holdfast.rpc.node import Want
from storagenode import opening
from storagenode.node import StaysHere
from storagenode.objects import keys
from storagenode.options import NodeOptions, RoomOptions
from storagenode.server import NodeServer
from tests.objects.test_tidying import tidy
from tests.unit.storagenode.conftest import Bench, begin, put, read

DATA = b"kept through all of it"


def test_blobs_are_there_after_a_restart(bench):
    digest = put(bench.start(), DATA)
    node = bench.restart()
    assert read(node, digest) == DATA
    assert [blob.digest for blobs in node.list_blobs(0, 4095) for blob in blobs] == [digest]


def test_an_upload_goes_on_after_a_restart_and_is_hashed_and_sent_from_what_was_staged(bench):
    node = bench.start()
    staged = b"".join(bytes([number]) * 1_000_000 for number in range(7))
    key = begin(node, staged)
    node = bench.restart()
    assert node.upload_state(key).offset_bytes == len(staged)
    node.append(key, len(staged), [b"b" * 100], lambda: None)
    whole = staged + b"b" * 100
    node.finish_upload(key, digests.of(whole))
    assert read(node, digests.of(whole)) == whole


def test_a_lost_local_directory_loses_no_blob(bench):
    node = bench.start()
    digest, name = put(node, DATA), node.status().node_id
    bench.stop()
    shutil.rmtree(bench.path / "data")
    node = bench.start()
    assert node.status().node_id == name
    assert read(node, digest) == DATA


def test_another_node_gets_no_place_that_is_taken(bench, place):
    bench.start()
    options = NodeOptions(bench.path / "other", f"unix:{bench.path}/o", cluster_id="another", bucket=place.bucket())
    with pytest.raises(ConfigError, match="belongs to the storage node"):
        NodeServer(options)


def test_a_directory_whose_blobs_are_in_an_object_store_is_never_taken_for_an_empty_one(bench, place):
    put(bench.start(), DATA)
    bench.stop()
    del bench.options["bucket"]
    with pytest.raises(ConfigError, match="no storageDriver is configured"):
        bench.start()
    bench.options["bucket"] = place.server.place().bucket()
    with pytest.raises(ConfigError, match="nothing is where storageDriver says"):
        bench.start()


def test_an_object_store_does_not_hide_what_is_on_the_disk(bench, place):
    bucket = bench.options.pop("bucket")
    digest = put(bench.start(), DATA)
    bench.stop()
    bench.options["bucket"] = bucket
    with pytest.raises(ConfigError, match="would hide them"):
        bench.start()
    del bench.options["bucket"]
    assert read(bench.start(), digest) == DATA


def test_a_process_that_was_replaced_deletes_nothing_any_more(bench, place):
    """As when the machine hangs for an hour, and its place is given to another one meanwhile."""
    node = bench.start()
    digest = put(node, DATA)
    (stored,) = node.stat_blobs([Want(digest)])
    shutil.copytree(bench.path / "data", bench.path / "b" / "data", ignore=shutil.ignore_patterns("lock", "blobs"))
    successor = Bench(bench.path / "b", bench.files, options={"bucket": place.bucket()})
    try:
        other = successor.start()
        with pytest.raises(ReadOnlyError, match="taken over"):
            node.delete_blob(digest, stored.stamp)
        assert read(other, digest) == DATA
    finally:
        successor.stop()


def test_what_is_not_where_the_room_of_its_repository_is_now_is_still_found(bench, place):
    """A route that got an object store later: what was stored before is on the main disk."""
    bench.options.pop("bucket")
    digest = put(bench.start(), DATA)
    bench.stop()
    bench.options["rooms"] = (RoomOptions("/library", bench.path / "room", 0, bucket=place.bucket()),)
    node = bench.start()
    assert read(node, digest) == DATA
    other = begin(node, b"goes to the object store")
    node.finish_upload(other, digests.of(b"goes to the object store"))
    assert len(place.data_of(digests.of(b"goes to the object store"))) == 1
    assert place.data_of(digest) == []


def test_a_room_in_an_object_store_that_does_not_answer_does_not_hold_up_the_disk(bench, place):
    bench.options.pop("bucket")
    bench.options["rooms"] = (RoomOptions("/library", bench.path / "room", 0, bucket=place.bucket()),)
    node = bench.start()
    digest = put(node, DATA)
    with place.server.fault("", "/", "unheard"):
        assert read(node, digest) == DATA
        assert node.stat_blobs([Want(digest)])[0] is not None


class TakenElsewhere:
    """The cluster's side of a node whose name another one has."""

    placer = StaysHere()
    metadata = None
    pace = SimpleNamespace(heard=lambda: None)

    def start(self, *_: object) -> None:
        raise ConfigError("it is alive elsewhere")


def test_a_node_that_is_refused_has_taken_nothing_from_the_one_whose_place_it_wanted(bench, place):
    node = bench.start()
    digest = put(node, DATA)
    (stored,) = node.stat_blobs([Want(digest)])
    options = NodeOptions(bench.path / "other", f"unix:{bench.path}/o", bucket=place.bucket(), reserve_bytes=0)
    refused = NodeServer(options, join=lambda *_: TakenElsewhere())
    with pytest.raises(ConfigError, match="elsewhere"):
        refused.start()
    with pytest.raises(UnavailableError, match="not taken its place"):
        refused.node.stat_blobs([Want(digest)])  # nor does it say what it has
    refused._server.stop(0).wait()
    refused.node.close()
    assert node.delete_blob(digest, stored.stamp)


@contextlib.contextmanager
def successor_of(bench, place):
    """The same node on another machine."""
    shutil.copytree(bench.path / "data", bench.path / "b" / "data", ignore=shutil.ignore_patterns("lock", "blobs"))
    successor = Bench(bench.path / "b", bench.files, options={"bucket": place.bucket()})
    try:
        yield successor
    finally:
        successor.stop()


class Stopped:
    """A bucket whose process is stopped before the n-th thing that it changes from now on, until it is told to go on."""

    def __init__(self, bucket, monkeypatch, steps):
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._left = steps
        for name in ("delete", "put"):
            monkeypatch.setattr(bucket, name, self._stopping(getattr(bucket, name)))

    def _stopping(self, real):
        def change(*args):
            if self._left == 0:
                self.reached.set()
                assert self.go_on.wait(30)
            self._left -= 1
            return real(*args)

        return change


@pytest.mark.parametrize("steps", range(2))
@pytest.mark.parametrize("for_good", [False, True])
def test_a_delete_that_was_stopped_at_the_worst_moment_takes_nothing_that_a_successor_relies_on(
    bench, place, monkeypatch, steps, for_good
):
    """It had looked, and the place was its own. Then nothing for an hour; another process takes over and says "have it"."""
    node = bench.start()
    digest = put(node, DATA)
    (stored,) = node.stat_blobs([Want(digest)])
    stopped = Stopped(node._store._bucket, monkeypatch, steps)
    late = threading.Thread(target=lambda: node.delete_blob(digest, stored.stamp, for_good=for_good))
    late.start()
    assert stopped.reached.wait(30)
    with successor_of(bench, place) as successor:
        other = successor.start()
        (relied_on,) = other.stat_blobs([Want(digest)])
        stopped.go_on.set()
        late.join()
        assert relied_on is not None
        assert other.stat_blobs([Want(digest)]) != [None]
        tidy(successor)
        assert read(other, digest) == DATA
        successor.restart()
        assert read(successor.server.node, digest) == DATA


def test_a_restart_on_the_same_directory_goes_on_as_before_and_puts_no_names_anew(bench, place):
    digest = put(bench.start(), DATA)
    node = bench.restart()
    place.server.asked()
    assert node.stat_blobs([Want(digest)]) != [None]
    assert not [line for line in place.server.asked() if line.startswith("PUT")]


def test_what_a_successor_has_named_anew_goes_whole_when_it_is_deleted_or_wrong(bench, place):
    former = bench.start()
    digests_of = [put(former, data) for data in (DATA, b"another one")]
    with successor_of(bench, place) as successor:
        node = successor.start()
        deleted, wrong = (stored.digest for stored in node.stat_blobs([Want(digest) for digest in digests_of]))
        assert node.delete_blob(deleted, node.stat_blobs([Want(deleted)])[0].stamp)
        for key in set(place.data_of(wrong)):
            place.bucket().put(key, b"rotten")
        assert node.stat_blobs([Want(deleted), Want(wrong)]) == [None, None]
        assert node.status().quarantined == 1
        tidy(successor)
        assert not place.data_of(deleted)
        assert len([*place.bucket().list(keys.DATA)]) == 1  # the bytes in quarantine


def test_names_from_before_there_were_reigns_are_read_and_kept(bench, place):
    node = bench.start()
    digest, bucket = digests.of(DATA), place.bucket()
    old = keys.Entry(digest, len(DATA), "0" * 32)
    bucket.put(old.data, DATA)
    bucket.put(old.key, b"")
    assert read(node, digest) == DATA
    assert node.stat_blobs([Want(digest)]) != [None]
    tidy(bench)
    assert read(bench.restart(), digest) == DATA


def test_reigns_leave_no_names_behind(bench, place, monkeypatch):
    digest = put(bench.start(), DATA)
    for boot in ("one", "two", "three"):
        monkeypatch.setattr(opening, "host_id", lambda boot=boot: boot)
        node = bench.restart()
        assert node.stat_blobs([Want(digest)]) != [None]
    (name,) = [keys.parse(found.key) for found in place.bucket().list(keys.of_digest(digest))]
    assert name.reign == node._store._tenure.reign
    tidy(bench)
    assert read(node, digest) == DATA
