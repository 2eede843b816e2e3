"""Tokens: what counts, and everything that does not."""

from __future__ import annotations

import base64
import itertools
import json
import os
from dataclasses import dataclass, field

import jwt
import pytest

from gateway.access.tokens import ACCESS_SECONDS, REFRESH_SECONDS, Tokens
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.access.scopes import Grant, Scope
from holdfast.clock import ManualClock
from holdfast.errors import LoginRefusedError
from holdfast.meta.signing import KEPT_SECONDS, RENEWAL_SECONDS, SigningKeys
from tests.fakes.memory_store import MemoryStore

ANN = Proven(Identity("ann", Way.PASSWORD), account="htpasswd:ann")
SCOPES = (Scope("repository", "a", ("pull",)),)


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    passwords: dict[str, str] = field(default_factory=lambda: {"ann": "hash one"})

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.keys = SigningKeys(self.store, lambda: os.urandom(16), lambda: os.urandom(32), self.clock)
        self.tokens = self.gateway()

    def gateway(self) -> Tokens:
        return Tokens(self.keys, self.standing, self.clock)

    def standing(self, account: str) -> Standing | None:
        user = account.removeprefix("htpasswd:")
        mark = self.passwords.get(user)
        return None if mark is None else Standing(mark, Proven(Identity(user, Way.PASSWORD)))

    def refuses(self, token: str) -> bool:
        try:
            self.tokens.read(token)
        except LoginRefusedError:
            return True
        return False


@pytest.fixture
def world() -> World:
    return World()


def test_every_gateway_knows_the_tokens_of_every_other(world: World) -> None:
    bearer = world.gateway().read(world.tokens.access(ANN, SCOPES))
    assert (bearer.identity, bearer.limits) == (Identity("ann", Way.TOKEN), (Grant(SCOPES),))
    assert world.gateway().read(world.tokens.access(Proven(), ())).identity == ANONYMOUS


def test_a_token_ends_by_its_age(world: World) -> None:
    token = world.tokens.access(ANN, SCOPES)
    world.clock.advance(ACCESS_SECONDS)
    assert not world.refuses(token)
    world.clock.advance(61)  # clocks differ, but not by more
    assert world.refuses(token)


def test_a_token_ends_with_the_password_and_with_the_user(world: World) -> None:
    token, refresh = world.tokens.access(ANN, SCOPES), world.tokens.refresh(ANN)
    assert world.tokens.owner_of_refresh(refresh).identity.name == "ann"
    world.passwords["ann"] = "hash two"
    assert world.refuses(token)
    world.passwords["ann"] = "hash one"
    assert not world.refuses(token)
    del world.passwords["ann"]
    assert world.refuses(token)
    with pytest.raises(LoginRefusedError):
        world.tokens.owner_of_refresh(refresh)


def test_neither_kind_stands_for_the_other(world: World) -> None:
    assert world.refuses(world.tokens.refresh(ANN))
    with pytest.raises(LoginRefusedError):
        world.tokens.owner_of_refresh(world.tokens.access(ANN, SCOPES))


def test_keys_are_renewed_and_old_tokens_go_on_until_they_end(world: World) -> None:
    refresh = world.tokens.refresh(ANN)
    world.clock.advance(RENEWAL_SECONDS - 1)
    world.tokens.access(ANN, ())
    world.clock.advance(2)
    world.tokens.access(ANN, ())
    assert [key.number for key in world.keys.all()] == [1, 2]
    assert REFRESH_SECONDS < KEPT_SECONDS
    assert world.tokens.owner_of_refresh(refresh).identity.name == "ann"


def test_a_key_that_signed_long_ago_goes(world: World) -> None:
    for _ in range(5):
        world.keys.all()
        world.clock.advance(RENEWAL_SECONDS + 1)
    assert [key.number for key in world.keys.all()] == [4, 5, 6]


def test_a_key_that_another_gateway_made_is_read_when_it_is_seen(world: World) -> None:
    world.tokens.access(ANN, ())
    world.clock.advance(2)
    world.keys.renew()
    assert world.tokens.read(world.gateway().access(ANN, SCOPES)).identity.name == "ann"


def test_after_a_revocation_nothing_counts(world: World) -> None:
    token = world.tokens.access(ANN, SCOPES)
    world.keys.revoke()
    world.clock.advance(61)
    assert world.refuses(token)


def test_two_gateways_that_make_the_first_key_use_the_same(world: World) -> None:
    other = SigningKeys(world.store, lambda: os.urandom(16), lambda: os.urandom(32), world.clock)
    assert world.keys.all() == other.all()


def _parts(token: str) -> list[dict[str, object]]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def _forged(head: dict[str, object], claims: dict[str, object], signature: str) -> str:
    def encoded(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{encoded(head)}.{encoded(claims)}.{signature}"


def test_nothing_in_a_header_but_the_number_of_the_key_is_believed(world: World) -> None:
    token = world.tokens.access(ANN, SCOPES)
    head, claims = _parts(token)
    signature = token.rpartition(".")[2]
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}
    for change in (
        {"alg": "none"},
        {"jwk": jwk},
        {"jku": "http://127.0.0.1/"},
        {"kid": "2"},
        {"kid": "../1"},
        {"kid": None},
    ):
        assert world.refuses(_forged({**head, **change}, claims, signature))
        assert world.refuses(_forged({**head, **change}, claims, ""))
        if change.get("kid", "1") is not None:  # the library signs no such header
            own = jwt.encode(claims, "k" * 32, "HS256", headers={**head, **change, "alg": "HS256"})
            assert world.refuses(own)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"exp": "soon"},
        {"sub": "root"},
        {"by": ""},
        {"access": "all"},
        {"access": [{}]},
    ],
)
def test_claims_that_are_not_ours_do_not_count_even_well_signed(world: World, change: dict[str, object]) -> None:
    _, claims = _parts(world.tokens.access(ANN, SCOPES))
    key = world.keys.all()[-1]
    world.passwords["root"] = "x"
    assert world.refuses(jwt.encode({**claims, **change}, key.secret, "HS256", headers={"kid": "1"}))
    for missing in ("iss", "aud", "exp", "sub", "iat", "use", "access"):
        rest = {name: value for name, value in claims.items() if name != missing}
        assert world.refuses(jwt.encode(rest, key.secret, "HS256", headers={"kid": "1"})), missing


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "\0", "x" * 20_000, "ey" * 4000, "é.ü.ß"])
def test_what_is_no_token_is_refused(world: World, text: str) -> None:
    assert world.refuses(text)


def test_every_cut_and_every_flip_of_a_token_is_refused(world: World) -> None:
    token = world.tokens.access(ANN, SCOPES)
    for at, swap in itertools.product(range(0, len(token) - 2, 7), "A.z"):
        if token[at] != swap:
            assert world.refuses(token[:at] + swap + token[at + 1 :])
        assert world.refuses(token[:at])
