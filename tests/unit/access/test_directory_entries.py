"""What an entry of a directory says of a user."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.ldap.entries import Entry, groups_of, is_locked, mark_of, name_of

DEVS = "cn=devs,ou=groups,dc=reg,dc=test"


def entry(dn: str = "uid=ann,dc=test", **values: str) -> Entry:
    return Entry(dn, {name.lower(): (value.encode(),) for name, value in values.items()})


def test_a_group_is_known_by_its_whole_name_and_by_its_short_one() -> None:
    assert groups_of([DEVS]) == {DEVS, "devs"}


def test_a_group_that_is_no_distinguished_name_is_what_it_says() -> None:
    plain = ["devs", "team=red", "a,b", "", "x y"]
    assert groups_of(plain) == set(plain)


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ("CN=Domain Admins,CN=Users,DC=corp,DC=test", "Domain Admins"),
        ("2.5.4.3=devs,dc=test", "devs"),
        (r"cn=a\C3\A4b,dc=test", "aäb"),
        (r"cn=a\"b,dc=test", 'a"b'),
        ("cn = devs , dc=test", "devs"),
    ],
)
def test_short_names_are_read_as_the_standard_writes_them(value: str, short: str) -> None:
    assert groups_of([value]) == {value, short}


@pytest.mark.parametrize(
    "value",
    [
        r"cn=devs\,ou\=groups\,dc\=reg\,dc\=test,ou=mine,dc=reg",
        r"cn=admins\2Cou\3Dx,ou=mine,dc=reg",
        "cn=devs+uid=x,dc=reg",
        "cn=#04024869,dc=reg",
        r"cn=\ff\fe,dc=reg",
        r"cn=a\0ab,dc=reg",
        "cn=,dc=reg",
        "cn=devs",
        "cn=devs,rest",
    ],
)
def test_a_name_that_could_be_taken_for_another_group_gives_no_short_one(value: str) -> None:
    assert groups_of([value]) == {value}


@given(st.text(max_size=60))
def test_whatever_a_directory_calls_a_group_no_short_name_looks_like_a_distinguished_one(text: str) -> None:
    assert all(
        not set(name) & set(",=")
        for name in groups_of([f"cn={text},ou=groups,dc=test"]) - {f"cn={text},ou=groups,dc=test"}
    )


@pytest.mark.parametrize("typed", ["ann", "Ann", "ANN ", "  aNN"])
def test_a_user_has_the_name_that_the_directory_has(typed: str) -> None:
    assert name_of(entry(uid="ann"), "uid", typed) == "ann"


def test_one_of_several_names_is_the_one_that_was_meant() -> None:
    two = Entry("x", {"uid": (b"ann", b"ann.lee")})
    assert name_of(two, "UID", "Ann.Lee") == "ann.lee"
    assert name_of(two, "uid", "bob") is None
    assert name_of(entry(), "uid", "ann") is None


@pytest.mark.parametrize(
    ("values", "locked"),
    [
        ({"userAccountControl": "514"}, True),
        ({"userAccountControl": "512"}, False),
        ({"nsAccountLock": "TRUE"}, True),
        ({"nsAccountLock": "false"}, False),
        ({"pwdAccountLockedTime": "000001010000Z"}, True),
        ({"pwdAccountLockedTime": "20260101000000Z"}, False),
        ({}, False),
    ],
)
def test_a_lock_that_an_administrator_has_set_is_one(values: dict[str, str], locked: bool) -> None:
    assert is_locked(entry(**values)) is locked


def test_a_mark_changes_with_the_password_and_with_the_user() -> None:
    before = entry(entryUUID="1", pwdChangedTime="20260101000000Z", modifyTimestamp="a")
    assert mark_of(before) == mark_of(entry(entryUUID="1", pwdChangedTime="20260101000000Z", modifyTimestamp="b"))
    assert mark_of(before) != mark_of(entry(entryUUID="1", pwdChangedTime="20260101000001Z", modifyTimestamp="a"))
    assert mark_of(before) != mark_of(entry(entryUUID="2", pwdChangedTime="20260101000000Z", modifyTimestamp="a"))


def test_where_no_time_of_the_password_is_kept_every_change_counts() -> None:
    assert mark_of(entry(entryCSN="1")) != mark_of(entry(entryCSN="2"))
