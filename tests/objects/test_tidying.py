"""What is deleted, and what never became a blob, goes in the end; what is somebody's never does."""

from __future__ import annotations

import pytest

from holdfast import digest as digests
from holdfast.errors import ReadOnlyError, UnavailableError
from holdfast.rpc.node import Want
from storagenode.objects import keys
from storagenode.objects.owner import Tenure
from tests.unit.storagenode.conftest import begin, put, read

DATA = b"deleted and wanted back"
KEEP_SECONDS = 100.0


def tidy(bench) -> int:
    """Two looks, with all the time between them that is asked for."""
    store = bench.server.node._store
    trashes = [one.trash for one in bench.server.duties._tidying._bins]
    found = sum(one.empty(KEEP_SECONDS).count for one in trashes)
    bench.clock.advance(KEEP_SECONDS + 1)
    assert store is bench.server.node._store
    return found + sum(one.empty(KEEP_SECONDS).count for one in trashes)


def objects(place, folder: str) -> list[str]:
    return [found.key for found in place.bucket().list(folder)]


def delete(node, digest) -> None:
    (stored,) = node.stat_blobs([Want(digest)])
    assert node.delete_blob(digest, stored.stamp)


def test_a_deleted_copy_lies_in_the_trash_for_a_while(bench, place):
    node = bench.start()
    digest = put(node, DATA)
    delete(node, digest)
    assert node.stat_blobs([Want(digest)]) == [None]
    assert len(objects(place, keys.DATA)) == len(objects(place, keys.TRASH)) == 1
    assert tidy(bench) == 1
    assert objects(place, keys.DATA) == objects(place, keys.TRASH) == []


def test_what_was_pushed_again_meanwhile_stays(bench):
    node = bench.start()
    digest = put(node, DATA)
    delete(node, digest)
    put(node, DATA)
    tidy(bench)
    assert read(node, digest) == DATA


def test_a_delete_that_died_half_way_takes_no_bytes_of_a_blob_that_is_there(bench, place):
    """It was noted in the trash, and its name was still to be taken away."""
    node = bench.start()
    digest = put(node, DATA)
    (stored,) = node.stat_blobs([Want(digest)])
    with place.server.fault("", "delete", "503"), pytest.raises(UnavailableError):
        node.delete_blob(digest, stored.stamp)
    assert len(objects(place, keys.TRASH)) == 1
    tidy(bench)
    assert read(node, digest) == DATA


def test_a_copy_that_was_replaced_can_be_read_to_its_end(bench, place):
    node = bench.start()
    data = bytes(3 << 20)
    digest = put(node, data)
    reading = node.read_blob(Want(digest), 0, None)
    first = next(reading)
    put(node, data)
    assert first + b"".join(reading) == data
    tidy(bench)
    assert len(objects(place, keys.DATA)) == 1
    assert read(node, digest) == data


def test_bytes_that_never_became_a_blob_go(bench, place):
    node = bench.start()
    kept = put(node, DATA)
    bucket = place.bucket()
    bucket.put(keys.data("0" * 32), b"a former process died before it could name this")
    tidy(bench)
    assert objects(place, keys.DATA) == place.data_of(kept)


def test_bytes_that_are_about_to_be_named_do_not_go(bench, place):
    node = bench.start()
    key = begin(node, DATA)
    with place.server.fault("PUT", "/blobs/", "503"), pytest.raises(UnavailableError):
        node.finish_upload(key, digests.of(DATA))
    assert len(objects(place, keys.DATA)) == 1
    tidy(bench)
    node.finish_upload(key, digests.of(DATA))
    assert read(node, digests.of(DATA)) == DATA


def test_bytes_in_quarantine_stay(bench, place):
    node = bench.start()
    digest = put(node, DATA)
    place.damage(digest, b"rotten")
    assert node.stat_blobs([Want(digest)]) == [None]
    tidy(bench)
    assert len(objects(place, keys.DATA)) == len(objects(place, keys.QUARANTINE)) == 1
    assert bench.restart().status().quarantined == 1


def test_an_empty_registry_asks_the_object_store_no_4096_questions(bench, place):
    node = bench.start()
    digest = put(node, DATA)
    place.server.asked()
    assert [blob.digest for blobs in node.list_blobs(0, 4095) for blob in blobs] == [digest]
    assert len([line for line in place.server.asked() if "list-type" in line]) < 5


def in_the_trash(bench, count: int):
    """So many blobs that were deleted long ago; and the trash they lie in."""
    node = bench.start()
    for number in range(count):
        delete(node, put(node, b"deleted %d" % number))
    (trash,) = [one.trash for one in bench.server.duties._tidying._bins]
    trash.empty(KEEP_SECONDS)
    bench.clock.advance(KEEP_SECONDS + 1)
    return trash


def test_bytes_stay_whose_place_is_taken_over_while_somebody_looks_for_their_names(bench, place, monkeypatch):
    trash = in_the_trash(bench, 1)
    store, whose = bench.server.node._store, bench.server.duties._here.identity
    real = store._names_of

    def names_of(entry):
        found = real(entry)
        Tenure(place.bucket(), whose, "another boot", "another machine").take()
        return found

    monkeypatch.setattr(store, "_names_of", names_of)
    with pytest.raises(ReadOnlyError):
        trash.empty(KEEP_SECONDS)
    assert len(objects(place, keys.DATA)) == 1


def test_a_trash_that_is_emptied_does_not_hold_up_a_node_that_stops(bench, place, monkeypatch):
    trash = in_the_trash(bench, 3)
    store, stopping = bench.server.node._store, bench.server.duties._here.opened[""].stopping
    real = store.forget

    def forget(entry, note):
        real(entry, note)
        stopping.set()

    monkeypatch.setattr(store, "forget", forget)
    with pytest.raises(UnavailableError, match="is stopping"):  # of the look that comes next
        trash.empty(KEEP_SECONDS)
    assert len(objects(place, keys.TRASH)) == len(objects(place, keys.DATA)) == 2
