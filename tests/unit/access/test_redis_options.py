"""Where sessions are kept: what is read from the settings, and what is refused with its place and without the password."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from gateway.access.redisoptions import Patience, Place, RedisOptions
from holdfast.config import parse
from holdfast.errors import ConfigError


def options(**driver: Any) -> RedisOptions | None:
    http = {"auth": {"sessionDriver": {"name": "redis", **driver}}}
    return RedisOptions.of(parse({"storage": {"rootDirectory": "/d"}, "http": http}).http.auth)


def found(**driver: Any) -> RedisOptions:
    made = options(**driver)
    assert made is not None
    return made


def test_sessions_are_in_the_metadata_unless_told() -> None:
    assert RedisOptions.of(None) is None
    local = {"http": {"auth": {"sessionDriver": {"name": "local"}}}, "storage": {"rootDirectory": "/d"}}
    assert RedisOptions.of(parse(local).http.auth) is None


def test_a_url_says_where_and_as_whom() -> None:
    made = found(url="rediss://us%40er:p%2Fw@[::1]:7000/4", keyprefix="ours")
    assert (made.place, made.username, made.password) == (Place("::1", 7000, tls=True), "us@er", "p/w")
    assert (made.db, made.prefix) == (4, "ours")
    assert "p/w" not in repr(made)
    assert found(url="unix:///run/redis.sock?db=2").place == Place(socket="/run/redis.sock")
    assert found(url="redis://").place == Place("localhost", 6379)
    assert found(url="redis://h").prefix == "zotsession"


def test_what_follows_in_a_url_are_the_other_keys() -> None:
    asked = "dial_timeout=3&read_timeout=600ms&max_retries=0&pool_size=7&client_name=reg&protocol=2&pool_fifo=true"
    made = found(url=f"redis://h?{asked}")
    assert (made.patience.dial_seconds, made.patience.read_seconds, made.patience.retries) == (3, 0.6, 0)
    assert (made.connections, made.client_name, made.protocol) == (7, "reg", 2)


def test_keys_in_place_of_a_url() -> None:
    made = found(
        addr=["h:7000"], username="u", password="secret-1", db=1, read_timeout="4s", pool_timeout="1s",
        min_retry_backoff="1s", max_retry_backoff="2s", max_retries=2, pool_size=10,
    )  # fmt: skip
    assert (made.place, made.username, made.password, made.db) == (Place("h", 7000), "u", "secret-1", 1)
    assert made.patience == Patience(2.0, 4.0, 1.0, 2, 1.0, 2.0)
    assert found(addr=["h"]).patience == Patience()


@pytest.mark.parametrize("text", ["0s", "-1s"])
def test_there_is_always_an_end_to_waiting(text: str) -> None:
    assert found(addr=["h"], dial_timeout=text, read_timeout=text).patience == Patience()


@pytest.mark.parametrize(
    ("driver", "path"),
    [
        ({"url": "http://u:hidden-1@h"}, "url"),
        ({"url": "redis://u:hidden-1@h:port"}, "url"),
        ({"url": "redis://u:hidden-1@h:0"}, "url"),
        ({"url": "redis://u:hidden-1@[h"}, "url"),
        ({"url": "redis://u:hidden-1@h/one"}, "url"),
        ({"url": "redis://u:hidden-1@h?addr=i:1"}, "url"),
        ({"url": "redis://h?password=hidden-1"}, "url"),
        ({"url": "redis://u:hidden-1@h?skip_verify=true"}, "url"),
        ({"url": "redis://u:hidden-1@h?pool_size=hidden-1"}, "url"),
        ({"url": "redis://u:hidden-1@h?master_name=m"}, "master_name"),
        ({"addr": ["h:port"], "password": "hidden-1"}, "addr"),
        ({"addr": ["h:1", "i:1"], "password": "hidden-1"}, "addr"),
        ({"addr": ["h:1"], "protocol": 4}, "protocol"),
        ({}, "url"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_with_its_place(driver: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        options(**driver)
    (fault,) = refused.value.detail
    assert fault["path"] == f"http.auth.sessionDriver.{path}"
    assert fault["remedy"] in str(refused.value)
    assert "hidden-1" not in f"{refused.value} {fault} {refused.value.__cause__}"


def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        options(url="redis://h")
    (fault,) = refused.value.detail
    assert (fault["path"], "holdfast[redis]" in fault["remedy"]) == ("http.auth.sessionDriver", True)
