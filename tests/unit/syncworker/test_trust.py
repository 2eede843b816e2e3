from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UpstreamWrongError
from syncworker.upstream import place, trust
from syncworker.upstream.place import Origin
from syncworker.upstream.trust import Guard, Zone

HUB = Origin("https", "registry-1.docker.io", 443)
QUAY = place.parse("https://quay.io").origin


def guard(*home_addresses: str, host: str = "registry.example") -> Guard:
    """Of an upstream that has been connected to, at these addresses."""
    made = Guard(Origin("https", host, 443))
    if home_addresses:
        made.admit(host, home_addresses)
    return made


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("93.184.216.34", Zone.PUBLIC),
        ("2606:2800:220:1::1", Zone.PUBLIC),
        ("10.1.2.3", Zone.PRIVATE),
        ("172.16.0.1", Zone.PRIVATE),
        ("192.168.1.1", Zone.PRIVATE),
        ("fd12::1", Zone.PRIVATE),
        ("127.8.8.8", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("169.254.1.1", Zone.LINK_LOCAL),
        ("fe80::1%eth0", Zone.LINK_LOCAL),
        ("169.254.169.254", Zone.METADATA),
        ("fd00:ec2::254", Zone.METADATA),
        ("100.64.0.1", Zone.OTHER),
        ("0.0.0.0", Zone.OTHER),
        ("224.0.0.1", Zone.OTHER),
        ("240.0.0.1", Zone.OTHER),
        ("::ffff:127.0.0.1", Zone.LOOPBACK),
        ("::ffff:169.254.169.254", Zone.METADATA),
        ("64:ff9b::a9fe:a9fe", Zone.METADATA),
        ("2002:7f00:1::", Zone.LOOPBACK),
    ],
)
def test_an_address_is_judged_by_where_it_leads(address: str, zone: Zone) -> None:
    assert trust.zone_of(address) is zone


def test_an_upstream_may_be_anywhere_its_operator_put_it() -> None:
    for address in ("10.0.0.1", "127.0.0.1", "169.254.3.3", "93.184.216.34"):
        assert guard().admit("registry.example", [address]) == [address]


@pytest.mark.parametrize("inside", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "100.64.1.1"])
def test_a_public_upstream_cannot_lead_inside(inside: str) -> None:
    with pytest.raises(UpstreamWrongError, match=r"cdn\.example"):
        guard("93.184.216.34").admit("cdn.example", [inside])


def test_a_public_upstream_cannot_lead_inside_before_it_was_ever_resolved() -> None:
    with pytest.raises(UpstreamWrongError):
        guard().admit("cdn.example", ["10.0.0.1"])


def test_only_the_public_ones_of_a_strangers_addresses_are_used() -> None:
    assert guard("93.184.216.34").admit("cdn.example", ["10.0.0.1", "93.184.216.35"]) == ["93.184.216.35"]


def test_an_upstream_inside_may_lead_to_its_own_zone_and_outside_but_no_further() -> None:
    inside = guard("10.0.0.1")
    assert inside.admit("minio.example", ["10.0.0.9"]) == ["10.0.0.9"]
    assert inside.admit("cdn.example", ["93.184.216.35"]) == ["93.184.216.35"]
    for other in ("127.0.0.1", "169.254.169.254", "fd00:ec2::254"):
        with pytest.raises(UpstreamWrongError):
            inside.admit("elsewhere.example", [other])


def test_a_name_that_changes_its_mind_is_judged_anew() -> None:
    rebound = guard("93.184.216.34")
    with pytest.raises(UpstreamWrongError, match="restart"):
        rebound.admit("registry.example", ["127.0.0.1"])
    assert rebound.admit("registry.example", ["93.184.216.99"]) == ["93.184.216.99"]


@pytest.mark.parametrize(
    ("home", "realm"),
    [
        (HUB, "https://auth.docker.io/token"),
        (QUAY, "https://quay.io/v2/auth"),
        (Origin("https", "registry.gitlab.com", 443), "https://gitlab.com/jwt/auth"),
        (Origin("https", "registry.firm.co.uk", 443), "https://login.firm.co.uk/t"),
        (Origin("https", "10.0.0.1", 5000), "https://10.0.0.1:5001/token"),
        (Origin("http", "registry.internal", 5000), "http://registry.internal:5001/token"),
    ],
)
def test_a_realm_of_the_upstreams_own_is_asked(home: Origin, realm: str) -> None:
    assert str(trust.realm(home, realm)) == realm


@pytest.mark.parametrize(
    ("home", "realm"),
    [
        (HUB, "https://evil.example/token"),
        (HUB, "https://auth.docker.io.evil.example/token"),
        (HUB, "https://auth.docker.io@evil.example/token"),
        (HUB, "http://auth.docker.io/token"),
        (HUB, "https://evil.example\\@auth.docker.io/"),
        (Origin("https", "one.github.io", 443), "https://other.github.io/token"),
        (Origin("https", "a.co.uk", 443), "https://b.co.uk/token"),
        (Origin("https", "10.0.0.1", 443), "https://10.0.0.2/token"),
        (Origin("https", "registry.internal", 443), "https://token.internal/"),
        (QUAY, "file:///etc/passwd"),
        (QUAY, "token"),
        (QUAY, ""),
        (QUAY, "https:///token"),
        (QUAY, "https://quay.io:port/token"),
    ],
)
def test_a_realm_elsewhere_gets_nothing(home: Origin, realm: str) -> None:
    with pytest.raises(UpstreamWrongError):
        trust.realm(home, realm)


def test_a_realm_that_the_operator_allowed_is_asked() -> None:
    realm = "https://login.example.net/token"
    with pytest.raises(UpstreamWrongError):
        trust.realm(QUAY, realm)
    assert trust.realm(QUAY, realm, frozenset({"login.example.net"})).origin.host == "login.example.net"


@pytest.mark.parametrize(
    "location", ["http://cdn.example/x", "ftp://cdn.example/x", "https://a:b@cdn.example/x", "//x y"]
)
def test_a_leap_from_https_to_something_less_is_refused(location: str) -> None:
    with pytest.raises(UpstreamWrongError):
        trust.hop(QUAY, place.parse("https://quay.io/v2/x"), location)


def test_a_leap_is_read_relative_to_where_it_was_found() -> None:
    here = place.parse("https://cdn.example/a/b?x=1")
    assert str(trust.hop(QUAY, here, "c?y=2")) == "https://cdn.example/a/c?y=2"
    assert str(trust.hop(QUAY, here, "/d")) == "https://cdn.example/d"
    assert str(trust.hop(QUAY, here, "//Other.Example:443/d#f")) == "https://other.example/d"


@given(st.text(max_size=60))
def test_no_url_is_too_odd_to_be_refused(text: str) -> None:
    for candidate in (text, f"https://{text}", f"https://host/{text}"):
        try:
            parsed = place.parse(candidate)
        except ValueError:
            continue
        assert place.parse(str(parsed)) == parsed
        assert str(parsed).isascii()
