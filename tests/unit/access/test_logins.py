"""Passwords at the door: compared once, remembered, and refused without telling why."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import bcrypt
import pytest

from gateway.access import logins as module
from gateway.access.comparing import Comparing
from gateway.access.logins import Logins
from gateway.access.proving import Doorkeeper
from gateway.access.throttle import Throttle
from holdfast.clock import ManualClock
from holdfast.errors import LoginRefusedError, TooManyLoginsError

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
OTHER = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()


@dataclass
class Door:
    """``compared``: the hashes that were compared with, in order."""

    clock: ManualClock = field(default_factory=ManualClock)
    hashes: dict[str, str] = field(default_factory=lambda: {"ann": HASH})
    compared: list[str] = field(default_factory=list)
    delays: int = 0

    def __post_init__(self) -> None:
        throttle = Throttle(self.clock, limit=3, window_seconds=60)
        self.logins = Logins(self, Doorkeeper(throttle, self.clock, b"k" * 32, self.delay))

    def hash_of(self, user: str) -> str | None:
        return self.hashes.get(user)

    def any_hash(self) -> str | None:
        return next(iter(self.hashes.values()), None)

    def delay(self) -> None:
        self.delays += 1

    def enters(self, user: str, password: str, address: str = "192.0.2.1") -> bool:
        try:
            proven = self.logins.check(user, password, address)
        except LoginRefusedError:
            return False
        return proven is not None and proven.identity.name == user


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    made = Door()

    def fits(password: str, hashed: str) -> bool:
        made.compared.append(hashed)
        return bcrypt.checkpw(password.encode(), hashed.encode())

    monkeypatch.setattr(module, "fits", fits)
    return made


def test_a_right_password_is_compared_once_in_five_minutes(door: Door) -> None:
    assert all(door.enters("ann", "right") for _ in range(10))
    assert len(door.compared) == 1
    door.clock.advance(301)
    assert door.enters("ann", "right")
    assert len(door.compared) == 2


def test_a_change_of_the_password_ends_what_is_remembered(door: Door) -> None:
    assert door.enters("ann", "right")
    door.hashes["ann"] = OTHER
    assert not door.enters("ann", "right")
    assert door.enters("ann", "other")


def test_what_was_compared_with_an_old_hash_says_nothing_of_a_new_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is changed while somebody is being let in with the old one, and another one comes with it."""
    begun, go = threading.Event(), threading.Event()

    def slow(password: str, hashed: str) -> bool:
        if hashed == HASH:
            begun.set()
            assert go.wait(30)
        return bcrypt.checkpw(password.encode(), hashed.encode())

    monkeypatch.setattr(module, "fits", slow)
    door.logins._comparing = Comparing(together=2)
    first: list[bool] = []
    thread = threading.Thread(target=lambda: first.append(door.enters("ann", "right")))
    thread.start()
    assert begun.wait(30)
    door.hashes["ann"] = OTHER
    assert not door.enters("ann", "right")
    go.set()
    thread.join()
    assert first == [True]
    assert not door.enters("ann", "right")


def test_a_removed_user_is_out_at_once(door: Door) -> None:
    assert door.enters("ann", "right")
    del door.hashes["ann"]
    assert not door.enters("ann", "right")


def test_an_unknown_user_costs_a_comparison_and_enters_with_nobodys_password(door: Door) -> None:
    assert not door.enters("eve", "right")
    assert door.compared == [HASH]
    door.hashes.clear()
    assert not door.enters("eve", "right", "192.0.2.2")
    assert len(door.compared) == 2


def test_a_user_and_a_password_are_not_read_otherwise(door: Door) -> None:
    door.hashes["ann:r"] = OTHER
    assert door.enters("ann", "right")
    assert not door.enters("ann:r", "ight")


def test_an_address_with_many_wrong_passwords_is_not_looked_at_for_a_while(door: Door) -> None:
    assert door.enters("ann", "right")
    for _ in range(3):
        assert not door.enters("ann", "wrong")
    assert door.delays == 3
    with pytest.raises(TooManyLoginsError) as refused:
        door.logins.check("ann", "guess", "192.0.2.1")
    assert refused.value.retry_after_seconds == 60
    assert len(door.compared) == 4
    assert door.enters("ann", "right")  # who is remembered waits for nothing
    door.hashes["bob"] = OTHER
    assert door.enters("bob", "other", "192.0.2.9")
    door.clock.advance(61)
    assert not door.enters("ann", "guess")


def test_the_memory_of_addresses_is_bounded(door: Door) -> None:
    throttle = Throttle(door.clock, limit=1, window_seconds=60)
    for number in range(12_000):
        throttle.failed(f"address {number}", "ann")
    assert not throttle.is_shut("address 0", "ann")
    assert throttle.is_shut("address 11999", "ann")


def test_one_users_old_password_shuts_out_no_neighbour_and_many_users_are_no_way_around(door: Door) -> None:
    throttle = Throttle(door.clock, limit=3, window_seconds=60)
    for _ in range(3):
        throttle.failed("192.0.2.1", "ann")
    assert throttle.is_shut("192.0.2.1", "ann")
    assert not throttle.is_shut("192.0.2.1", "bob")
    assert not throttle.is_shut("192.0.2.2", "ann")
    for number in range(30):
        throttle.failed("192.0.2.1", f"user {number}")
    assert throttle.is_shut("192.0.2.1", "bob")


def test_a_hundred_logins_at_once_with_one_password_compare_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, go = threading.Event(), threading.Event()
    calls = []

    def slow(password: str, hashed: str) -> bool:
        calls.append(hashed)
        waiting.set()
        assert go.wait(30)
        return bcrypt.checkpw(password.encode(), hashed.encode())

    monkeypatch.setattr(module, "fits", slow)
    entered: list[bool] = []
    threads = [threading.Thread(target=lambda: entered.append(door.enters("ann", "right"))) for _ in range(100)]
    for thread in threads:
        thread.start()
    assert waiting.wait(30)
    go.set()
    for thread in threads:
        thread.join()
    assert entered == [True] * 100
    # Whoever came after the first was done is remembered; nobody compared a second time.
    assert len(calls) == 1
