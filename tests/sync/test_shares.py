"""How requests to one upstream share its connections: what is small never waits for blobs, and no bound is exceeded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.errors import UpstreamUnavailableError
from tests.serving import wait_for
from tests.sync.client import Pauses, upstream_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncworker.upstream.upstream import Upstream

NAME, TAG = names.repository("app"), names.tag("v1")
BLOBS = tuple(bytes([n]) * 300_000 for n in range(4))


@pytest.fixture
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        stock.image("app", "v1", *BLOBS)
        for blob in BLOBS:
            stock.hold(blob, 1000)
        yield stock


def streams(upstream: Upstream, count: int, stack: contextlib.ExitStack) -> None:
    """Blobs under way, none of which comes to its end."""
    for blob in BLOBS[:count]:
        stack.enter_context(upstream.blob(NAME, digests.of(blob)))


@pytest.mark.parametrize(("concurrent", "blobs"), [(2, 1), (3, 2), (4, 3)])
def test_blobs_leave_one_connection_to_what_is_small(stock: Stock, concurrent: int, blobs: int) -> None:
    upstream = upstream_of(stock.url, reqConcurrent=concurrent, queue_seconds=0)
    with contextlib.ExitStack() as stack:
        streams(upstream, blobs, stack)
        with pytest.raises(UpstreamUnavailableError, match="too many blobs"):
            upstream.blob(NAME, digests.of(BLOBS[blobs]))
        assert upstream.head(NAME, TAG) is not None
        assert len(stock.connected) <= concurrent
    with upstream.blob(NAME, digests.of(BLOBS[blobs])) as stream:
        assert stream.total_bytes == len(BLOBS[blobs])


def test_the_only_connection_is_shared(stock: Stock) -> None:
    upstream = upstream_of(stock.url, reqConcurrent=1, queue_seconds=0)
    with upstream.blob(NAME, digests.of(BLOBS[0])), pytest.raises(UpstreamUnavailableError, match="are in use"):
        upstream.head(NAME, TAG)
    assert upstream.head(NAME, TAG) is not None


def test_without_a_bound_of_the_operator_three_blobs_come_at_once(stock: Stock) -> None:
    upstream = upstream_of(stock.url, queue_seconds=0)
    with contextlib.ExitStack() as stack:
        streams(upstream, 3, stack)
        assert upstream.head(NAME, TAG) is not None
        assert len(stock.connected) == 4


def test_a_blob_that_is_refused_gives_its_place_back(stock: Stock) -> None:
    upstream = upstream_of(stock.url, reqConcurrent=2, queue_seconds=0, maxRetries=0, retryDelay="1s")
    stock.failing = 500
    for _ in range(3):
        with pytest.raises(UpstreamUnavailableError, match="500"):
            upstream.blob(NAME, digests.of(BLOBS[0]))
    stock.failing = 0
    with upstream.blob(NAME, digests.of(BLOBS[0])) as stream:
        assert stream.total_bytes == len(BLOBS[0])


def test_the_next_url_is_asked_before_a_delay_of_minutes_is_over(stock: Stock) -> None:
    pauses = Pauses()
    with Stock(failing=500).serving() as broken:
        upstream = upstream_of(broken.url, stock.url, pauses=pauses, maxRetries=3, retryDelay="5m")
        assert upstream.head(NAME, TAG) is not None
    assert len(pauses.taken) == 3
    assert sum(pauses.taken) < 10


def test_few_idle_connections_are_kept_and_used_again(stock: Stock) -> None:
    upstream = upstream_of(stock.url, maxIdleConnsPerHost=1)
    with contextlib.ExitStack() as stack:
        iterators = [iter(stack.enter_context(upstream.blob(NAME, digests.of(blob)))) for blob in BLOBS[:3]]
        assert len(stock.connected) == 3
        for gate in stock.gates.values():
            gate.opened.set()
        assert b"".join(chunk for iterator in iterators for chunk in iterator) == b"".join(BLOBS[:3])
    wait_for("the others to be closed", lambda: len(stock.connected) == 1)
    kept = set(stock.connected)
    for _ in range(3):
        assert upstream.head(NAME, TAG) is not None
    assert stock.connected == kept
