"""Whose a place in an object store is, and that none is ever taken for an empty one."""

from __future__ import annotations

import shutil

import pytest

from holdfast import digest as digests
from holdfast.errors import ConfigError, ReadOnlyError
from holdfast.rpc.node import Want
from storagenode.options import NodeOptions, RoomOptions
from storagenode.server import NodeServer
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
