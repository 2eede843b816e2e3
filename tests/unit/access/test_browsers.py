"""Sessions and logins under way, with a clock of the tests' own and several gateways over one store."""

from __future__ import annotations

import base64
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.access.browsers import SESSION_SECONDS, Browsers
from gateway.access.keyring import KeyRing
from gateway.access.oauth import Attempt, Client, key_in
from gateway.access.openid import ATTEMPT_SECONDS, Answered, OpenId
from gateway.access.origins import Origins, origin_of
from gateway.access.sealer import LONGEST, Sealer
from gateway.access.ways import Proven, Standing
from holdfast.access.conditions import Facts
from holdfast.access.identity import Identity, Way
from holdfast.access.scopes import Grant
from holdfast.certs import sealing
from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, LoginRefusedError, MissingError, OverloadedError
from holdfast.meta.sessions import Sessions
from holdfast.meta.signing import RENEWAL_SECONDS, SigningKey, SigningKeys
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

ANN = Proven(Identity("ann@example.com", Way.OPENID, frozenset({"builders"})))
BOB = Proven(Identity("bob", Way.PASSWORD), account="htpasswd:bob")


@dataclass
class World:
    """An installation; ``gateway`` gives another gateway of it."""

    clock: ManualClock = field(default_factory=ManualClock)
    passwords: dict[str, str] = field(default_factory=lambda: {"bob": "hash one"})

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.keys = SigningKeys(self.store, lambda: os.urandom(16), lambda: os.urandom(32), self.clock)
        self.sessions = Sessions(self.store, lambda: os.urandom(16), self.clock)

    def sealer(self) -> Sealer:
        return Sealer(KeyRing(self.keys.all, self.clock), os.urandom)

    def gateway(self) -> Browsers:
        return Browsers(self.sessions, self.sealer(), (self,), self.clock, os.urandom)

    word = "htpasswd"

    def standing(self, name: str) -> Standing | None:
        mark = self.passwords.get(name)
        return (
            None if mark is None else Standing(mark, Proven(Identity(name, Way.PASSWORD), account=f"htpasswd:{name}"))
        )


@pytest.fixture
def world() -> World:
    return World()


def known(gateway: Browsers, cookie: str) -> Identity | None:
    found = gateway.of(Facts(session=cookie))
    return None if found is None else found.identity


def test_every_gateway_knows_a_session_and_none_does_after_its_end(world: World) -> None:
    here, there = world.gateway(), world.gateway()
    cookie = here.begin(ANN)
    assert known(there, cookie) == Identity("ann@example.com", Way.SESSION, frozenset({"builders"}))
    there.end(cookie)
    assert known(here, cookie) is None
    there.end(cookie)


def test_a_session_ends_by_its_time_and_leaves_nothing_behind(world: World) -> None:
    gateway = world.gateway()
    cookie = gateway.begin(ANN)
    world.clock.advance(SESSION_SECONDS - 1)
    assert known(gateway, cookie) is not None
    world.clock.advance(1)
    assert known(gateway, cookie) is None
    world.clock.advance(61)
    assert not world.store.range(b"session/", b"session0", 10).entries


def test_a_session_outlives_the_renewal_of_keys(world: World) -> None:
    world.gateway().begin(BOB)
    world.clock.advance(RENEWAL_SECONDS - 60)
    cookie = world.gateway().begin(BOB)
    world.clock.advance(120)
    other = world.gateway().begin(ANN)
    assert known(world.gateway(), cookie) == Identity("bob", Way.SESSION)
    assert known(world.gateway(), other) is not None
    world.keys.revoke()
    assert known(world.gateway(), cookie) is None


@pytest.mark.parametrize("now", ["hash two", None])
def test_a_session_falls_with_the_account_that_it_began_with(world: World, now: str | None) -> None:
    gateway = world.gateway()
    cookie = gateway.begin(BOB)
    proven = gateway.of(Facts(session=cookie))
    assert proven is not None
    assert gateway.standing(proven.account.removeprefix("session:")) is not None
    world.passwords = {} if now is None else {"bob": now}
    assert known(gateway, cookie) is None
    assert gateway.standing(proven.account.removeprefix("session:")) is None


def test_nobody_who_is_gone_begins_a_session(world: World) -> None:
    world.passwords = {}
    with pytest.raises(LoginRefusedError):
        world.gateway().begin(BOB)


def test_what_allows_less_than_its_owner_begins_no_session(world: World) -> None:
    with pytest.raises(ValueError, match="all that its owner may"):
        world.gateway().begin(Proven(BOB.identity, (Grant(()),), BOB.account))
    with pytest.raises(ValueError, match="somebody"):
        world.gateway().begin(Proven())


def test_only_what_a_person_has_in_mind_begins_a_session(world: World) -> None:
    gateway = world.gateway()
    assert gateway.takes(BOB)
    assert not gateway.takes(Proven(BOB.identity, (Grant(()),), BOB.account))
    assert not gateway.takes(Proven(BOB.identity, account="apikey:7"))
    assert not gateway.takes(Proven(BOB.identity))
    assert not gateway.takes(Proven())


