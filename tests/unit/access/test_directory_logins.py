"""Logins by a directory, before a password file: who decides, what is remembered, and what happens while it is down."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import bcrypt
import pytest

from gateway.access.breaker import Breaker
from gateway.access.ldap.entries import Entry
from gateway.access.ldap.way import DirectoryLogins, Reading
from gateway.access.logins import Logins
from gateway.access.proving import Doorkeeper
from gateway.access.throttle import Throttle
from gateway.access.ways import Proven, Ways
from holdfast.access.identity import Way
from holdfast.clock import ManualClock
from holdfast.errors import DirectoryUnavailableError, LoginRefusedError, TooManyLoginsError

CARL = bcrypt.hashpw(b"filed", bcrypt.gensalt(4)).decode()


@dataclass
class Users:
    """A directory: names to passwords. ``asked``: what it was asked, in order."""

    passwords: dict[str, str] = field(default_factory=lambda: {"ann": "right"})
    versions: dict[str, int] = field(default_factory=dict)
    groups: tuple[bytes, ...] = (b"cn=devs,dc=test",)
    locked: set[str] = field(default_factory=set)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def find(self, user: str) -> list[Entry]:
        self._note(f"find {user}")
        found = [name for name in self.passwords if name.lower().rstrip("2") == user.lower()]
        return [
            Entry(
                f"uid={name},dc=test",
                {
                    "uid": (name.rstrip("2").encode(),),
                    "memberof": self.groups,
                    "nsaccountlock": (b"TRUE",) if name in self.locked else (),
                    "entrycsn": (str(self.versions.get(name, 0)).encode(),),
                },
            )
            for name in found
        ]

    def proves(self, dn: str, password: str) -> bool:
        assert dn
        assert password
        self._note(f"bind {dn}")
        name = dn.removeprefix("uid=").removesuffix(",dc=test")
        return self.passwords.get(name) == password

    def change(self, name: str, password: str) -> None:
        self.passwords[name] = password
        self.versions[name] = self.versions.get(name, 0) + 1

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.is_down:
            raise DirectoryUnavailableError(reason="stopped")


@dataclass
class Door:
    """A directory with ann, and a password file with carl and with another ann."""

    has_file: bool = True
    clock: ManualClock = field(default_factory=ManualClock)
    users: Users = field(default_factory=Users)
    delays: int = 0

    def __post_init__(self) -> None:
        self.hashes = {"carl": CARL, "ann": CARL}
        self.throttle = Throttle(self.clock, limit=3, window_seconds=60)
        keeper = Doorkeeper(self.throttle, self.clock, b"k" * 32, self.delay)
        self.file = Logins(self, keeper, lambda: not self.users.is_down)
        other = {"is_known_elsewhere": self.file.remembers, "spend": self.file.spend} if self.has_file else {}
        self.directory = DirectoryLogins(self.users, keeper, Reading("uid", "memberOf", "dc=test", **other))
        self.ways = Ways((self.directory, self.file) if self.has_file else (self.directory,))

    def hash_of(self, user: str) -> str | None:
        return self.hashes.get(user)

    def any_hash(self) -> str | None:
        return CARL

    def delay(self) -> None:
        self.delays += 1

    def who(self, user: str, password: str, address: str = "192.0.2.1") -> Proven | None:
        """None: refused."""
        try:
            return self.ways.by_password(user, password, address)
        except LoginRefusedError:
            return None

    def way_of(self, user: str, password: str) -> Way | None:
        found = self.who(user, password)
        return None if found is None else found.identity.way


@pytest.fixture
def door() -> Door:
    return Door()


def test_the_directory_is_asked_first_and_the_file_for_whom_it_does_not_know(door: Door) -> None:
    assert door.way_of("ann", "right") is Way.LDAP
    assert door.way_of("carl", "filed") is Way.PASSWORD


def test_an_old_line_of_the_file_is_no_way_around_the_directory(door: Door) -> None:
    assert door.who("ann", "filed") is None


def test_groups_and_name_come_of_the_entry(door: Door) -> None:
    found = door.who("ANN", "right")
    assert found is not None
    assert found.identity.name == "ann"
    assert found.identity.groups == {"devs", "cn=devs,dc=test"}
    assert found.account == "ldap:ann"


def test_an_empty_password_is_never_sent(door: Door) -> None:
    assert door.who("ann", "") is None
    assert [what for what in door.users.asked if what.startswith("bind")] == []


def test_two_entries_of_one_name_let_nobody_in_and_the_log_says_so(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.users.passwords["ann2"] = "right"
    assert door.who("ann", "right") is None
    assert door.who("ann", "filed") is None
    assert ["two entries" in record.message for record in caplog.records] == [True, True]


def test_whom_the_directory_has_locked_its_right_password_lets_in_no_more_and_tokens_end(door: Door) -> None:
    assert door.who("ann", "right")
    door.users.locked.add("ann")
    door.clock.advance(61)
    assert door.who("ann", "right") is None
    assert door.directory.standing("ann") is None


def test_a_right_password_is_asked_about_once_a_minute(door: Door) -> None:
    assert all(door.who("ann", "right") for _ in range(10))
    assert len(door.users.asked) == 2
    door.clock.advance(61)
    assert door.who("ann", "right")
    assert len(door.users.asked) == 4


def test_a_changed_password_ends_within_a_minute(door: Door) -> None:
    assert door.who("ann", "right")
    door.users.change("ann", "newer")
    assert door.who("ann", "newer")
    door.clock.advance(61)
    assert door.who("ann", "right") is None


def test_once_the_new_password_is_known_the_old_one_counts_no_more(door: Door) -> None:
    assert door.who("ann", "right")
    door.users.change("ann", "newer")
    assert door.who("ann", "newer")
    assert door.who("ann", "right") is None


def test_a_file_user_who_is_remembered_does_not_ask_the_directory(door: Door) -> None:
    assert door.who("carl", "filed")
    before = len(door.users.asked)
    assert door.way_of("carl", "filed") is Way.PASSWORD
    assert len(door.users.asked) == before


def test_an_unknown_user_costs_what_a_wrong_password_costs(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr("gateway.access.logins.fits", lambda password, _hash: bool(compared.append(password)))
    assert door.who("ann", "wrong") is None
    wrong, door.users.asked = [what.split()[0] for what in door.users.asked], []
    assert door.who("eve", "wrong") is None
    assert [what.split()[0] for what in door.users.asked] == wrong == ["find", "bind"]
    assert compared == ["wrong", "wrong"]
    assert door.delays == 2


def test_without_a_file_the_directory_refuses_counts_and_delays_for_unknown_users_too() -> None:
    door = Door(has_file=False)
    for _ in range(3):
        assert door.who("eve", "guess") is None
    assert door.delays == 3
    with pytest.raises(TooManyLoginsError):
        door.who("eve", "guess")


def test_both_kinds_count_against_one_limit(door: Door) -> None:
    for user in ("ann", "carl"):
        for _ in range(3):
            assert door.who(user, "wrong") is None
        with pytest.raises(TooManyLoginsError):
            door.who(user, "wrong")
    for number in range(24):
        assert door.who(f"user {number}", "wrong") is None
    with pytest.raises(TooManyLoginsError):
        door.who("somebody else", "wrong")


def test_with_the_directory_down_the_file_goes_on_and_others_are_told_to_come_again(door: Door) -> None:
    door.users.is_down = True
    assert door.way_of("carl", "filed") is Way.PASSWORD
    for user in ("zoe", "carl"):
        with pytest.raises(DirectoryUnavailableError) as refused:
            door.who(user, "wrong")
        assert "stopped" not in refused.value.message
    door.users.is_down = False
    assert door.way_of("ann", "right") is Way.LDAP


def test_users_of_a_directory_that_is_down_shut_no_neighbour_out(door: Door) -> None:
    door.users.is_down = True
    for number in range(60):
        with pytest.raises(DirectoryUnavailableError):
            door.who(f"user {number}", "right")
    assert door.way_of("carl", "filed") is Way.PASSWORD


def test_an_account_stands_with_its_entry_looked_at_once_a_minute(door: Door) -> None:
    assert door.who("ann", "right")
    asked = len(door.users.asked)
    first = door.directory.standing("ann")
    assert first is not None
    assert len(door.users.asked) == asked
    door.users.change("ann", "newer")
    door.clock.advance(61)
    second = door.directory.standing("ann")
    assert second is not None
    assert second.mark != first.mark
    del door.users.passwords["ann"]
    assert door.directory.standing("ann") is not None
    door.clock.advance(61)
    assert door.directory.standing("ann") is None
    asked = len(door.users.asked)
    assert door.directory.standing("ann") is None
    assert len(door.users.asked) == asked


def test_a_mark_that_does_not_fit_is_asked_about_again_but_not_all_the_time(door: Door) -> None:
    held = door.directory.standing("ann")
    assert held is not None
    assert held.again is not None
    door.users.change("ann", "newer")
    door.clock.advance(3)
    anew = held.again()
    assert anew is not None
    assert anew.mark != held.mark
    asked = len(door.users.asked)
    assert held.again() == anew
    assert len(door.users.asked) == asked


def test_with_the_directory_down_what_was_known_stands_as_long_as_an_access_token(door: Door) -> None:
    held = door.directory.standing("ann")
    assert held is not None
    door.users.is_down = True
    door.clock.advance(300)
    stale = door.directory.standing("ann")
    assert stale is not None
    assert (stale.mark, stale.is_current) == (held.mark, False)
    door.clock.advance(120)
    with pytest.raises(DirectoryUnavailableError):
        door.directory.standing("ann")


def test_a_directory_that_is_down_is_left_alone_and_tried_by_one_caller_at_a_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "holdfast.access")
    clock = ManualClock()
    breaker = Breaker("ldap.test:636", clock, rest_seconds=10)
    calls: list[str] = []

    def ask(answer: str) -> str:
        calls.append(answer)
        if not answer:
            raise DirectoryUnavailableError(reason="no answer")
        return answer

    def fails(answer: str) -> bool:
        try:
            breaker.run(lambda: ask(answer))
        except DirectoryUnavailableError:
            return True
        return False

    assert not fails("well")
    assert [fails("") for _ in range(3)] == [True] * 3
    assert calls == ["well", ""]
    clock.advance(10)

    def while_another_asks() -> str:
        clock.advance(60)
        assert fails("well")  # meanwhile nobody else waits for it
        raise DirectoryUnavailableError(reason="still none")

    def while_there_is_a_bug() -> str:
        raise ValueError("a bug")

    with pytest.raises(DirectoryUnavailableError):
        breaker.run(while_another_asks)
    assert breaker.is_down
    clock.advance(19)
    assert fails("too early")
    clock.advance(1)
    with pytest.raises(ValueError, match="a bug"):
        breaker.run(while_there_is_a_bug)
    assert not fails("back")
    assert not breaker.is_down
    assert calls == ["well", "", "back"]
    told = [(record.levelname, record.message.split(";")[0]) for record in caplog.records]
    assert told == [
        ("ERROR", "the directory of users cannot be asked"),
        ("INFO", "the directory of users answers again"),
    ]
