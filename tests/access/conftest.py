"""Registries that know somebody."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import bcrypt
import pytest

from tests import secrets
from tests.access.guarded import Guarded
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    """Starts a registry with users (name: password) and rules."""
    with contextlib.ExitStack() as stack:

        def start(users: dict[str, str], control: dict[str, Any] | None = None) -> Guarded:
            return stack.enter_context(starting(tmp_path, users, control))

        yield start


@contextlib.contextmanager
def starting(
    root: Path,
    users: dict[str, str],
    control: dict[str, Any] | None = None,
    auth: dict[str, Any] | None = None,
    **http: Any,
) -> Iterator[Guarded]:
    """A registry that knows these users. ``auth``: more of ``http.auth``; ``http``: further settings of that block."""
    path = root / "htpasswd"
    path.write_text("".join(line(name, password) for name, password in users.items()))
    settings: dict[str, Any] = {"auth": {"htpasswd": {"path": str(path)}, **(auth or {})}, **http}
    if control is not None:
        settings["accessControl"] = control
    with serving(root / "registry", http=settings, log={"audit": str(root / "audit.log")}) as server:
        yield Guarded(server, path)


def line(name: str, password: str) -> str:
    secrets.keep(password, name)
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
