"""Addresses: their forms, and which of them stay on this machine."""

from __future__ import annotations

import pytest

from holdfast.addresses import HostPort, is_host, parse_host_port, stays_here


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:5100", "127.0.0.1", 5100),
        ("[fd00::5]:1", "fd00::5", 1),
        ("store-1.example:65535", "store-1.example", 65535),
        ("store_1:0", "store_1", 0),
    ],
)
def test_an_address_reads_back_to_itself(text: str, host: str, port: int) -> None:
    address = parse_host_port(text)
    assert address == HostPort(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":5100", "host:65536", "host:-1", "host:1x", "fd00::5:1", "[host]:1", "[fd00::5]", "a b:1",
     "300.1.1.1:1", "-a:1", "http://h:1", "u@h:1", "h/p:1", "\u0967:1", "h:\u0967"],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|host|IPv6"):
        parse_host_port(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.255.255.254:1", "[::1]:1", "unix:/run/s", "unix:s"])
def test_loopback_by_number_and_sockets_stay_here(text: str) -> None:
    assert stays_here(text)


@pytest.mark.parametrize(
    "text", ["0.0.0.0:1", "[::]:1", "128.0.0.1:1", "localhost:1", "10.0.0.1:1", "127.0.0.1", "", "dns:///h:1"]
)
def test_everything_else_may_leave(text: str) -> None:
    assert not stays_here(text)


def test_a_wildcard_is_no_place_to_connect_to() -> None:
    assert parse_host_port("0.0.0.0:1").is_wildcard
    assert parse_host_port("[::]:1").is_wildcard
    assert not parse_host_port("127.0.0.1:1").is_wildcard
    assert not parse_host_port("store:1").is_wildcard


def test_hosts_are_names_or_numbers() -> None:
    assert all(map(is_host, ["a", "a.example.", "10.0.0.1", "fd00::5"]))
    assert not any(map(is_host, ["", "a:1", "[fd00::5]", "10.0.0", "a..b", "*.example"]))
