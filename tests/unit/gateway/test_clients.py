"""Where a request comes from, whatever its headers say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients import Clients
from holdfast.networks import Ranges, address, network, party, plain

PROXIES = Clients.behind(["10.0.0.0/8", "2001:db8:ffff::/48"])
NOBODY_TRUSTED = Clients()


def settled(clients: Clients, peer: str, **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "registry:5000"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    clients.settle(environ)
    return environ


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", " 192.0.2.7 ", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("2001:db8:ffff::1", "192.0.2.7", "192.0.2.7"),
        # What a client writes itself stands left of what the first proxy has seen.
        ("10.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "10.9.9.9, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "nonsense, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # What is no address, where one has to be.
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "unknown, 10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7,", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7 198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", "999.0.2.7", "10.0.0.1"),
        ("10.0.0.1", "1" * 100_000, "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7," * 5_000 + "10.0.0.2", "192.0.2.7"),
        # Nobody asked them.
        ("192.0.2.7", "10.0.0.1", "192.0.2.7"),
        ("::ffff:192.0.2.7", "10.0.0.1", "192.0.2.7"),
        ("fe80::1%eth0", "10.0.0.1", "fe80::1"),
        ("", "10.0.0.1", ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy(peer: str, said: str, client: str) -> None:
    assert settled(PROXIES, peer, x_forwarded_for=said)["REMOTE_ADDR"] == client


_ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.ip_addresses(v=4).map(lambda ip: f"::ffff:{ip}")
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(st.text(max_size=40), st.lists(_ADDRESSES, max_size=5).map(", ".join))
        for name in ("x_forwarded_for", "x_forwarded_host", "x_forwarded_proto", "forwarded", "x_real_ip", "client_ip")
    },
)


@given(_ADDRESSES, _HEADERS)
def test_no_header_of_an_untrusted_peer_moves_anything(peer: str, headers: dict[str, str]) -> None:
    found = settled(NOBODY_TRUSTED, peer, **headers)
    assert found["REMOTE_ADDR"] == plain(peer)
    assert (found["wsgi.url_scheme"], found["HTTP_HOST"]) == ("http", "registry:5000")
    assert not [name for name in found if name.startswith("HTTP_X_FORWARDED")]


@given(st.text(max_size=60), _HEADERS)
def test_nothing_that_a_client_writes_changes_what_its_proxy_has_seen(written: str, headers: dict[str, str]) -> None:
    seen = f"{written}, 192.0.2.7" if written else "192.0.2.7"
    found = settled(PROXIES, "10.0.0.1", **{**headers, "x_forwarded_for": seen})
    assert found["REMOTE_ADDR"] == "192.0.2.7"


def test_a_trusted_proxy_says_how_the_client_reaches_it() -> None:
    found = settled(PROXIES, "10.0.0.1", x_forwarded_proto="https", x_forwarded_host="registry.example.com:8443")
    assert (found["wsgi.url_scheme"], found["HTTP_HOST"]) == ("https", "registry.example.com:8443")


@pytest.mark.parametrize(
    ("scheme", "host"), [("gopher", 'x"y'), ("", ""), ("https\r\n", "a b"), ("HTTP S", "a/b"), ("ftp,https", "[::1")]
)
def test_what_is_no_scheme_and_no_host_is_left_out(scheme: str, host: str) -> None:
    found = settled(PROXIES, "10.0.0.1", x_forwarded_proto=scheme, x_forwarded_host=host)
    expected = "https" if scheme == "https\r\n" else "http"  # a line cannot end in a header that a server has parsed
    assert (found["wsgi.url_scheme"], found["HTTP_HOST"]) == (expected, "registry:5000")


@pytest.mark.parametrize(
    ("ranges", "inside", "outside"),
    [
        (["192.0.2.7"], ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"], ["192.0.2.8", "::192.0.2.7"]),
        (["192.0.2.0/24"], ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9"], ["192.0.3.0", "2001:db8::1"]),
        (["::ffff:192.0.2.0/120"], ["192.0.2.9", "::ffff:192.0.2.9"], ["192.0.3.1"]),
        (["2001:db8::/32"], ["2001:db8::1", "2001:DB8::1%eth0"], ["2001:db9::1", "192.0.2.7"]),
        (["0.0.0.0/0"], ["192.0.2.7", "::ffff:1.2.3.4"], ["2001:db8::1", "", "unix:", "localhost", "1.2.3"]),
        (["::/0"], ["2001:db8::1", "::1"], ["192.0.2.7", "::ffff:192.0.2.7"]),
        ([], [], ["192.0.2.7", "::1"]),
    ],
)
def test_a_range_holds_its_addresses_however_they_are_written(
    ranges: list[str], inside: list[str], outside: list[str]
) -> None:
    found = Ranges.of(ranges)
    assert [found.holds(one) for one in inside] == [True] * len(inside)
    assert [found.holds(one) for one in outside] == [False] * len(outside)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0-10.0.0.9", "2001:db8::1/32"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        network(text)


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = address(text)
    assert found is None or plain(text) == str(found)


def test_of_ipv6_a_whole_network_is_one_party() -> None:
    assert party("2001:db8::1") == party("2001:db8::ffff:1") != party("2001:db8:0:1::1")
    assert party("192.0.2.7") == party("::ffff:192.0.2.7") != party("192.0.2.8")
