"""Sessions of browsers over every store, and in redis: what one gateway begins, another finds, and ends for all."""

from __future__ import annotations

import contextlib
import logging
import secrets
from typing import TYPE_CHECKING

import pytest

from gateway.access.keyring import KeyRing
from gateway.access.redisoptions import RedisOptions
from gateway.access.redisserver import RedisServer
from gateway.access.redissessions import LONGEST_RECORD, RedisSessions
from gateway.access.sealer import Sealer
from holdfast.clock import SystemClock
from holdfast.config import parse
from holdfast.errors import ConflictError, MetadataUnavailableError, SessionsUnavailableError
from holdfast.meta.sessions import Session, Sessions, name_of
from holdfast.meta.signing import SigningKey
from tests.access.redisd import DB, PASSWORD, running_redis
from tests.contract.adapters import HARNESSES
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.access.browsers import SessionStore
    from tests.access.redisd import Redisd

    Gateway = Callable[[], SessionStore]

KEY = SigningKey(1, b"k" * 32, 0.0)


def in_redis(url: str, key: SigningKey = KEY, **keys: object) -> RedisSessions:
    driver = {"name": "redis", "url": url, "keyprefix": "ours", **keys}
    auth = parse({"storage": {"rootDirectory": "/d"}, "http": {"auth": {"sessionDriver": driver}}}).http.auth
    options = RedisOptions.of(auth)
    assert options is not None
    sealer = Sealer(KeyRing(lambda: [key], SystemClock()), secrets.token_bytes, LONGEST_RECORD)
    return RedisSessions(
        RedisServer(options, SystemClock()), options.prefix, sealer, lambda: secrets.token_bytes(16), SystemClock()
    )


@pytest.fixture(scope="module")
def redis() -> Iterator[Redisd]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "etcd", "redis"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    """Makes another gateway each time."""
    if request.param == "redis":
        server = request.getfixturevalue("redis")
        yield lambda: in_redis(server.url)
        return
    with contextlib.closing(HARNESSES[request.param](tmp_path)) as harness:
        yield lambda: Sessions(harness.open(), lambda: secrets.token_bytes(16), SystemClock())


def lasting(seconds: float) -> Session:
    return Session("ann", frozenset({"b", "a"}), SystemClock().wall() + seconds, "htpasswd:ann", b"mark")


def test_what_one_gateway_begins_another_finds_and_ends(gateway: Gateway) -> None:
    here, there = gateway(), gateway()
    session_id, session = secrets.token_bytes(32), lasting(3600)
    assert there.named(name_of(session_id)) is None
    here.begin(session_id, session)
    assert there.named(name_of(session_id)) == session
    assert there.named(name_of(secrets.token_bytes(32))) is None
    there.end(session_id)
    assert here.named(name_of(session_id)) is None
    here.end(session_id)


def test_a_session_that_is_there_is_never_replaced(gateway: Gateway) -> None:
    session_id, session = secrets.token_bytes(32), lasting(3600)
    gateway().begin(session_id, session)
    with pytest.raises(ConflictError):
        gateway().begin(session_id, lasting(7200))
    assert gateway().named(name_of(session_id)) == session


def test_a_session_whose_time_is_over_counts_for_nothing(gateway: Gateway) -> None:
    session_id = secrets.token_bytes(32)
    gateway().begin(session_id, lasting(-1))
    assert gateway().named(name_of(session_id)) is None


def test_somebody_in_very_many_groups_has_a_session(gateway: Gateway) -> None:
    session_id = secrets.token_bytes(32)
    session = Session("ann", frozenset(f"a group with the number {n}" for n in range(2000)), 2.0**33)
    gateway().begin(session_id, session)
    assert gateway().named(name_of(session_id)) == session


