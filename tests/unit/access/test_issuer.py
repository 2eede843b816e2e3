"""An issuer's tokens: its keys alone decide, which are fetched seldom, safely, and kept while it is away."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gateway.access.fetching import LONGEST_BYTES, Fetcher
from gateway.access.issuer import Issuer
from gateway.access.kept import Kept, Pace
from holdfast.clock import ManualClock
from holdfast.errors import HoldfastError, IssuerUnreachableError, LoginRefusedError
from tests.access.issuer import LIFE_SECONDS, LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOR_US = ("registry",)


@dataclass
class Present:
    """A clock that says the truth of the wall, and of durations what it is told."""

    now: float = 1000.0
    ahead: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return time.time() + self.ahead


@dataclass
class Known:
    local: LocalIssuer
    clock: Present = field(default_factory=Present)

    def issuer(self, url: str = "", **how: Any) -> Issuer:
        fetcher = Fetcher(self.clock, self.local.authority)
        return Issuer(url or self.local.url, fetcher, self.clock, **how)

    def fetched(self, path: str = "/keys") -> int:
        return sum(asked[1] == path for asked in self.local.asked)


@pytest.fixture
def known() -> Iterator[Known]:
    with LocalIssuer() as local:
        yield Known(local)


def refused(issuer: Issuer, text: str) -> bool:
    try:
        issuer.claims(text, FOR_US)
    except LoginRefusedError:
        return True
    return False


def test_a_token_of_the_issuer_is_read_and_its_keys_are_fetched_once(known: Known) -> None:
    issuer = known.issuer()
    assert issuer.claims(known.local.token(sub="bob"), FOR_US)["sub"] == "bob"
    assert issuer.claims(known.local.token(aud=["x", "registry"]), FOR_US)["sub"] == "ann"
    assert issuer.document().token_endpoint == f"{known.local.url}/token"
    assert known.fetched() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"iss": ["x"]},
        {"aud": "another"},
        {"aud": None},
        {"aud": {"registry": 1}},
        {"exp": None},
        {"exp": 1},
        {"exp": True},
        {"exp": "2999999999"},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"nbf": "soon"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_us_and_now_is_refused(known: Known, changes: dict[str, Any]) -> None:
    issuer = known.issuer()
    assert not refused(issuer, known.local.token())
    assert refused(issuer, known.local.token(**changes))


def test_a_token_that_was_good_ends_with_its_time(known: Known) -> None:
    issuer, token = known.issuer(), known.local.token()
    assert not refused(issuer, token)
    known.clock.ahead = LIFE_SECONDS + 61
    assert refused(issuer, token)


def test_an_unknown_key_is_asked_for_at_once_and_then_not_for_a_while(known: Known) -> None:
    issuer = known.issuer()
    assert not refused(issuer, known.local.token())
    known.clock.now += 4
    known.local.rotate()
    assert not refused(issuer, known.local.token())
    assert known.fetched() == 2
    stranger = LocalIssuer(plain=True)
    stranger.stop()
    for _ in range(5):
        assert refused(issuer, stranger.token({"kid": "unknown"}, iss=known.local.url))
    assert known.fetched() == 2


def test_a_key_that_is_no_longer_shown_does_not_count_after_the_next_fetch(known: Known) -> None:
    issuer, old = known.issuer(), known.local.token()
    assert not refused(issuer, old)
    known.local.rotate(forget=True)
    known.clock.now += 4
    assert not refused(issuer, known.local.token())
    assert refused(issuer, old)


def test_what_was_fetched_holds_while_the_issuer_is_away(known: Known) -> None:
    issuer = known.issuer(pace=Pace(lasts_seconds=1, apart_seconds=0))
    token = known.local.token()
    assert not refused(issuer, token)
    known.local.stop()
    known.clock.now += 1000
    assert not refused(issuer, token)


def test_an_issuer_that_was_never_reached_is_no_refusal(known: Known) -> None:
    token = known.local.token()
    known.local.stop()
    with pytest.raises(IssuerUnreachableError, match=r"127\.0\.0\.1 does not answer"):
        known.issuer().claims(token, FOR_US)


def test_an_issuer_by_another_authority_is_not_believed(known: Known) -> None:
    with LocalIssuer() as other:
        issuer = Issuer(known.local.url, Fetcher(known.clock, other.authority), known.clock)
        with pytest.raises(IssuerUnreachableError, match="not trusted"):
            issuer.claims(known.local.token(), FOR_US)
    assert not known.local.asked


def test_another_name_is_refused_unless_all_are_taken(known: Known) -> None:
    known.local.claimed_issuer = "https://inside.example"
    token = known.local.token(iss="https://inside.example")
    with pytest.raises(IssuerUnreachableError, match="calls itself by another name"):
        known.issuer().document()
    assert known.issuer(any_name=True).claims(token, FOR_US)["sub"] == "ann"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: handler.say({}, 302, Location="/elsewhere"),
        lambda handler: handler.say({}, 500),
        lambda handler: handler.say(b"<html>"),
        lambda handler: handler.say(b"[]"),
        lambda handler: handler.say(b"[" * 100_000),
        lambda handler: handler.say({}),
        lambda handler: handler.say(b" " * (LONGEST_BYTES + 1)),
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
        lambda handler: handler.wfile.write(b"nonsense"),
    ],
    ids=["redirect", "500", "html", "list", "deep", "empty", "huge", "cut", "no http"],
)
def test_an_answer_that_is_no_use_is_told_apart_from_a_refusal(
    known: Known, path: str, answer: Callable[[Any], None]
) -> None:
    def ends(handler: Any) -> None:
        answer(handler)
        handler.close_connection = True

    known.local.route(path, ends)
    known.local.route("/elsewhere", lambda handler: handler.say(known.local.key_set()))
    with pytest.raises(IssuerUnreachableError):
        known.issuer().claims(known.local.token(), FOR_US)


@pytest.mark.parametrize(
    "uri", ["http://keys.example/", "file:///etc/passwd", "https://ann@127.0.0.1/", "https://", "http://127.0.0.1:x/"]
)
def test_keys_are_fetched_from_https_addresses_alone(known: Known, uri: str) -> None:
    known.local.route(
        "/.well-known/openid-configuration", lambda handler: handler.say({**known.local.document(), "jwks_uri": uri})
    )
    with pytest.raises(IssuerUnreachableError):
        known.issuer().document()


def test_a_service_that_drips_is_given_up(known: Known) -> None:
    class Hurried(Present):
        def monotonic(self) -> float:
            self.now += 11  # each look at the clock
            return self.now

    with pytest.raises(IssuerUnreachableError, match="takes too long"):
        Fetcher(Hurried(), known.local.authority).get(f"{known.local.url}/keys")


@pytest.mark.parametrize("plain", [True, False])
def test_a_head_that_comes_byte_by_byte_is_given_up(plain: bool) -> None:
    over = threading.Event()

    def drip(handler: Any) -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                handler.wfile.write(b"H")
        handler.close_connection = True

    with LocalIssuer(plain=plain) as local:
        local.route("/keys", drip)
        fetcher = Fetcher(Present(), local.authority, patience_seconds=0.5)
        with pytest.raises(IssuerUnreachableError):
            fetcher.get(f"{local.url}/keys")
        over.set()


def test_plain_http_is_for_this_machine_alone() -> None:
    with LocalIssuer(plain=True) as local:
        reply = Fetcher(Present()).get(f"{local.url}/keys")
        assert json.loads(reply.body) == local.key_set()
    with pytest.raises(IssuerUnreachableError, match="by https alone"):
        Fetcher(Present()).get("http://issuer.example/keys")


def test_a_failure_is_remembered_for_a_moment_and_a_value_for_longer() -> None:
    clock, calls = ManualClock(), []
    found: list[int | HoldfastError] = [IssuerUnreachableError("away"), 1, 2, IssuerUnreachableError("away"), 3]

    def load() -> int:
        calls.append(clock.now)
        said = found.pop(0)
        if isinstance(said, HoldfastError):
            raise said
        return said

    kept: Kept[int] = Kept("test", load, clock, Pace(100, 5), aside=lambda work: work())
    for _ in range(3):
        with pytest.raises(IssuerUnreachableError):
            kept.get()
    assert len(calls) == 1
    clock.advance(5)
    assert [kept.get(), kept.get(), kept.anew()] == [1, 1, 1]
    clock.advance(100)
    assert [kept.get(), kept.get(), kept.get()] == [1, 2, 2]
    clock.advance(100)
    assert [kept.get(), kept.get()] == [2, 2]
    assert len(calls) == 4
    clock.advance(5)
    assert [kept.get(), kept.get()] == [2, 3]
