"""What the index remembers is never older than what this process itself did."""

from __future__ import annotations

import threading

import pytest

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError
from holdfast.rpc.node import Want
from storagenode.objects import keys
from tests.unit.storagenode.conftest import begin, put

DATA = b"looked for while it was deleted"


def test_a_look_that_a_delete_overtook_is_not_remembered(bench, monkeypatch):
    """Else the next "have it" is of a copy without a name, whose bytes go with the trash."""
    put(bench.start(), DATA)
    node = bench.restart()  # nothing is remembered
    digest = digests.of(DATA)
    (stamp,) = [blob.stamp for blobs in node.list_blobs(0, 4095) for blob in blobs]
    bucket = node._store._bucket
    real, seen, go_on = bucket.list, threading.Event(), threading.Event()

    def slow(prefix):
        found = list(real(prefix))
        if threading.current_thread() is reader and prefix == keys.of_digest(digest):
            seen.set()
            go_on.wait(10)
        return iter(found)

    reader = threading.Thread(target=lambda: list(node.read_blob(Want(digest), 0, None)))
    monkeypatch.setattr(bucket, "list", slow)
    reader.start()
    assert seen.wait(10)
    assert node.delete_blob(digest, stamp)
    go_on.set()
    reader.join()
    assert node.stat_blobs([Want(digest)]) == [None]


def test_what_was_given_up_is_not_remembered_as_under_way(bench):
    node = bench.start()
    for number in range(3):
        key = begin(node, DATA * 10)
        if number:
            node.cancel_upload(key)
        else:
            with pytest.raises(DigestInvalidError):
                node.finish_upload(key, digests.of(DATA))
    assert node._store.under_way() == set()