def test_the_metadata_tell_neither_the_cookie_nor_the_hash_of_the_password(world: World) -> None:
    cookie = world.gateway().begin(BOB)
    (entry,) = world.store.range(b"session/", b"session0", 10).entries
    session_id = world.sealer().opened("session", cookie)
    assert session_id
    for secret in (session_id, session_id.hex().encode(), b"hash one", cookie.encode()):
        assert secret not in entry.key + entry.value


# -- what cookies hold


def test_what_is_sealed_is_opened_for_its_purpose_alone(world: World) -> None:
    sealed = world.sealer().seal("one", b"data")
    assert world.sealer().opened("one", sealed) == b"data"
    assert world.sealer().opened("another", sealed) is None
    assert World().sealer().opened("one", sealed) is None
    assert world.sealer().seal("one", b"data") != sealed


SEALER = Sealer(KeyRing(lambda: [SigningKey(0, b"k" * 32, 0.0)], ManualClock()), os.urandom)
SEALED = SEALER.seal("session", b"an id")


@settings(deadline=None)
@given(place=st.integers(0, len(SEALED) - 1), letter=st.characters(codec="ascii"))
def test_a_cookie_with_any_letter_changed_is_none(place: int, letter: str) -> None:
    changed = SEALED[:place] + letter + SEALED[place + 1 :]
    # The last letter of base64 carries bits that mean nothing: other letters can stand for the same bytes.
    assert SEALER.opened("session", changed) is None or raw(changed) == raw(SEALED)


def raw(cookie: str) -> bytes:
    return base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_text_that_we_did_not_make_is_a_cookie(text: str) -> None:
    assert SEALER.opened("session", text) is None


def test_a_cookie_beyond_what_browsers_keep_is_none() -> None:
    assert SEALER.opened("session", "A" * (LONGEST + 1)) is None


@given(data=st.binary(max_size=80))
@settings(max_examples=50, deadline=None)
def test_bytes_that_nobody_sealed_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not sealed"):
        sealing.opened(b"k" * 32, "session", data)


# -- logins under way


