"""What is issued: checked by the library's own verifier, for both directions."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from holdfast.certs.authority import Authority, make_authority, open_authority
from holdfast.certs.facts import facts_of, peer_of, require_pair
from holdfast.certs.peer import Peer, Role, parse_peer
from holdfast.errors import ConfigError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NODE = Peer("west", Role.NODE, "store-1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = make_authority("west", NOW)
    return open_authority(made.certificate, made.key)


def policy(authority: Authority, now: datetime = NOW) -> PolicyBuilder:
    return PolicyBuilder().store(Store([authority.certificate])).time(now)


def parsed(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


@pytest.mark.parametrize("host", ["store-1.example", "10.0.0.5", "fd00::5"])
def test_a_certificate_with_hosts_serves_and_asks(authority: Authority, host: str) -> None:
    issued = parsed(authority.issue(NODE, [host], NOW, 825).certificate)
    name: Any = DNSName(host) if "example" in host else IPAddress(ipaddress.ip_address(host))
    policy(authority).build_server_verifier(name).verify(issued, [])
    policy(authority).build_client_verifier().verify(issued, [])
    with pytest.raises(VerificationError):
        policy(authority).build_server_verifier(DNSName("other.example")).verify(issued, [])


def test_a_certificate_without_hosts_only_asks(authority: Authority) -> None:
    issued = parsed(authority.issue(Peer("west", Role.OPS, "me"), [], NOW, 1).certificate)
    usages = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in usages] == ["1.3.6.1.5.5.7.3.2"]


def test_it_begins_before_now_because_clocks_differ_and_ends_when_told(authority: Authority) -> None:
    issued = parsed(authority.issue(NODE, ["h"], NOW, 30).certificate)
    assert timedelta(0) < NOW - issued.not_valid_before_utc <= timedelta(minutes=10)
    assert issued.not_valid_after_utc == NOW + timedelta(days=30)
    with pytest.raises(VerificationError):
        policy(authority, NOW + timedelta(days=31)).build_client_verifier().verify(issued, [])


def test_an_authority_lasts_ten_years_and_signs_no_other_authority(authority: Authority) -> None:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert authority.certificate.not_valid_after_utc - NOW == timedelta(days=3650)
    assert isinstance(authority.key.curve, ec.SECP256R1)
    assert authority.cluster == "west"


def test_nothing_outlives_its_authority(authority: Authority) -> None:
    with pytest.raises(ConfigError, match="ends on 2036-02-27"):
        authority.issue(NODE, ["h"], NOW, 3651)
    with pytest.raises(ConfigError, match="one day"):
        authority.issue(NODE, ["h"], NOW, 0)


@pytest.mark.parametrize("host", ["", "h:1", "http://h", "*.example", "a b", "[::1]"])
def test_what_is_no_host_gets_into_no_certificate(authority: Authority, host: str) -> None:
    with pytest.raises(ConfigError, match="neither an IP address nor a host name"):
        authority.issue(NODE, [host], NOW, 1)


def test_the_facts_are_what_was_asked_for(authority: Authority) -> None:
    issued = authority.issue(NODE, ["store-1.example", "10.0.0.5"], NOW, 30)
    facts = facts_of(issued.certificate)
    assert facts.peer == NODE
    assert facts.hosts == ("store-1.example", "10.0.0.5")
    assert not facts.is_authority
    assert (facts.days_left(NOW), facts.days_left(NOW + timedelta(days=31))) == (30, -1)
    assert "store-1" in facts.subject
    require_pair(issued.certificate, issued.key)


def test_keys_differ_and_are_not_shown(authority: Authority) -> None:
    one, other = authority.issue(NODE, ["h"], NOW, 1), authority.issue(NODE, ["h"], NOW, 1)
    assert one.key != other.key
    assert parsed(one.certificate).serial_number != parsed(other.certificate).serial_number
    assert "PRIVATE" not in repr(one)
    with pytest.raises(ConfigError, match="does not belong"):
        require_pair(one.certificate, other.key)


def test_an_authority_is_opened_with_its_own_key_only(authority: Authority) -> None:
    one, other = make_authority("west", NOW), make_authority("west", NOW)
    leaf = authority.issue(NODE, ["h"], NOW, 1)
    for certificate, key, why in (
        (one.certificate, other.key, "does not belong"),
        (b"rubbish", one.key, "no certificate"),
        (one.certificate, b"rubbish", "no plain private key"),
    ):
        with pytest.raises(ConfigError, match=why):
            open_authority(certificate, key)
    with pytest.raises(ConfigError, match="is no authority's"):
        open_authority(leaf.certificate, leaf.key)


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "a" * 64, "\u00e4"])
def test_what_is_no_label_names_no_cluster_and_no_process(name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 63"):
        make_authority(name, NOW)
    with pytest.raises(ValueError, match="1 to 63"):
        Peer("west", Role.NODE, name)


def test_a_peer_reads_back_from_its_uri() -> None:
    assert NODE.uri == "holdfast://west/node/store-1"
    assert parse_peer(NODE.uri) == NODE


@pytest.mark.parametrize(
    "uri",
    ["", "holdfast://west/node", "holdfast://west/node/a/b", "spiffe://west/node/a", "holdfast://west/auditor/a",
     "holdfast://west/NODE/a", "holdfast:///node/a", "holdfast://west/node/", "HOLDFAST://west/node/a"],
)  # fmt: skip
def test_another_uri_names_no_peer(uri: str) -> None:
    with pytest.raises(ValueError, match=r"form|role|1 to 63"):
        parse_peer(uri)
    assert peer_of([uri]) is None


def test_a_certificate_names_one_peer_or_none() -> None:
    assert peer_of(["https://store.example", NODE.uri]) == NODE
    assert peer_of([]) is None
    assert peer_of([NODE.uri, Peer("west", Role.OPS, "me").uri]) is None
