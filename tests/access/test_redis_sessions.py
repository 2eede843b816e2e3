"""A registry that keeps the sessions of browsers in redis, and what becomes of its callers when redis is gone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from tests.access.browser import Browser
from tests.access.conftest import line
from tests.access.guarded import basic
from tests.access.redisd import running_redis
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.access.redisd import Redisd
    from tests.serving import Server

PAGE: Final = {"X_ZOT_API_CLIENT": "zot-ui"}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redisd]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def registry(redis: Redisd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root: Path = tmp_path_factory.mktemp("redis")
    passwords = root / "htpasswd"
    passwords.write_text(line("bob", "builder"))
    auth = {
        "htpasswd": {"path": str(passwords)},
        "sessionDriver": {"name": "redis", "url": redis.url, "keyprefix": "ours"},
    }
    rules = {"repositories": {"**": {"defaultPolicy": ["read"]}}}
    with serving(root / "registry", http={"auth": auth, "accessControl": rules, "workers": 1}) as server:
        yield server


def logged_in(registry: Server) -> Browser:
    browser = Browser(registry.url)
    assert browser.go("/v2/", **PAGE, **basic("bob", "builder")).status == 200
    assert browser.go("/v2/").status == 200
    return browser


def test_a_session_is_in_redis_until_its_logout(registry: Server, redis: Redisd) -> None:
    browser = logged_in(registry)
    (key,) = redis.keys()
    assert key.startswith(b"ours:session:")
    cookie = dict(browser.cookies)
    assert browser.go("/zot/auth/logout", "POST", **PAGE).status == 200
    assert redis.keys() == []
    browser.cookies.update(cookie)
    assert browser.go("/v2/").status == 401


def test_a_value_that_is_not_ours_is_no_session(registry: Server, redis: Redisd) -> None:
    browser = logged_in(registry)
    with redis.client as client:
        client.set(redis.keys()[0], b"\x80\x04N.")
    assert browser.go("/v2/").status == 401


def test_without_redis_those_who_need_no_session_are_served(registry: Server, redis: Redisd) -> None:
    browser, stranger = logged_in(registry), Browser(registry.url)
    with contextlib.ExitStack() as later:
        redis.stop()
        later.callback(redis.start)
        for path, method in (("/v2/", "GET"), ("/v2/a/tags/list", "GET"), ("/zot/auth/logout", "POST")):
            page = browser.go(path, method, **PAGE)
            assert (page.status, "retry-after" in page.headers) == (503, True), path
        # To begin one is to need one.
        assert stranger.go("/v2/", **PAGE, **basic("bob", "builder")).status == 503
        assert stranger.go("/v2/", **basic("bob", "builder")).status == 200
        assert browser.go("/v2/", **basic("bob", "builder")).status == 200
        assert stranger.go("/v2/").status == 401
        assert stranger.go("/v2/", Cookie="session=of-somebody-else").status == 401
    wait_for("redis to be asked again", lambda: browser.go("/v2/").status != 503)
    assert browser.go("/v2/").status == 401  # it came back empty
    assert logged_in(registry).go("/v2/a/tags/list").status == 404
    assert registry.told("redis cannot be asked")
    assert registry.told("redis answers again")
