"""An object store that refuses, forgets to answer, or breaks off: nothing acknowledged is lost, nothing half there is served."""

from __future__ import annotations

import os
import threading

import pytest

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.errors import BlobUnknownError, DigestInvalidError, UnavailableError
from holdfast.rpc.node import Want
from storagenode.objects.stage import Senders
from tests.fakes.s3 import shared_s3
from tests.objects.conftest import made_bench
from tests.unit.storagenode.conftest import begin, put, read

MIB = 1 << 20


@pytest.fixture(scope="module")
def place():
    """One for all: each test has bytes of its own."""
    return shared_s3().place()


@pytest.fixture(scope="module")
def node(place):
    with made_bench(place) as bench:
        yield bench.start()


@pytest.fixture
def data() -> bytes:
    """A part of 5 MiB, and the rest."""
    return b"".join(os.urandom(8) * (MIB // 8) for _ in range(6)) + b"the rest"


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + MIB] for at in range(0, len(data), MIB)]


def sent(place) -> set[str]:
    return {found.key for found in place.bucket().list("data")}


@pytest.mark.parametrize(
    ("part", "how"),
    [
        ("partNumber=2", "503"),
        ("partNumber=2", "lost"),
        ("/data/", "unheard"),
        ("/blobs/", "503"),
        ("/blobs/", "429"),
        ("/blobs/", "lost"),
    ],
)
def test_a_request_that_fails_now_and_then_is_nobodys_concern(node, place, part, how, data):
    key = begin(node)
    with place.server.fault("PUT", part, how, times=2):
        node.append(key, 0, pieces(data), lambda: None)
        assert node.finish_upload(key, digests.of(data)).size_bytes == len(data)
    assert read(node, digests.of(data)) == data
    assert len(place.data_of(digests.of(data))) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_upload_that_could_not_go_on_in_parts_is_sent_at_its_end(node, place, method, data):
    key = begin(node)
    with place.server.fault(method, "/data/", "503"):
        assert node.append(key, 0, pieces(data), lambda: None).offset_bytes == len(data)
        with pytest.raises(UnavailableError):
            node.finish_upload(key, digests.of(data))
        assert node.stat_blobs([Want(digests.of(data))]) == [None]
        assert node.upload_state(key).offset_bytes == len(data)
    assert node.finish_upload(key, digests.of(data)).size_bytes == len(data)
    assert read(node, digests.of(data)) == data


@pytest.mark.parametrize("how", ["503", "lost"])
def test_a_commit_that_was_not_answered_goes_on_when_it_is_asked_for_again(node, place, how, data):
    key = begin(node, *pieces(data))
    with place.server.fault("PUT", "/blobs/", how), pytest.raises(UnavailableError):
        node.finish_upload(key, digests.of(data))
    place.server.asked()
    assert node.finish_upload(key, digests.of(data)).size_bytes == len(data)
    assert not [line for line in place.server.asked() if "/data/" in line and line.startswith(("PUT", "POST"))]
    assert read(node, digests.of(data)) == data
    assert len(place.data_of(digests.of(data))) == 1


def test_what_may_have_been_committed_is_not_taken_back_with_the_upload(node, place, data):
    """Somebody else may have been told "have it" meanwhile."""
    key = begin(node, *pieces(data))
    with place.server.fault("PUT", "/blobs/", "lost"), pytest.raises(UnavailableError):
        node.finish_upload(key, digests.of(data))
    assert node.stat_blobs([Want(digests.of(data))])[0] is not None
    node.cancel_upload(key)
    assert read(node, digests.of(data)) == data


def test_a_cancelled_upload_leaves_nothing_in_the_object_store(node, place, data):
    before = sent(place)
    node.cancel_upload(begin(node, *pieces(data)))
    assert sent(place) == before


def test_bytes_of_another_digest_leave_nothing_in_the_object_store(node, place, data):
    before = sent(place)
    key = begin(node, *pieces(data))
    with pytest.raises(DigestInvalidError):
        node.finish_upload(key, digests.of(b"something else"))
    assert sent(place) == before


def test_a_read_that_breaks_off_goes_on_where_it_stood(node, place, data):
    node.finish_upload(begin(node, *pieces(data)), digests.of(data))
    with place.server.fault("GET", "/data/", "cut", times=2):
        assert read(node, digests.of(data)) == data


def test_a_read_that_gets_nowhere_is_an_error_and_no_short_blob(node, place, data):
    digest = put(node, b"never comes")
    with place.server.fault("GET", "/data/", "unheard"), pytest.raises(UnavailableError):
        read(node, digest)
    assert read(node, digest) == b"never comes"


def test_an_object_store_that_cannot_be_asked_has_not_said_no(node, place):
    digest = put(node, b"is there")
    with place.server.fault("", "/", "503"):
        for ask in (digest, digests.of(b"is not there")):
            with pytest.raises(UnavailableError):
                node.stat_blobs([Want(ask)])
            with pytest.raises(UnavailableError):
                read(node, ask)
    assert node.stat_blobs([Want(digest)])[0] is not None


def test_a_listing_that_breaks_off_is_no_listing(node, place):
    digest = put(node, b"one")
    with place.server.fault("GET", "list-type", "503"), pytest.raises(UnavailableError):
        list(node.list_blobs(0, 4095))
    assert digest in {blob.digest for blobs in node.list_blobs(0, 4095) for blob in blobs}


def test_bytes_that_have_vanished_are_not_there(node, place):
    digest = put(node, b"soon gone")
    place.bucket().delete(place.data_of(digest))
    assert node.stat_blobs([Want(digest)]) == [None]
    with pytest.raises(BlobUnknownError):
        read(node, digest)
    put(node, b"soon gone")
    assert read(node, digest) == b"soon gone"


def test_no_error_tells_a_secret_or_the_servers_words(node, place, data):
    key = begin(node, *pieces(data))
    with place.server.fault("", "/", "503"), pytest.raises(UnavailableError) as raised:
        node.finish_upload(key, digests.of(data))
    told = f"{raised.value.message} {raised.value.detail} {raised.value.__cause__} {raised.value.__context__}"
    assert "it answered 503" in told
    assert not [word for word in ("no secret at all", "Signature", "SlowDown") if word in raised.value.message]


def test_bytes_that_a_displaced_writer_left_are_not_sent_for_those_of_its_successor(node, data):
    """The stage is written again from an offset that has gone out already."""
    key = begin(node)
    stage = node._uploads.of(key).stage
    stage.write(b"x" * (6 * MIB), 0)
    for number, piece in enumerate(pieces(data)):
        stage.write(piece, number * MIB)
    node._uploads.of(key).offset_bytes = len(data)
    node.finish_upload(key, digests.of(data))
    assert read(node, digests.of(data)) == data


def test_more_uploads_at_a_time_than_may_hold_parts_in_memory_all_become_blobs(node, monkeypatch):
    monkeypatch.setattr(node._store, "_senders", Senders(SystemClock(), most=2))
    data = [bytes([number]) * (5 * MIB + 1) for number in range(4)]
    keys = [begin(node, one) for one in data]
    failed = []

    def finish(number: int) -> None:
        try:
            node.finish_upload(keys[number], digests.of(data[number]))
        except Exception as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(len(data))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert all(read(node, digests.of(one)) == one for one in data)
