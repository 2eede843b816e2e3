"""A client of the session's registry, and repositories that no other test uses."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance.oci import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

_RUN: Final = secrets.token_hex(4)
_numbers = itertools.count(1)


@pytest.fixture
def client(registry: Server) -> Iterator[Client]:
    client = Client(registry.host)
    yield client
    client.close()


@pytest.fixture
def repo() -> str:
    return f"http/{_RUN}/r{next(_numbers)}"


@pytest.fixture
def repo2() -> str:
    return f"http/{_RUN}/other{next(_numbers)}"
