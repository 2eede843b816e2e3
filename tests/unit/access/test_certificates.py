"""Whom a client certificate names: zot's chain of parts, and nobody by half of a certificate."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.certificates import ClientCertificates
from holdfast.access.actions import Action
from holdfast.access.certificates import CertificateNames, certificate_names
from holdfast.access.conditions import Condition, Facts
from holdfast.access.connection import Connection
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.certs.client import ClientCertificate, client_certificate
from holdfast.config.auth import Mtls
from holdfast.errors import LoginRefusedError
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL: Final = ClientCertificate(
    subject="CN=ann,O=example",
    issuer="CN=authority",
    serial="7f",
    fingerprint="ab",
    ends=1000.0,
    common_names=("ann",),
    uris=("https://example/ann", "spiffe://example.org/ns/prod/sa/builder"),
    dns_names=("one.example", "two.example"),
    emails=("ann@example", "second@example"),
)
BARE: Final = replace(FULL, common_names=(), uris=(), dns_names=(), emails=())
SPIFFE: Final = "^spiffe://example[.]org/ns/prod/sa/([a-z]+)$"

ROWS: Final[list[tuple[dict[str, Any], ClientCertificate, str]]] = [
    ({}, FULL, "ann"),
    ({"identityAttributes": ["CN"]}, FULL, "ann"),
    ({"identityAttributes": [" commonNAME "]}, FULL, "ann"),
    ({"identityAttributes": ["Subject"]}, FULL, "CN=ann,O=example"),
    ({"identityAttributes": ["DN"]}, BARE, "CN=ann,O=example"),
    ({"identityAttributes": ["Email"]}, FULL, "ann@example"),
    ({"identityAttributes": ["RFC822Name"], "emailSanIndex": 1}, FULL, "second@example"),
    ({"identityAttributes": ["Email"], "emailSanIndex": 2}, FULL, ""),
    ({"identityAttributes": ["DNSName"]}, FULL, "one.example"),
    ({"identityAttributes": ["DNS"], "dnsSanIndex": 1}, FULL, "two.example"),
    ({"identityAttributes": ["URI"]}, FULL, "https://example/ann"),
    ({"identityAttributes": ["URL"], "uriSanIndex": 1}, FULL, "spiffe://example.org/ns/prod/sa/builder"),
    ({"identityAttributes": ["URI"], "uriSanIndex": 1, "uriSanPattern": SPIFFE}, FULL, "builder"),
    ({"identityAttributes": ["URI"], "uriSanPattern": SPIFFE}, FULL, ""),
    ({"identityAttributes": ["URI", "CommonName"], "uriSanPattern": SPIFFE}, FULL, "ann"),
    ({"identityAttributes": ["URI"], "uriSanPattern": "example"}, FULL, ""),
    ({"identityAttributes": ["URI"], "uriSanPattern": "example(x)?"}, FULL, ""),
    ({"identityAttributes": ["Email", "URI", "DNSName", "CommonName"]}, BARE, ""),
    ({}, BARE, ""),
    ({}, replace(FULL, common_names=("ann", "root")), ""),
]


@pytest.mark.parametrize(("mtls", "certificate", "name"), ROWS)
def test_the_first_part_that_is_there_names_its_owner(
    mtls: dict[str, Any], certificate: ClientCertificate, name: str
) -> None:
    assert certificate_names(Mtls.model_validate(mtls)).name_in(certificate) == name


def test_without_a_word_about_it_the_common_name_counts() -> None:
    assert certificate_names(None) == CertificateNames()
    assert CertificateNames().name_in(FULL) == "ann"


def test_a_part_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="Shoe"):
        CertificateNames(("CommonName", "Shoe"))


def facts(connection: Connection, now: float = 0.0) -> Facts:
    return Facts(connection=connection, wall_seconds=now)


def test_who_shows_none_says_nothing() -> None:
    way = ClientCertificates(CertificateNames())
    assert way.of(facts(Connection())) is None
    assert way.of(facts(Connection("TLSv1.3", "x"))) is None


def test_who_shows_one_is_the_one_it_names() -> None:
    proven = ClientCertificates(CertificateNames()).of(facts(Connection("TLSv1.3", "x", FULL)))
    assert proven is not None
    assert proven.identity == Identity("ann", Way.CERTIFICATE)
    assert (proven.limits, proven.account) == ((), "")


@pytest.mark.parametrize(
    ("connection", "now"),
    [
        (Connection("TLSv1.3", "x", BARE), 0.0),
        (Connection("TLSv1.3", "x", FULL), 1000.5),
        (Connection("TLSv1.3", "x", None, is_unreadable=True), 0.0),
    ],
    ids=["names nobody", "has ended", "unreadable"],
)
def test_one_that_does_not_count_is_refused_and_not_taken_for_nobody(connection: Connection, now: float) -> None:
    with pytest.raises(LoginRefusedError):
        ClientCertificates(CertificateNames()).of(facts(connection, now))


@pytest.mark.parametrize(
    ("expression", "connection", "holds"),
    [
        ('req.tls.version == "TLSv1.3"', Connection("TLSv1.3"), True),
        ('req.tls.version != ""', Connection(), False),
        ('req.tls.client.uris.exists(u, u.startsWith("spiffe://example.org/"))', Connection("x", "y", FULL), True),
        ('req.tls.client.issuer == "CN=authority"', Connection("x", "y", FULL), True),
        ('req.tls.client.fingerprint == "ab" && req.tls.client.serial == "7f"', Connection("x", "y", FULL), True),
        ('req.tls.client.subject == ""', Connection("x", "y"), True),
        ("size(req.tls.client.dnsNames) + size(req.tls.client.emails) == 4", Connection("x", "y", FULL), True),
    ],
)
def test_conditions_see_the_connection(expression: str, connection: Connection, holds: bool) -> None:
    values = facts(connection).values(ANONYMOUS, frozenset(), Action.READ, "app")
    assert Condition(expression).holds(values) is holds


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def parsed(authority: Authority, names: Sequence[x509.GeneralName], **more: Any) -> ClientCertificate:
    authority.issue("ann", names, **more)
    return client_certificate(authority.der("ann"))


def test_a_certificate_is_read_in_its_own_order(authority: Authority) -> None:
    names = [
        x509.UniformResourceIdentifier("spiffe://example.org/one"),
        x509.RFC822Name("ann@example"),
        x509.DNSName("one.example"),
        x509.UniformResourceIdentifier("spiffe://example.org/two"),
    ]
    found = parsed(authority, names)
    assert (found.subject, found.common_names) == ("CN=ann,O=example", ("ann",))
    assert found.uris == ("spiffe://example.org/one", "spiffe://example.org/two")
    assert (found.emails, found.dns_names) == (("ann@example",), ("one.example",))
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize("name", ["ann\0root", "ann\nroot", "ann\u202etoor"])
def test_a_name_that_a_log_would_show_as_another_is_refused(authority: Authority, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parsed(authority, (), common_names=[name])


@given(st.integers(0, 2**32))
def test_whatever_is_done_to_a_certificate_it_is_read_or_refused(authority: Authority, seed: int) -> None:
    authority.issue(
        "whole", [x509.UniformResourceIdentifier("spiffe://example.org/one"), x509.RFC822Name("ann@example")]
    )
    dice, damaged = random.Random(seed), bytearray(authority.der("whole"))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(damaged))
        damaged[at : at + dice.randint(0, 2)] = dice.randbytes(dice.randint(0, 2))
    with contextlib.suppress(ValueError):
        client_certificate(bytes(damaged))