class Service:
    """Gives everybody the name of its code, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Attempt]] = []

    def address(self, attempt: Attempt) -> str:
        return f"https://id.example/?state={attempt.state}"

    def is_named(self, issuer: str) -> bool:
        return issuer == "https://id.example"

    def identity(self, code: str, attempt: Attempt) -> Identity:
        self.asked.append((code, attempt))
        return Identity(code, Way.OPENID)


@dataclass
class Login:
    """One that was begun."""

    world: World
    service: Service = field(default_factory=Service)

    def __post_init__(self) -> None:
        self.openid = self.at_another_gateway()
        self.begun = self.openid.begin("oidc", "https://here.example/callback", "/home")
        self.state = parse_qs(urlsplit(self.begun.address).query)["state"][0]

    def at_another_gateway(self) -> OpenId:
        services = {"oidc": self.service, "google": self.service}
        return OpenId(services, self.world.sealer(), self.world.clock, os.urandom)

    def finish(self, provider: str = "oidc", cookie: str | None = None, **answered: str) -> Any:
        answer = Answered(**{"code": "ann", "state": self.state, **answered})
        return self.openid.finish(provider, answer, self.begun.cookie if cookie is None else cookie)


@pytest.fixture
def begun(world: World) -> Login:
    return Login(world)


def test_a_login_that_began_at_one_gateway_ends_at_another(begun: Login) -> None:
    begun.openid = begun.at_another_gateway()
    finished = begun.finish(issuer="https://id.example")
    assert (finished.identity.name, finished.return_to) == ("ann", "/home")
    ((_, attempt),) = begun.service.asked
    assert attempt.callback == "https://here.example/callback"
    assert len({attempt.state, attempt.nonce, attempt.verifier}) == 3
    assert 43 <= len(attempt.verifier) <= 128


def test_a_login_that_takes_too_long_is_over(begun: Login) -> None:
    begun.world.clock.advance(ATTEMPT_SECONDS - 1)
    assert begun.finish().identity.name == "ann"
    begun.world.clock.advance(1)
    with pytest.raises(LoginRefusedError):
        begun.finish()


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": ""},
        {"state": "x"},
        {"state": "\udcff"},
        {"code": ""},
        {"code": "x" * 5000},
        {"error": "access_denied"},
        {"issuer": "https://evil.example"},
        {"provider": "google"},
        {"cookie": ""},
        {"cookie": "x"},
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_asked(begun: Login, wrong: dict[str, str]) -> None:
    with pytest.raises(LoginRefusedError):
        begun.finish(**wrong)
    assert not begun.service.asked


def test_the_cookie_of_another_login_does_not_fit(begun: Login) -> None:
    other = Login(begun.world, begun.service)
    with pytest.raises(LoginRefusedError):
        begun.finish(cookie=other.begun.cookie)


def test_a_service_that_is_not_configured_is_missing(begun: Login) -> None:
    with pytest.raises(MissingError):
        begun.openid.begin("nowhere", "https://here.example/callback", "")
    with pytest.raises(MissingError):
        begun.finish("nowhere")


def test_a_service_that_never_answers_takes_some_places_and_no_more(begun: Login) -> None:
    release, waiting = threading.Event(), threading.Semaphore(0)

    class Slow(Service):
        def address(self, attempt: Attempt) -> str:
            waiting.release()
            assert release.wait(60)
            return super().address(attempt)

    openid = OpenId({"oidc": Slow()}, begun.world.sealer(), begun.world.clock, os.urandom)

    def begin() -> object:
        return openid.begin("oidc", "https://here.example/callback", "")

    with ThreadPoolExecutor(16) as pool:
        held = [pool.submit(begin) for _ in range(16)]
        try:
            assert all(waiting.acquire(timeout=60) for _ in held)
            with pytest.raises(OverloadedError):
                begin()
        finally:
            release.set()
        assert all(one.result(60) for one in held)
    assert begin()


def test_nothing_secret_of_a_login_shows_where_it_is_printed(begun: Login) -> None:
    begun.finish()
    ((_, attempt),) = begun.service.asked
    for secret in (attempt.state, attempt.nonce, attempt.verifier):
        assert secret not in repr(attempt)
    assert begun.begun.cookie not in repr(begun.begun)
    assert "a secret" not in repr(Client("us", (), "a secret"))


# -- who we are to a service

ATTEMPT = Attempt("oidc", "S", "N", "V" * 43, "https://here.example/cb", "", 0.0)


def test_a_secret_stands_in_a_header_or_in_the_form_as_the_service_wants_it() -> None:
    client = Client("us:&", ("openid",), "a/b c")
    told = client.exchange("https://id.example/token", "C", ATTEMPT, is_posted=False, now_seconds=0, number="")
    assert base64.b64decode(told.headers["Authorization"].split()[1]) == b"us%3A%26:a%2Fb+c"
    form = parse_qs(told.form or "")
    assert form["code_verifier"] == ["V" * 43]
    assert form["redirect_uri"] == ["https://here.example/cb"]
    assert "client_secret" not in form
    posted = client.exchange("https://id.example/token", "C", ATTEMPT, is_posted=True, now_seconds=0, number="")
    assert parse_qs(posted.form or "")["client_secret"] == ["a/b c"]
    public = Client("us", ()).exchange(
        "https://id.example/token", "C", ATTEMPT, is_posted=False, now_seconds=0, number=""
    )
    assert (public.headers, parse_qs(public.form or "")["client_id"]) == ({}, ["us"])


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RS256"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate, "EdDSA"),
    ],
)
def test_a_client_with_a_key_signs_for_its_service(tmp_path: Path, make: Any, algorithm: str, wrapped: bool) -> None:
    private = make()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    file = tmp_path / "key"
    file.write_text(json.dumps({"key": pem, "keyId": "7", "clientId": "us"}) if wrapped else pem)
    key, name = key_in(file)
    assert (key.number, name) == (("7", "us") if wrapped else ("", ""))
    told = Client("us", (), key=key).exchange(
        "https://id.example/token", "C", ATTEMPT, is_posted=False, now_seconds=1000, number="one"
    )
    form = {name: values[0] for name, values in parse_qs(told.form or "").items()}
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    said = jwt.decode(
        form["client_assertion"],
        private.public_key(),
        [algorithm],
        {"verify_exp": False},
        audience="https://id.example/token",
    )
    assert (said["iss"], said["sub"], said["jti"], said["exp"] - said["iat"]) == ("us", "us", "one", 60)
    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize("text", ["", "no key", "{}", "[]", '{"key": 7}', "{", None])
def test_a_file_without_a_key_is_refused_with_its_name(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match="key in"):
        key_in(file)


# -- origins


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example", "https://a.example"),
        ("https://A.example:443/x?y#z", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("null", ""),
        ("*", ""),
        ("", ""),
        ("//a.example", ""),
        ("https:a.example", ""),
        ("https:///a.example", ""),
        ("https://b@a.example", ""),
        ("https://a.example\\@b.example", ""),
        ("https://a.example\n", ""),
        ("https://a.exämple", ""),
        ("https://a.example:x", ""),
        ("https://a.example:99999", ""),
        ("ftp://a.example", ""),
        ("https://[::1", ""),
    ],
)
def test_the_origin_of_an_address(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(st.sampled_from("htps:/\\@.?#%a e\t\n[]0127-x"), max_size=40))
def test_nothing_leads_to_our_friends_but_their_own_address(text: str) -> None:
    friends = Origins.of(["https://a.example"])
    for url in (text, f"https://a.example{text}", f"https:{text}", f"https://{text}a.example"):
        if friends.leads_to(url):
            assert url.lower().startswith("https://a.example")
            assert url[len("https://a.example") :][:1] in {"", "/", "?", "#", ":"}


def test_everybody_is_not_a_friend() -> None:
    everybody = Origins.of(["*", " https://a.example ", "nonsense"])
    assert everybody.everybody
    assert everybody.has("https://a.example")
    assert not everybody.has("https://b.example")
    assert not everybody.has("null")
    assert not Origins.of([""]).known
