"""Logins that end are renewed before they do, by one thread, and no storm comes of a login that is refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import UpstreamUnavailableError
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.lasting import Issued, Lasting


@dataclass
class Numbered:
    """Issues a password that counts, good for a hundred seconds."""

    life_seconds: float = 100.0
    asked: int = 0
    is_down: bool = False
    has_any: bool = True
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def issue(self, host: str) -> Issued:
        self.asked += 1
        assert self.gate.wait(30)
        if self.is_down:
            raise UpstreamUnavailableError("down")
        return Issued(Credentials(host, str(self.asked)) if self.has_any else None, self.life_seconds)


def kept(issuer: Numbered) -> tuple[Lasting, ManualClock]:
    clock = ManualClock()
    return Lasting(issuer, clock), clock


def test_a_login_is_renewed_in_the_last_quarter_of_its_life() -> None:
    source, clock = kept(Numbered())
    assert source.login("h") == Credentials("h", "1")
    clock.advance(74)
    assert source.login("h") == Credentials("h", "1")
    clock.advance(1)
    assert source.login("h") == Credentials("h", "2")


def test_whoever_holds_a_login_can_tell_when_to_ask_again() -> None:
    source, clock = kept(Numbered())
    login = source.login("h")
    assert login is not None
    assert login.fresh_until == clock.monotonic() + 75


def test_hosts_have_logins_of_their_own() -> None:
    source, _ = kept(Numbered())
    assert [source.login(host) for host in ("a", "b", "a")] == [
        Credentials("a", "1"),
        Credentials("b", "2"),
        Credentials("a", "1"),
    ]


def test_a_login_that_cannot_be_renewed_is_used_to_its_end_and_no_longer() -> None:
    issuer = Numbered()
    source, clock = kept(issuer)
    source.login("h")
    issuer.is_down = True
    clock.advance(75)
    assert source.login("h") == Credentials("h", "1")
    assert source.login("h") == Credentials("h", "1")
    assert issuer.asked == 2
    clock.advance(25)
    with pytest.raises(UpstreamUnavailableError):
        source.login("h")
    issuer.is_down = False
    assert source.login("h") == Credentials("h", "4")


def test_a_login_that_was_refused_is_not_handed_out_again() -> None:
    source, clock = kept(Numbered())
    first = source.login("h")
    assert first is not None
    clock.advance(30)
    source.refused("h", first)
    second = source.login("h")
    assert second == Credentials("h", "2")
    clock.advance(30)
    source.refused("h", first)
    assert source.login("h") == second


def test_an_upstream_that_refuses_everything_makes_no_storm() -> None:
    issuer = Numbered()
    source, clock = kept(issuer)
    for _ in range(60):
        login = source.login("h")
        assert login is not None
        source.refused("h", login)
        clock.advance(1)
    assert issuer.asked == 2


def test_that_there_is_no_login_is_remembered_too() -> None:
    issuer = Numbered(has_any=False)
    source, clock = kept(issuer)
    assert [source.login("h"), source.login("h")] == [None, None]
    assert issuer.asked == 1
    clock.advance(75)
    assert source.login("h") is None
    assert issuer.asked == 2


def test_many_who_want_a_login_at_once_cause_one_request() -> None:
    issuer = Numbered()
    issuer.gate.clear()
    source, _ = kept(issuer)
    got: list[Credentials | None] = []
    threads = [threading.Thread(target=lambda: got.append(source.login("h"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    issuer.gate.set()
    for thread in threads:
        thread.join()
    assert got == [Credentials("h", "1")] * 8
    assert issuer.asked == 1
