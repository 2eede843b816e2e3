"""Whose ID tokens count, and whom their claims make of them; and what no token can do, whatever it holds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.bearer import BearerOptions
from gateway.access.fetching import Fetcher
from gateway.access.issuer import Issuer
from gateway.access.signed import LONGEST, opened
from gateway.access.workloads import Trusted, Workloads
from holdfast.access.claims import DEFAULT_USERNAME, ClaimMapping, Expression, Validation
from holdfast.access.identity import Identity, Way
from holdfast.config.auth import Bearer
from holdfast.errors import ConfigError, IssuerUnreachableError, LoginRefusedError
from tests.access.issuer import LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Present:
    """Durations as told, the wall as it is."""

    now: float = field(default=1000.0)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return time.time()


def said(text: str) -> Expression:
    return Expression(text, "at")


def mapping(username: str = "claims.sub", **more: Any) -> ClaimMapping:
    return ClaimMapping(said(username), **more)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalIssuer]:
    with LocalIssuer(plain=True) as issuer:
        yield issuer


def trusted(local: LocalIssuer, claims: ClaimMapping, *audiences: str, any_name: bool = False) -> Trusted:
    clock = Present()
    return Trusted(Issuer(local.url, Fetcher(clock), clock, any_name=any_name), audiences or ("registry",), claims)


def who(local: LocalIssuer, claims: ClaimMapping, **token: Any) -> Identity:
    return Workloads([trusted(local, claims)]).read(local.token(**token)).identity


def test_the_issuer_and_its_subject_are_the_name_unless_it_is_said_otherwise(local: LocalIssuer) -> None:
    assert who(local, mapping(DEFAULT_USERNAME)) == Identity(f"{local.url}/ann", Way.OIDC)
    assert who(local, mapping(), sub="bob").name == "bob"


def test_variables_may_use_those_before_them_and_groups_are_a_list(local: LocalIssuer) -> None:
    found = who(
        local,
        mapping(
            "vars.full",
            variables=(
                ("space", said("claims['kubernetes.io'].namespace")),
                ("full", said("vars.space + ':' + claims.sub")),
            ),
            groups=said("claims.roles"),
        ),
        roles=["one", "two"],
        **{"kubernetes.io": {"namespace": "prod"}},
    )
    assert found == Identity("prod:ann", Way.OIDC, frozenset({"one", "two"}))


@pytest.mark.parametrize(
    "claims",
    [
        mapping("claims.missing"),
        mapping("claims.exp"),
        mapping("''"),
        mapping("'a' + claims.odd"),
        mapping("claims.sub.nothing()"),
        mapping("claims.long"),
        mapping(groups=said("claims.sub")),
        mapping(groups=said("[claims.sub, 3]")),
        mapping(groups=said("['']")),
        mapping(groups=said("claims.missing")),
        mapping(variables=(("x", said("claims.missing")),)),
        mapping(validations=(Validation(said("claims.sub == 'bob'"), "not bob"),)),
        mapping(validations=(Validation(said("'true'"), "no truth value"),)),
        mapping(validations=(Validation(said("claims.missing"), "not there"),)),
    ],
)
def test_claims_that_make_nobody_let_nobody_in(local: LocalIssuer, claims: ClaimMapping) -> None:
    with pytest.raises(LoginRefusedError):
        who(local, claims, odd="\u0000", long="x" * 300)


def test_the_message_of_a_validation_is_told(local: LocalIssuer) -> None:
    with pytest.raises(LoginRefusedError, match="only main"):
        who(local, mapping(validations=(Validation(said("claims.ref == 'main'"), "only main"),)), ref="dev")


def test_of_several_entries_the_first_that_fits_is_taken(local: LocalIssuer) -> None:
    ways = Workloads(
        [
            trusted(local, mapping("'first'"), "one"),
            trusted(local, mapping("'second'", validations=(Validation(said("claims.sub == 'bob'"), "x"),)), "two"),
            trusted(local, mapping("'third'"), "two"),
        ]
    )
    names = [
        ways.read(local.token(aud=aud, sub=sub)).identity.name
        for aud, sub in (("one", "a"), ("two", "bob"), ("two", "a"))
    ]
    assert names == ["first", "second", "third"]
    assert ways.check("admin", local.token(aud="one"), "") == ways.read(local.token(aud="one"))


def test_what_is_for_others_is_left_to_other_ways(local: LocalIssuer) -> None:
    ways = Workloads([trusted(local, mapping())])
    for text in (local.token(aud="x"), local.token(iss="https://x"), local.token(aud=None), "password", "", "a.b.c"):
        assert not ways.recognises(text)
        assert ways.check("ann", text, "") is None
    assert Workloads([trusted(local, mapping(), any_name=True)]).recognises(local.token(iss="https://x"))


def test_an_issuer_that_is_away_is_told_rather_than_a_refusal(local: LocalIssuer) -> None:
    with LocalIssuer(plain=True) as away:
        gone = trusted(away, mapping(), any_name=True)
    ways = Workloads([gone, trusted(local, mapping(validations=(Validation(said("false"), "never"),)))])
    with pytest.raises(IssuerUnreachableError):
        ways.read(local.token())


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"claimMapping": {"username": "claims."}}, "claimMapping.username"),
        ({"claimMapping": {"groups": "]"}}, "claimMapping.groups"),
        ({"claimMapping": {"variables": [{"name": "a", "expression": "("}]}}, "claimMapping.variables[0].expression"),
        (
            {"claimMapping": {"validations": [{"expression": "1 +", "message": "m"}]}},
            "claimMapping.validations[0].expression",
        ),
        ({"certificateAuthority": "none"}, "certificateAuthority"),
        ({"certificateAuthorityFile": "/nonexistent"}, "certificateAuthorityFile"),
        ({"issuer": "http://issuer.example"}, "issuer"),
        ({"issuer": "issuer"}, "issuer"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start_with_its_place(changes: dict[str, Any], path: str) -> None:
    entry = {"issuer": "https://issuer.example", "audiences": ["x"], **changes}
    with pytest.raises(ConfigError) as refused:
        BearerOptions.of(Bearer.model_validate({"oidc": [entry]}))
    assert refused.value.detail[0]["path"] == f"http.auth.bearer.oidc[0].{path}"  # type: ignore[index]


# -- attacks


def encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_no_forged_token_counts(local: LocalIssuer) -> None:
    ways = Workloads([trusted(local, mapping())])
    kid, key = local.keys[-1]
    good = local.claims()
    genuine = local.token()
    assert ways.read(genuine).identity.name == "ann"
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = genuine.split(".")
    forged = [f"{encoded({'alg': alg, 'kid': kid})}.{body}." for alg in ("none", "None", "NONE", "", "ES256")]
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for secret in (pem, der, pem.strip(), b"", json.dumps(local.key_set()["keys"][-1]).encode()):
            start = f"{encoded({'alg': alg, 'kid': kid})}.{body}"
            forged.append(f"{start}.{encoded(hmac.digest(secret, start.encode(), digest))}")
    forged += [
        f"{head}.{encoded({**good, 'sub': 'root'})}.{signature}",
        f"{encoded({'alg': 'ES384', 'kid': kid})}.{body}.{signature}",
        f"{head}.{body}.{encoded(bytes(64))}",
        f"{head}.{body}.{encoded(b'')}",
        f"{head}.{body}.{signature}=",
        f" {genuine}",
        f"{genuine}\n",
        f"{genuine}.{signature}",
    ]
    for text in forged:
        with pytest.raises(LoginRefusedError):
            ways.read(text)


@pytest.mark.parametrize(
    "part",
    [
        b'{"alg":"ES256","alg":"none"}',
        b'{"alg":"ES256","kid":["a"]}',
        b'{"alg":"ES256","kid":"' + b"a" * 300 + b'"}',
        b'{"alg":"ES256","crit":[]}',
        b'{"alg":["ES256"]}',
        b'{"alg":null}',
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 9000,
        b'{"a":' * 2000,
        b'{"alg":"ES256","x":NaN}',
        b"",
    ],
)
def test_a_header_that_is_odd_is_no_header(part: bytes) -> None:
    with pytest.raises(LoginRefusedError):
        opened(f"{encoded(part)}.{encoded({'iss': 'x'})}.AAAA")


@pytest.mark.parametrize("part", [b'{"sub":"a","sub":"b"}', b'{"exp":Infinity}', b"[1]", b"7", b'{"a":{"b":1,"b":2}}'])
def test_claims_that_are_ambiguous_are_none(part: bytes) -> None:
    with pytest.raises(LoginRefusedError):
        opened(f"{encoded({'alg': 'ES256'})}.{encoded(part)}.AAAA")
    assert opened(f"{encoded({'alg': 'ES256'})}.{encoded({'a': 1})}.AAAA").claims == {"a": 1}


def test_a_token_has_a_longest_length() -> None:
    start = f"{encoded({'alg': 'ES256'})}.{encoded({'a': 1})}."
    assert opened(start + "A" * (LONGEST - len(start))).algorithm == "ES256"
    with pytest.raises(LoginRefusedError):
        opened(start + "A" * (LONGEST - len(start) + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
HEADS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), JSON | st.just("ES256"), max_size=4)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "access"]), JSON, max_size=6)


@pytest.fixture(scope="module")
def lenient(local: LocalIssuer) -> Workloads:
    return Workloads([trusted(local, mapping("'somebody'"), any_name=True)])


@given(st.text(max_size=200) | st.text(alphabet="abAB01-_.=", max_size=60))
def test_no_text_does_anything_but_be_refused(lenient: Workloads, text: str) -> None:
    assert not lenient.recognises(text)
    with pytest.raises(LoginRefusedError):
        lenient.read(text)


@given(HEADS, CLAIMS)
def test_no_signed_nonsense_does_anything_but_be_refused(
    local: LocalIssuer, lenient: Workloads, head: dict[str, Any], claims: dict[str, Any]
) -> None:
    """The worst case: its issuer has gone mad, and signs whatever comes."""
    text = local.token(head, **claims)
    try:
        found = lenient.read(text)
    except LoginRefusedError:
        return
    assert found.identity.name == "somebody"
    assert "registry" in opened(text).audiences
