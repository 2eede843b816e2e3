"""A registry with users, and somebody who asks it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from holdfast.access.keytext import digest_of, new_robot_secret
from holdfast.access.robots import of_path
from holdfast.clock import SystemClock
from holdfast.meta.robots import Robot, RobotBook
from holdfast.meta.sqlite import SqliteStore
from tests import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.serving import Server


def basic(user: str, password: str) -> dict[str, str]:
    secrets.keep_credentials(user, password)
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass(frozen=True, slots=True)
class Guarded:
    """``passwords``: the htpasswd file."""

    server: Server
    passwords: Path

    @property
    def host(self) -> str:
        return self.server.host

    def ask(
        self, method: str, path: str, who: Mapping[str, str] | None = None, body: bytes | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        return self.server.request(method, path, body, {**(who or {}), **headers})

    def status(self, method: str, path: str, who: Mapping[str, str] | None = None, body: bytes | None = None) -> int:
        return self.ask(method, path, who, body)[0]

    def token(self, who: Mapping[str, str] | None, *scopes: str, **more: str) -> dict[str, str]:
        """What a request carries with a token for this; ``more`` are further parameters."""
        answer = self.answer(who, *scopes, **more)
        return {"Authorization": f"Bearer {answer['token']}"}

    def answer(self, who: Mapping[str, str] | None, *scopes: str, **more: str) -> dict[str, Any]:
        query = urlencode([("service", "holdfast"), *(("scope", scope) for scope in scopes), *more.items()])
        status, _, body = self.server.request("GET", f"/auth/token?{query}", None, dict(who or {}))
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def key(self, who: Mapping[str, str], *scopes: str, **more: str) -> dict[str, Any]:
        """A new API key of somebody's; ``more`` are further members of the wish."""
        status, _, body = self.ask("POST", "/zot/auth/apikey", who, json.dumps({"scopes": scopes, **more}).encode())
        assert status == 201, body
        found: dict[str, Any] = json.loads(body)
        return found

    def robot(self, path: str, *scopes: str, ends_seconds: float = 0.0) -> dict[str, str]:
        """A new robot, and what a request of it carries."""
        name, secret, now = of_path(path), new_robot_secret(os.urandom), time.time()
        with self._robots() as book:
            book.add(Robot(name, scopes, digest_of(secret), now, now, ends_seconds))
        return basic(name.user, secret)

    def dismiss(self, path: str) -> None:
        with self._robots() as book:
            assert book.remove(of_path(path))

    @contextlib.contextmanager
    def _robots(self) -> Iterator[RobotBook]:
        database = self.server.root / "data" / "meta" / "holdfast.db"
        with contextlib.closing(SqliteStore(database, SystemClock())) as store:
            yield RobotBook(store, lambda: os.urandom(16))

    def whoami(self, who: Mapping[str, str] | None, *repositories: str) -> dict[str, Any]:
        query = urlencode([("repository", name) for name in repositories])
        status, _, body = self.ask("GET", f"/_holdfast/whoami?{query}", who)
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def audit(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.server.root.parent / "audit.log").read_text().splitlines()]

    def logged(self, word: str) -> list[dict[str, Any]]:
        lines = (self.server.root / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and word in line]
