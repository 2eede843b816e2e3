from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import ManualClock
from holdfast.config.sync import SyncRegistry
from syncworker.upstream import tokens
from syncworker.upstream.assembly import retry_of
from syncworker.upstream.pace import Mark, Pace, Retry, Time


def moving(clock: ManualClock, die: float = 0.0) -> Time:
    """Time in which a pause takes as long as it says."""
    return Time(clock, clock.advance, lambda: die)


def test_requests_are_spaced_and_an_idle_second_is_not_saved_up() -> None:
    clock = ManualClock(0.0)
    pace = Pace(10, moving(clock))
    for _ in range(11):
        pace.wait()
    assert clock.now == pytest.approx(1.0)
    clock.advance(60)
    started = clock.now
    for _ in range(11):
        pace.wait()
    assert clock.now - started == pytest.approx(1.0)


def test_no_limit_never_pauses() -> None:
    clock = ManualClock(0.0)
    pace = Pace(0, moving(clock))
    for _ in range(1000):
        pace.wait()
    assert clock.now == 0.0


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_up_to_the_longest_and_are_spread_below_it(failures: int, die: float) -> None:
    retry = Retry(first_seconds=0.25, longest_seconds=5.0)
    pause = retry.pause_seconds(failures, lambda: die)
    whole = min(0.25 * 2 ** min(failures - 1, 30), 5.0)
    assert whole / 2 <= pause <= whole


def test_pauses_do_not_grow_where_the_longest_is_the_first() -> None:
    retry = Retry(first_seconds=2.0, longest_seconds=2.0)
    assert [retry.pause_seconds(n, lambda: 0.999999) for n in (1, 5, 50)] == pytest.approx([2.0, 2.0, 2.0], abs=1e-5)


@pytest.mark.parametrize(
    ("keys", "retries", "pauses"),
    [
        ({}, Retry().retries, [0.25, 0.5, 1, 2, 4, 5, 5]),
        ({"maxRetries": 0}, 0, []),
        ({"maxRetries": 2, "retryDelay": "5m"}, 2, [300, 300]),
        ({"maxRetries": 5, "retryDelay": "1s", "maxRetryDelay": "10s"}, 5, [1, 2, 4, 8, 10]),
        ({"maxRetries": 2, "retryDelay": "1m", "maxRetryDelay": "1s"}, 2, [60, 60]),
    ],
)
def test_pauses_are_as_configured_and_without_a_longest_they_stay_the_same(keys, retries, pauses) -> None:
    retry = retry_of(SyncRegistry.model_validate({"urls": ["https://up"], **keys}))
    assert retry.retries == retries
    assert [retry.pause_seconds(n, lambda: 0.999999) for n in range(1, len(pauses) + 1)] == pytest.approx(pauses, 1e-5)


def test_a_client_is_not_let_wait_for_a_delay_of_minutes() -> None:
    written = {"urls": ["https://up"], "maxRetries": 4, "retryDelay": "5m", "maxRetryDelay": "1h"}
    retry = retry_of(SyncRegistry.model_validate(written)).within_a_call
    assert retry.retries == 4
    assert [retry.pause_seconds(n, lambda: 0.999999) for n in (1, 2, 3, 4)] == pytest.approx([1, 2, 4, 5], 1e-5)


def test_a_mark_ends_by_itself_or_by_an_answer_and_a_shorter_one_does_not_end_it_sooner() -> None:
    clock = ManualClock()
    mark = Mark(clock)
    assert mark.left_seconds() == 0
    mark.set(30)
    mark.set(5)
    clock.advance(29)
    assert mark.left_seconds() == 1
    clock.advance(1)
    assert mark.left_seconds() == 0
    mark.set(30)
    mark.clear()
    assert mark.left_seconds() == 0


def test_a_token_is_used_for_three_quarters_of_its_life() -> None:
    clock = ManualClock()
    held = tokens.Tokens(clock)
    held.put("repository:a:pull", tokens.read(b'{"token": "t", "expires_in": 100}'), clock.monotonic())
    clock.advance(74)
    assert held.get("repository:a:pull") == "t"
    assert held.get("repository:b:pull") is None
    clock.advance(1)
    assert held.get("repository:a:pull") is None


def test_a_refused_token_goes_but_not_its_successor() -> None:
    clock = ManualClock()
    held = tokens.Tokens(clock)
    held.put("s", tokens.Token("new", 60), clock.monotonic())
    held.drop("s", "old")
    assert held.get("s") == "new"
    held.drop("s", "new")
    assert held.get("s") is None


def test_the_tokens_kept_are_bounded() -> None:
    clock = ManualClock()
    held = tokens.Tokens(clock)
    for number in range(5000):
        held.put(str(number), tokens.Token("t", 60), clock.monotonic())
    assert held.get("0") is None
    assert held.get("4999") == "t"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": ""}', b'{"token": "a\\r\\nX: y"}', b'{"token": "a b"}', b"<html>", b'"x"',
     b'{"token": "t", "expires_in": "soon"}', b'{"token": "t", "expires_in": []}'],
)  # fmt: skip
def test_an_answer_without_a_token_that_can_be_sent_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        tokens.read(body)


@pytest.mark.parametrize(
    ("text", "life"), [("null", 60), ("0", 60), ("-5", 60), ("300", 300), ("1e99", 86400), ("NaN", 60)]
)
def test_a_life_that_is_none_is_a_minute_and_none_is_longer_than_a_day(text: str, life: float) -> None:
    assert tokens.read(f'{{"access_token": "t", "expires_in": {text}}}'.encode()).life_seconds == life
