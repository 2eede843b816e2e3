"""API keys and robots over every metadata store: what is revoked is gone for everybody who reads after that."""

from __future__ import annotations

import os

import pytest

from holdfast.access.robots import RobotName
from holdfast.errors import RequestInvalidError
from holdfast.meta.apikeys import MOST_KEYS, ApiKey, ApiKeyBook
from holdfast.meta.robots import Robot, RobotBook
from holdfast.meta.uses import UseTimes
from tests.contract.adapters import HARNESSES

ANN, BOB = "htpasswd:ann", "ldap:uid=bob/people,dc=example"
CI = RobotName("team/apps", "ci")


@pytest.fixture(params=["memory", "sqlite", "etcd"])
def harness(request, tmp_path):
    made = HARNESSES[request.param](tmp_path)
    yield made
    made.close()


def new_id():
    return os.urandom(16)


def key(key_id, owner=ANN, **more):
    return ApiKey(key_id, owner, "a label", ("team/**:pull",), b"\1" * 32, 100.0, **more)


def robot(name=CI, digest=b"\1" * 32):
    return Robot(name, ("team/apps/**:pull",), digest, 100.0, 100.0, 500.0, "builds")


def test_a_key_is_read_as_it_was_made_and_listed_to_its_owner_alone(harness):
    book, other = ApiKeyBook(harness.open(), new_id), ApiKeyBook(harness.open(), new_id)
    book.add(key("a" * 16, expires_seconds=200.0, creator="curl"))
    book.add(key("b" * 16, BOB))
    found = other.find("a" * 16)
    assert found is not None
    assert (found.owner, found.scopes, found.digest, found.creator) == (ANN, ("team/**:pull",), b"\1" * 32, "curl")
    assert (found.is_over(199.0), found.is_over(200.0)) == (False, True)
    assert [one.key_id for one in other.of(ANN)] == ["a" * 16]
    assert [one.key_id for one in other.of(BOB)] == ["b" * 16]
    assert other.find("c" * 16) is None


def test_only_its_owner_revokes_a_key_and_then_it_is_gone_everywhere(harness):
    book, other = ApiKeyBook(harness.open(), new_id), ApiKeyBook(harness.open(), new_id)
    book.add(key("a" * 16))
    assert not other.remove(BOB, "a" * 16)
    assert other.remove(ANN, "a" * 16)
    assert book.find("a" * 16) is None
    assert book.of(ANN) == []
    assert not book.remove(ANN, "a" * 16)


def test_an_operator_ends_anybodys_key(harness):
    book, other = ApiKeyBook(harness.open(), new_id), ApiKeyBook(harness.open(), new_id)
    book.add(key("a" * 16))
    ended = other.remove_anybodys("a" * 16)
    assert ended is not None
    assert ended.owner == ANN
    assert (book.find("a" * 16), book.of(ANN), other.remove_anybodys("a" * 16)) == (None, [], None)


def test_an_account_has_a_bounded_number_of_keys(harness):
    book = ApiKeyBook(harness.open(), new_id)
    for number in range(MOST_KEYS):
        book.add(key(f"{number:016x}"))
    with pytest.raises(RequestInvalidError):
        book.add(key("f" * 16))
    book.add(key("f" * 16, BOB))
    assert book.remove(ANN, f"{0:016x}")
    book.add(key("e" * 16))


def test_of_two_who_add_the_same_robot_one_wins(harness):
    book, other = RobotBook(harness.open(), new_id), RobotBook(harness.open(), new_id)
    book.add(robot())
    with pytest.raises(RequestInvalidError):
        other.add(robot(digest=b"\2" * 32))
    other.add(robot(RobotName("team", "ci")))
    found = other.find(CI)
    assert found is not None
    assert (found.digest, found.scopes, found.description) == (b"\1" * 32, ("team/apps/**:pull",), "builds")
    assert [one.name for one in book.all()] == [RobotName("team", "ci"), CI]


def test_a_rotated_robot_has_one_secret_and_keeps_the_rest(harness):
    book, other = RobotBook(harness.open(), new_id), RobotBook(harness.open(), new_id)
    book.add(robot())
    other.rotate(CI, b"\2" * 32, 300.0, None)
    found = book.find(CI)
    assert found is not None
    assert (found.digest, found.rotated_seconds, found.expires_seconds) == (b"\2" * 32, 300.0, 500.0)
    assert (found.scopes, found.created_seconds) == (("team/apps/**:pull",), 100.0)
    assert other.rotate(CI, b"\3" * 32, 400.0, 900.0).expires_seconds == 900.0
    with pytest.raises(RequestInvalidError):
        other.rotate(RobotName("team", "none"), b"\2" * 32, 300.0, None)


def test_a_robot_that_was_taken_away_is_gone_everywhere(harness):
    book, other = RobotBook(harness.open(), new_id), RobotBook(harness.open(), new_id)
    book.add(robot())
    assert other.remove(CI)
    assert book.find(CI) is None
    assert not book.remove(CI)


def test_a_use_is_written_once_in_a_while_and_brings_nothing_back(harness):
    store = harness.open()
    book, times, others = ApiKeyBook(store, new_id), UseTimes(store), UseTimes(harness.open())
    book.add(key("a" * 16))
    found = book.find("a" * 16)
    assert found is not None
    place = (found.place, found.revision)
    times.write({place: 1000.0}, 60.0)
    others.write({place: 1059.0}, 60.0)
    assert times.read([found.place]) == {found.place: 1000.0}
    others.write({place: 1060.0}, 60.0)
    assert times.read([found.place]) == {found.place: 1060.0}
    assert book.remove(ANN, "a" * 16)
    times.write({place: 2000.0}, 60.0)
    assert times.read([found.place]) == {}
