"""What a node asks of an object store, of every kind: S3, Azure Blob and Google's."""

from __future__ import annotations

import pytest

from holdfast.errors import CorruptError
from tests.fakes.object_servers import SERVERS
from tests.fakes.s3 import shared_s3

MIB = 1 << 20
# More than a part of any driver, so that it is sent in several.
PIECES = [bytes([number]) * MIB for number in range(10)]
WHOLE = b"".join(PIECES)


@pytest.fixture(scope="module", params=[shared_s3, *SERVERS.values()], ids=["moto", *SERVERS])
def bucket(request):
    return request.param().place().bucket()


def test_what_was_put_is_there_and_what_was_not_is_none(bucket):
    bucket.put("small/one", b"hello")
    bucket.put("small/empty", b"")
    assert (bucket.get("small/one"), bucket.get("small/empty"), bucket.get("small/none")) == (b"hello", b"", None)
    assert bucket.head("small/one").size_bytes == 5
    assert bucket.head("small/none") is None


def test_only_the_first_is_put_where_there_is_to_be_one(bucket):
    assert bucket.put_first("first/one", b"first")
    assert not bucket.put_first("first/one", b"second")
    assert bucket.get("first/one") == b"first"


def test_parts_are_no_object_before_they_are_finished(bucket):
    writing = bucket.writing("parts/finished")
    for piece in PIECES:
        writing.write(piece)
    assert bucket.head("parts/finished") is None
    writing.finish()
    assert b"".join(bucket.read("parts/finished", 0, len(WHOLE), len(WHOLE))) == WHOLE


def test_what_is_given_up_never_becomes_an_object(bucket):
    writing = bucket.writing("parts/given-up")
    for piece in PIECES:
        writing.write(piece)
    writing.abort()
    assert list(bucket.list("parts/given-up")) == []


def test_a_range_is_these_bytes(bucket):
    writing = bucket.writing("range/one")
    for piece in PIECES:
        writing.write(piece)
    writing.finish()
    assert b"".join(bucket.read("range/one", MIB - 3, 2 * MIB + 3, len(WHOLE))) == WHOLE[MIB - 3 : 2 * MIB + 3]


def test_an_object_of_another_size_and_none_are_told_apart(bucket):
    bucket.put("size/one", b"hello")
    with pytest.raises(CorruptError, match="5 bytes instead of 9"):
        list(bucket.read("size/one", 0, 9, 9))
    with pytest.raises(CorruptError, match="shorter"):
        list(bucket.read("size/one", 10, 20, 20))
    with pytest.raises(FileNotFoundError):
        list(bucket.read("size/none", 0, 5, 5))


def test_a_list_says_of_each_object_what_is_said_of_it_alone(bucket):
    for number in range(3):
        bucket.put(f"list/a/{number}", b"x" * number)
    bucket.put("list/ab", b"not below")
    assert list(bucket.list("list/a")) == [bucket.head(f"list/a/{number}") for number in range(3)]


def test_a_version_changes_with_the_bytes(bucket):
    bucket.put("version/one", b"hello")
    before = bucket.head("version/one")
    assert bucket.head("version/one") == before
    bucket.put("version/one", b"other")
    assert bucket.head("version/one").version != before.version


def test_deleting_minds_nothing_that_is_gone_already(bucket):
    bucket.put("delete/one", b"x")
    bucket.put("delete/two", b"x")
    bucket.delete(["delete/one", "delete/none", "delete/two"])
    bucket.delete(["delete/one"])
    assert list(bucket.list("delete")) == []
