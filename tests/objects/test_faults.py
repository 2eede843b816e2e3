"""An object store that refuses, forgets to answer, or breaks off: nothing acknowledged is lost, nothing half there is served."""

from __future__ import annotations

import threading

import pytest

from holdfast import digest as digests
from holdfast.errors import BlobUnknownError, UnavailableError
from holdfast.rpc.node import Want
from storagenode.objects.stage import Senders
from tests.unit.storagenode.conftest import begin, put, read

MIB = 1 << 20
# A part of 5 MiB, and the rest.
DATA = b"".join(bytes([number]) * MIB for number in range(7))
DIGEST = digests.of(DATA)


def pieces(data: bytes = DATA) -> list[bytes]:
    return [data[at : at + MIB] for at in range(0, len(data), MIB)]


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
def test_a_request_that_fails_now_and_then_is_nobodys_concern(node, place, part, how):
    key = begin(node)
    with place.server.fault("PUT", part, how, times=2):
        node.append(key, 0, pieces(), lambda: None)
        assert node.finish_upload(key, DIGEST).size_bytes == len(DATA)
    assert read(node, DIGEST) == DATA
    assert len(place.data_of(DIGEST)) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_upload_that_could_not_go_on_in_parts_is_sent_at_its_end(node, place, method):
    key = begin(node)
    with place.server.fault(method, "/data/", "503"):
        assert node.append(key, 0, pieces(), lambda: None).offset_bytes == len(DATA)
        with pytest.raises(UnavailableError):
            node.finish_upload(key, DIGEST)
        assert node.stat_blobs([Want(DIGEST)]) == [None]
        assert node.upload_state(key).offset_bytes == len(DATA)
    assert node.finish_upload(key, DIGEST).size_bytes == len(DATA)
    assert read(node, DIGEST) == DATA


@pytest.mark.parametrize("how", ["503", "lost"])
def test_a_commit_that_was_not_answered_goes_on_when_it_is_asked_for_again(node, place, how):
    key = begin(node, *pieces())
    with place.server.fault("PUT", "/blobs/", how), pytest.raises(UnavailableError):
        node.finish_upload(key, DIGEST)
    place.server.asked()
    assert node.finish_upload(key, DIGEST).size_bytes == len(DATA)
    assert not [line for line in place.server.asked() if "/data/" in line and line.startswith(("PUT", "POST"))]
    assert read(node, DIGEST) == DATA
    assert len(place.data_of(DIGEST)) == 1


def test_what_may_have_been_committed_is_not_taken_back_with_the_upload(node, place):
    """Somebody else may have been told "have it" meanwhile."""
    key = begin(node, *pieces())
    with place.server.fault("PUT", "/blobs/", "lost"), pytest.raises(UnavailableError):
        node.finish_upload(key, DIGEST)
    assert node.stat_blobs([Want(DIGEST)])[0] is not None
    node.cancel_upload(key)
    assert read(node, DIGEST) == DATA


def test_a_cancelled_upload_leaves_nothing_in_the_object_store(node, place):
    node.cancel_upload(begin(node, *pieces()))
    assert list(place.bucket().list("data")) == []


def test_bytes_of_another_digest_leave_nothing_in_the_object_store(node, place):
    key = begin(node, *pieces())
    with pytest.raises(Exception, match="another digest"):
        node.finish_upload(key, digests.of(b"something else"))
    assert list(place.bucket().list("data")) == []


def test_a_read_that_breaks_off_goes_on_where_it_stood(node, place):
    node.finish_upload(begin(node, *pieces()), DIGEST)
    with place.server.fault("GET", "/data/", "cut", times=2):
        assert read(node, DIGEST) == DATA


def test_a_read_that_gets_nowhere_is_an_error_and_no_short_blob(node, place):
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
    put(node, b"one")
    with place.server.fault("GET", "list-type", "503"), pytest.raises(UnavailableError):
        list(node.list_blobs(0, 4095))
    assert len([blob for blobs in node.list_blobs(0, 4095) for blob in blobs]) == 1


def test_bytes_that_have_vanished_are_not_there(node, place):
    digest = put(node, b"soon gone")
    place.bucket().delete(place.data_of(digest))
    assert node.stat_blobs([Want(digest)]) == [None]
    with pytest.raises(BlobUnknownError):
        read(node, digest)
    put(node, b"soon gone")
    assert read(node, digest) == b"soon gone"


def test_no_error_tells_a_secret_or_the_servers_words(node, place):
    key = begin(node, *pieces())
    with place.server.fault("", "/", "503"), pytest.raises(UnavailableError) as raised:
        node.finish_upload(key, DIGEST)
    told = f"{raised.value.message} {raised.value.detail} {raised.value.__cause__} {raised.value.__context__}"
    assert "it answered 503" in told
    assert not [word for word in ("no secret at all", "Signature", "SlowDown") if word in raised.value.message]


def test_bytes_that_a_displaced_writer_left_are_not_sent_for_those_of_its_successor(node, bench):
    """The stage is written again from an offset that has gone out already."""
    key = begin(node)
    stage = node._uploads.of(key).stage
    stage.write(b"x" * (6 * MIB), 0)
    for number, piece in enumerate(pieces()):
        stage.write(piece, number * MIB)
    node._uploads.of(key).offset_bytes = len(DATA)
    node.finish_upload(key, DIGEST)
    assert read(node, DIGEST) == DATA


def test_more_uploads_at_a_time_than_may_hold_parts_in_memory_all_become_blobs(node):
    node._store._senders = Senders(most=2)
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
