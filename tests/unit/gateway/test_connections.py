"""How many connections there may be."""

from __future__ import annotations

from contextlib import suppress

import pytest

from gateway.connections import Connections, Crowding, Turnstile
from gateway.limits import Limits
from holdfast.config.http import Http
from holdfast.errors import TooManyConnectionsError
from holdfast.networks import Ranges

KEY = b"k" * 32


def crowd(turnstile: Turnstile, address: str, tries: int = 100) -> int:
    """How many of many connections get in."""
    inside = 0
    for _ in range(tries):
        with suppress(TooManyConnectionsError):
            turnstile.enter(address)
            inside += 1
    return inside


def test_one_address_leaves_places_to_the_others() -> None:
    turnstile = Turnstile(Connections(KEY), 1, Crowding(20, 15))
    assert crowd(turnstile, "192.0.2.7") == 15
    assert crowd(turnstile, "::ffff:192.0.2.7") == 0
    assert crowd(turnstile, "192.0.2.8") == 5


def test_the_processes_of_a_gateway_count_together() -> None:
    connections = Connections(KEY)
    first, second = (Turnstile(connections, number, Crowding(20, 15)) for number in (1, 2))
    assert (crowd(first, "192.0.2.7", 10), crowd(second, "192.0.2.7")) == (10, 5)


def test_a_place_is_given_back() -> None:
    turnstile = Turnstile(Connections(KEY), 1, Crowding(1, 1))
    for _ in range(3):
        leave = turnstile.enter("192.0.2.7")
        with pytest.raises(TooManyConnectionsError):
            turnstile.enter("192.0.2.8")
        leave()


def test_what_a_killed_process_held_is_given_back() -> None:
    connections = Connections(KEY)
    crowding = Crowding(10, 10)
    killed, other = (Turnstile(connections, number, crowding) for number in (1, 2))
    assert (crowd(killed, "192.0.2.7"), crowd(other, "192.0.2.7")) == (10, 0)
    connections.clear(1)
    assert crowd(other, "192.0.2.7") == 10


def test_a_trusted_proxy_may_take_them_all() -> None:
    turnstile = Turnstile(Connections(KEY), 1, Crowding(20, 5, Ranges.of(["10.0.0.0/8"])))
    assert (crowd(turnstile, "192.0.2.7"), crowd(turnstile, "10.0.0.1")) == (5, 15)


def test_three_quarters_of_the_connections_are_the_most_for_one_address_unless_told() -> None:
    assert Limits.of(Http(), 2).crowding == Crowding(8192, 6144)
    told = Http.model_validate({"maxConnections": 100, "maxConnectionsPerAddress": 7, "trustedProxies": "::1"})
    assert Limits.of(told, 2).crowding == Crowding(100, 7, Ranges.of(["::1"]))
