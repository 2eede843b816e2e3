"""Pauses between tries, as the configuration says them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config.sync import SyncRegistry
from holdfast.mirrors.retries import MOST_PATIENCE_SECONDS, Retries


def configured(**keys: Any) -> Retries:
    return Retries.of(SyncRegistry.model_validate({"urls": ["https://up"], **keys}))


@pytest.mark.parametrize(
    ("retries", "pauses"),
    [
        (configured(), [1, 2, 4, None]),
        (configured(maxRetries=0), [None]),
        (configured(maxRetries=2, retryDelay="5m"), [300, 300, None]),
        (configured(maxRetries=5, retryDelay="1s", maxRetryDelay="10s"), [1, 2, 4, 8, 10, None]),
        (configured(maxRetries=2, retryDelay="1m", maxRetryDelay="1s"), [60, 60, None]),
    ],
)
def test_pauses_are_as_configured(retries: Retries, pauses: list[float | None]) -> None:
    assert [retries.pause_seconds(failures) for failures in range(1, len(pauses) + 1)] == pauses


def test_what_an_upstream_asks_for_is_kept_to_within_reason() -> None:
    assert configured().pause_seconds(1, told_seconds=90) == 90
    assert configured().pause_seconds(1, told_seconds=0.1) == 1
    assert configured().pause_seconds(1, told_seconds=1e9) == MOST_PATIENCE_SECONDS
    assert configured(maxRetries=1, retryDelay="2h").pause_seconds(1, told_seconds=1e9) == 7200


@given(st.integers(1, 10**6), st.floats(0, 100), st.floats(0, 100))
def test_pauses_never_shrink_and_never_pass_the_longest(failures: int, first: float, more: float) -> None:
    retries = Retries(10**7, first, first + more)
    pause, next_pause = retries.pause_seconds(failures), retries.pause_seconds(failures + 1)
    assert pause is not None
    assert next_pause is not None
    assert first <= pause <= next_pause <= first + more


@pytest.mark.parametrize("numbers", [(-1, 1.0, None), (1, -1.0, None), (1, 1.0, -1.0)])
def test_a_negative_schedule_is_refused(numbers: tuple[int, float, float | None]) -> None:
    with pytest.raises(ValueError, match="no negative numbers"):
        Retries(*numbers)
