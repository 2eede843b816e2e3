"""Sessions of browsers over every store: what one gateway begins, another finds, and ends for all."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import ConflictError
from holdfast.meta.sessions import Session, Sessions, name_of
from tests.contract.adapters import HARNESSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.adapters import Harness


@pytest.fixture(params=["memory", "sqlite", "etcd"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    made = HARNESSES[request.param](tmp_path)
    yield made
    made.close()


def gateway(harness: Harness) -> Sessions:
    return Sessions(harness.open(), lambda: secrets.token_bytes(16), SystemClock())


def lasting(seconds: float) -> Session:
    return Session("ann", frozenset({"b", "a"}), SystemClock().wall() + seconds, "htpasswd:ann", b"mark")


def test_what_one_gateway_begins_another_finds_and_ends(harness: Harness) -> None:
    here, there = gateway(harness), gateway(harness)
    session_id, session = secrets.token_bytes(32), lasting(3600)
    assert there.named(name_of(session_id)) is None
    here.begin(session_id, session)
    assert there.named(name_of(session_id)) == session
    assert there.named(name_of(secrets.token_bytes(32))) is None
    there.end(session_id)
    assert here.named(name_of(session_id)) is None
    here.end(session_id)


def test_a_session_that_is_there_is_never_replaced(harness: Harness) -> None:
    session_id, session = secrets.token_bytes(32), lasting(3600)
    gateway(harness).begin(session_id, session)
    with pytest.raises(ConflictError):
        gateway(harness).begin(session_id, lasting(7200))
    assert gateway(harness).named(name_of(session_id)) == session


def test_a_session_whose_time_is_over_counts_for_nothing(harness: Harness) -> None:
    session_id = secrets.token_bytes(32)
    gateway(harness).begin(session_id, lasting(-1))
    assert gateway(harness).named(name_of(session_id)) is None
