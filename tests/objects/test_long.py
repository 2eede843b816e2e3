"""Blobs of more bytes than so many parts of the usual size, and uploads whose writer is gone."""

from __future__ import annotations

import re

import pytest

from holdfast import digest as digests
from holdfast.errors import TooLargeError
from holdfast.rpc.node import Want
from storagenode.objects import bucket as buckets
from storagenode.objects import keys
from storagenode.objects.stage import Senders
from tests.unit.storagenode.conftest import begin, read

MIB = 1 << 20
PIECES = [bytes([number]) * MIB for number in range(23)]
WHOLE = b"".join(PIECES)


def parts_sent(place) -> list[int]:
    return [int(found[1]) for line in place.server.asked() if (found := re.search(r"partNumber=([0-9]+)", line))]


def test_a_blob_of_more_parts_than_the_store_takes_is_sent_in_larger_ones(bench, place, monkeypatch):
    """Of 5 MiB, as the tests' store is told: two of them are no more than 10 MiB."""
    monkeypatch.setattr(buckets, "MOST_PARTS", 2)
    node = bench.start()
    place.server.asked()
    key = begin(node, *PIECES)
    assert max(parts_sent(place), default=0) <= 2
    node.finish_upload(key, digests.of(WHOLE))
    assert max(parts_sent(place)) == 2
    assert read(node, digests.of(WHOLE)) == WHOLE
    assert [found.key for found in place.bucket().list(keys.DATA)] == place.data_of(digests.of(WHOLE))


def test_the_longest_that_a_store_takes_fits_into_its_parts_and_little_memory(bench, monkeypatch):
    made = []
    monkeypatch.setattr(buckets.obstore, "open_writer", lambda *_, **options: made.append(options))
    bucket = bench.options["bucket"]
    bucket.writing("data/0", buckets.MOST_BYTES)
    (options,) = made
    assert options["buffer_size"] * buckets.MOST_PARTS >= buckets.MOST_BYTES
    assert options["buffer_size"] * (1 + options["max_concurrency"]) <= 1100 * MIB


def test_what_no_object_store_takes_is_refused_before_all_of_it_has_come(bench, monkeypatch):
    monkeypatch.setattr(buckets, "MOST_BYTES", 6 * MIB)
    node = bench.start()
    key = begin(node)
    with pytest.raises(TooLargeError, match="split the layer"):
        node.append(key, 0, PIECES, lambda: None)
    assert node.upload_state(key).offset_bytes <= 6 * MIB


def test_uploads_whose_writers_are_not_heard_of_any_more_let_others_send(bench, monkeypatch):
    """A gateway that writes the file itself says nothing when it is killed."""
    node = bench.start()
    monkeypatch.setattr(node._store, "_senders", Senders(bench.clock, most=1))
    first, second, third = (node._uploads.of(begin(node)).stage for _ in range(3))
    first.write(PIECES[0], 0)
    bench.clock.advance(59)
    second.write(PIECES[0], 0)
    assert (first.outgoing.sent_bytes, second.outgoing.sent_bytes) == (MIB, 0)
    bench.clock.advance(1)
    third.write(PIECES[0], 0)
    assert (first.outgoing.sent_bytes, third.outgoing.sent_bytes) == (0, MIB)


def test_an_upload_that_made_way_is_whole_all_the_same(bench, monkeypatch):
    node = bench.start()
    monkeypatch.setattr(node._store, "_senders", Senders(bench.clock, most=1))
    slow, quick = begin(node), begin(node)
    stage = node._uploads.of(slow).stage
    stage.write(PIECES[0], 0)
    bench.clock.advance(60)
    node.append(quick, 0, PIECES[:6], lambda: None)
    stage.write(PIECES[1], MIB)
    node._uploads.of(slow).offset_bytes = 2 * MIB
    for key, data in ((slow, b"".join(PIECES[:2])), (quick, b"".join(PIECES[:6]))):
        node.finish_upload(key, digests.of(data))
        assert read(node, digests.of(data)) == data
        assert node.stat_blobs([Want(digests.of(data))]) != [None]
