from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncworker.upstream import challenge, headers
from syncworker.upstream.challenge import Challenge

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._", min_size=1, max_size=20)
quotable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
numbers = st.integers(0, 10**15)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_docker_hubs_challenge() -> None:
    header = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull"'
    assert challenge.parse(header) == (
        Challenge("bearer", "https://auth.docker.io/token", "registry.docker.io", "repository:library/busybox:pull"),
    )


@given(quotable, quotable, quotable)
def test_any_quoted_value_is_read_as_it_was_meant(realm: str, service: str, scope: str) -> None:
    header = f"Bearer realm={quoted(realm)}, service={quoted(service)} ,scope={quoted(scope)}"
    assert challenge.parse(header) == (Challenge("bearer", realm, service, scope),)


@given(words, quotable)
def test_several_challenges_are_told_apart_whatever_stands_in_their_values(realm: str, other: str) -> None:
    header = f"Negotiate, Basic realm={quoted(other)}, Bearer service=s,realm={quoted(realm)}"
    assert [c.scheme for c in challenge.parse(header)] == ["negotiate", "basic", "bearer"]
    chosen = challenge.choose(header)
    assert chosen == Challenge("bearer", realm, "s")


def test_basic_is_chosen_where_bearer_names_no_realm() -> None:
    assert challenge.choose('Bearer service="x", Basic realm="r"') == Challenge("basic", "r")


@pytest.mark.parametrize("header", ["", "Negotiate", "Digest realm=x", "realm=x", ",,,", '"Bearer"', "Bearer"])
def test_no_challenge_that_can_be_met_is_none(header: str) -> None:
    assert challenge.choose(header) is None


@given(st.text(max_size=300))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    challenge.parse(text)
    headers.next_link(text)
    headers.retry_after_seconds(text, 0.0)
    headers.unsatisfied_length(text)
    for strict in (headers.content_range, headers.content_length):
        try:
            strict(text)
        except ValueError:
            continue


def test_a_long_header_of_backslashes_and_quotes_is_read_in_no_time() -> None:
    # Quadratic reading of this would exceed the test's own deadline by far.
    for piece in ('"\\', 'a="', "<", ';rel="', 'Bearer realm="\\"'):
        challenge.parse(piece * 200_000)
        headers.next_link(piece * 200_000)


def test_a_challenge_cannot_widen_a_token() -> None:
    wanted = "repository:mine:pull"
    assert challenge.scopes(wanted, "repository:other:pull repository:mine:pull,push,delete registry:catalog:*") == (
        wanted,
    )
    assert challenge.scopes(wanted, "repository:mine:metadata_read") == (wanted, "repository:mine:metadata_read")
    assert challenge.scopes("registry:catalog:*", "registry:catalog:*") == ("registry:catalog:*",)


@given(words, words)
def test_the_next_page_is_found_among_other_links(target: str, other: str) -> None:
    assert (
        headers.next_link(f'</v2/{other}>; rel="prev", </v2/{target}?n=1&last=b>; rel="next"')
        == f"/v2/{target}?n=1&last=b"
    )
    assert headers.next_link(f"</v2/{target}>;rel=next") == f"/v2/{target}"
    assert headers.next_link(f'</v2/{target}>; title="x"; rel="last next"') == f"/v2/{target}"


@pytest.mark.parametrize(
    "text", [None, "", "/v2/x", '</v2/x>; rel="prev"', "</v2/x", "</v2/x>", '</v2/x>; rel="nextish"']
)
def test_no_next_page_is_none(text: str | None) -> None:
    assert headers.next_link(text) is None


@given(st.integers(0, 999_999_999))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert headers.retry_after_seconds(str(seconds), 12345.0) == seconds


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date_is_counted_from_now_and_is_never_negative(seconds: int) -> None:
    now = 1_700_000_000
    date = format_datetime(datetime.fromtimestamp(now + seconds, UTC), usegmt=True)
    assert headers.retry_after_seconds(date, now) == max(0, seconds)


@pytest.mark.parametrize("text", ["-1", "1.5", "soon", "", "99999999999", "Fri, 99 Foo 2024 00:00:00 GMT"])
def test_retry_after_that_is_not_understood_counts_as_absent(text: str) -> None:
    assert headers.retry_after_seconds(text, 0.0) is None


@given(numbers, numbers, numbers)
def test_a_content_range_is_read_exactly_if_its_numbers_agree(first: int, last: int, total: int) -> None:
    text = f"bytes {first}-{last}/{total}"
    if first <= last < total:
        assert headers.content_range(text) == headers.ContentRange(first, last, total)
    else:
        with pytest.raises(ValueError):
            headers.content_range(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes */10",
        "bytes 1-2",
        "items 1-2/3",
        "bytes 1-2/3, 4-5/9",
        "bytes -1-2/3",
        "bytes 1-2/+3",
        "bytes \u0661-2/3",
    ],
)
def test_other_content_ranges_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        headers.content_range(text)


def test_a_range_of_unknown_total_is_told_from_a_known_one() -> None:
    assert headers.content_range("bytes 5-9/*") == headers.ContentRange(5, 9, None)
    assert headers.unsatisfied_length("bytes */10") == 10
    assert headers.unsatisfied_length("bytes 0-1/10") is None