def test_redis_is_reached_by_a_port_by_a_socket_and_by_tls(redis: Redisd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(redis.authority))
    session_id, session = secrets.token_bytes(32), lasting(3600)
    in_redis(redis.tls_url).begin(session_id, session)
    keys = {"addr": [f"127.0.0.1:{redis.port}"], "password": PASSWORD, "db": DB}
    for found in (in_redis(redis.url), in_redis(redis.socket_url), in_redis("", **keys)):
        assert found.named(name_of(session_id)) == session


def test_a_redis_that_cannot_show_who_it_is_gets_nothing(redis: Redisd) -> None:
    with pytest.raises(SessionsUnavailableError):
        in_redis(redis.tls_url).begin(secrets.token_bytes(32), lasting(3600))


def test_redis_forgets_a_session_a_little_after_its_end(redis: Redisd) -> None:
    session_id = secrets.token_bytes(32)
    in_redis(redis.url).begin(session_id, lasting(3600))
    with redis.client as client:
        left = client.pttl(f"ours:session:{name_of(session_id)}")
    assert 3_000_000 < left <= 3_661_000


def test_who_can_write_redis_makes_himself_nobody_else(redis: Redisd) -> None:
    sessions, theirs, mine = in_redis(redis.url), secrets.token_bytes(32), secrets.token_bytes(32)
    sessions.begin(theirs, Session("the admin", frozenset(), 2.0**33))
    sessions.begin(mine, lasting(3600))
    key = f"ours:session:{name_of(mine)}"
    with redis.client as client:
        stolen = client.get(f"ours:session:{name_of(theirs)}")
        assert b"the admin" not in stolen
        for value in (stolen, b"\x80\x04N.", b"\xff\xfe", b"", b"{}", b"A" * 5000):
            client.set(key, value)
            assert sessions.named(name_of(mine)) is None, value


def test_another_installation_in_the_same_redis_knows_nobody_of_ours(redis: Redisd) -> None:
    session_id = secrets.token_bytes(32)
    in_redis(redis.url).begin(session_id, lasting(3600))
    assert in_redis(redis.url, SigningKey(1, b"x" * 32, 0.0)).named(name_of(session_id)) is None
    assert in_redis(redis.url, keyprefix="theirs").named(name_of(session_id)) is None


def has_ended(sessions: RedisSessions) -> bool:
    try:
        sessions.end(b"x")
    except SessionsUnavailableError:
        return False
    return True


def test_a_redis_that_is_gone_or_silent_or_refuses_is_one_error(
    redis: Redisd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.access")
    name, refused = name_of(b"x"), redis.url.replace("pass-of", "pass-off")
    with redis.client as client:
        client.rpush(f"ours:session:{name}", "a list")
    for sessions in (in_redis(redis.url), in_redis(refused), in_redis("redis://127.0.0.1:1")):
        for _ in range(2):
            with pytest.raises(SessionsUnavailableError) as caught:
                sessions.named(name)
            assert "pass-of" not in str(caught.value)
    silent = in_redis(f"{redis.url}?read_timeout=200ms&dial_timeout=200ms")
    with redis.frozen(), pytest.raises(SessionsUnavailableError):
        silent.end(b"x")
    wait_for("redis to be asked again", lambda: has_ended(silent))
    told = [record.getMessage() for record in caplog.records]
    assert len([line for line in told if line.startswith("redis cannot be asked")]) == 4
    assert told.count("redis answers again") == 1
    assert not [record for record in caplog.records if "pass-of" in str(vars(record))]


def test_without_the_keys_of_the_installation_nobody_is_told_that_he_is_logged_out(redis: Redisd) -> None:
    def gone() -> list[SigningKey]:
        raise MetadataUnavailableError("gone")

    session_id, sessions = secrets.token_bytes(32), in_redis(redis.url)
    sessions.begin(session_id, lasting(3600))
    sessions._sealer = Sealer(KeyRing(gone, SystemClock()), secrets.token_bytes, LONGEST_RECORD)
    with pytest.raises(MetadataUnavailableError):
        sessions.named(name_of(session_id))
