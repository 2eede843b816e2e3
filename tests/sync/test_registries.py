"""Debian's docker-registry as the upstream, with each way to log in and with TLS."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.errors import UpstreamDeniedError, UpstreamMissingError, UpstreamWrongError
from syncworker.upstream.credentials import Credentials, Listed
from tests.fakes.papers import Papers
from tests.serving import free_port
from tests.sync import peers
from tests.sync.client import Pauses, alice_at, upstream_of
from tests.sync.peers import LOGIN, OCI, OCI_INDEX, Peer, described, digest_of, docker_registry, image
from tests.sync.tokens import IDENTITY_TOKEN, ISSUER, SERVICE, TokenService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncworker.upstream.upstream import Upstream

LAYER = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(100_000))  # 3.2 MB
REPOSITORY = names.repository("team/app")


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with docker_registry(tmp_path_factory.mktemp("peer") / "anonymous") as host:
        yield filled(Peer(f"http://{host}"))


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    directory = tmp_path_factory.mktemp("peer")
    auth = {"htpasswd": {"realm": "tests", "path": str(peers.htpasswd(directory / "htpasswd"))}}
    with docker_registry(directory / "basic", auth=auth) as host:
        yield filled(Peer(f"http://{host}", writer=lambda _: LOGIN))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    with TokenService(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(scope="module")
def bearer(tmp_path_factory: pytest.TempPathFactory, service: TokenService) -> Iterator[Peer]:
    token = {"realm": service.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(service.certificate)}
    with docker_registry(tmp_path_factory.mktemp("peer") / "bearer", auth={"token": token}) as host:
        peer = Peer(f"http://{host}", writer=lambda name: f"Bearer {service.token([f'repository:{name}:pull,push'])}")
        peer.push_image("private/app", "v1", b"secret layer")
        yield filled(peer)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Path]]:
    """With a certificate of a private authority, which asks for one from its clients: the peer and a certDir for it."""
    directory = tmp_path_factory.mktemp("peer")
    papers = Papers(directory / "papers")
    files = papers.issue(hosts=["127.0.0.1"])
    mine = papers.issue(name="two")
    cert_dir = directory / "certs.d"
    cert_dir.mkdir()
    shutil.copy(files.authority, cert_dir / "ca.crt")
    shutil.copy(mine.certificate, cert_dir / "client.cert")
    shutil.copy(mine.key, cert_dir / "client.key")
    tls = {"certificate": str(files.certificate), "key": str(files.key), "clientcas": [str(files.authority)]}
    context = ssl.create_default_context(cafile=str(files.authority))
    context.load_cert_chain(mine.certificate, mine.key)
    with docker_registry(directory / "tls", http={"tls": tls}) as host:
        yield filled(Peer(f"https://{host}", context)), cert_dir


def filled(peer: Peer) -> Peer:
    peer.push_image(REPOSITORY, "v1", LAYER, b"small layer")
    return peer


def pulled(upstream: Upstream, tag: str = "v1", repository: names.Repository = REPOSITORY) -> list[bytes]:
    """An image as a mirror would take it: the tag's manifest, then all blobs."""
    described_ = upstream.head(repository, names.tag(tag))
    assert described_ is not None
    fetched = upstream.manifest(repository, described_.digest)
    assert fetched is not None
    assert fetched.descriptor == described_
    found = []
    for reference in fetched.manifest.references:
        with upstream.blob(repository, reference.digest, size_bytes=reference.size_bytes) as stream:
            found.append(b"".join(stream))
            assert stream.is_checked
    return found


def test_an_anonymous_upstream(anonymous: Peer) -> None:
    assert pulled(upstream_of(anonymous.url)) == [b"{}", LAYER, b"small layer"]


def test_an_upstream_with_basic(basic: Peer) -> None:
    assert pulled(upstream_of(basic.url, logins=[alice_at(basic.host)])) == [b"{}", LAYER, b"small layer"]


def test_an_upstream_with_basic_refuses_nobody_and_a_wrong_password(basic: Peer) -> None:
    with pytest.raises(UpstreamDeniedError, match="credentialsFile"):
        upstream_of(basic.url).head(REPOSITORY, names.tag("v1"))
    wrong = Listed({basic.host: Credentials("alice", "wr0ng")})
    with pytest.raises(UpstreamDeniedError) as caught:
        upstream_of(basic.url, logins=[wrong]).manifest(REPOSITORY, names.tag("v1"))
    assert "wr0ng" not in f"{caught.value} {caught.value.detail}"


def test_an_upstream_with_tokens_asks_nobody_for_a_login_where_none_is_needed(bearer: Peer) -> None:
    assert pulled(upstream_of(bearer.url)) == [b"{}", LAYER, b"small layer"]
    with pytest.raises(UpstreamDeniedError):
        upstream_of(bearer.url).head(names.repository("private/app"), names.tag("v1"))


def test_an_upstream_with_tokens_and_a_login(bearer: Peer) -> None:
    upstream = upstream_of(bearer.url, logins=[alice_at(bearer.host)])
    assert pulled(upstream, repository=names.repository("private/app")) == [b"{}", b"secret layer"]


def test_one_token_serves_a_whole_image_and_is_good_for_reading_it_only(bearer: Peer, service: TokenService) -> None:
    service.asked.clear()
    pulled(upstream_of(bearer.url, logins=[alice_at(bearer.host)]))
    assert [(method, fields["scope"]) for method, _, fields in service.asked] == [
        ("GET", [f"repository:{REPOSITORY}:pull"])
    ]
    assert service.asked[0][1] == LOGIN


def test_a_token_that_has_ended_is_fetched_anew(bearer: Peer, service: TokenService) -> None:
    pauses = Pauses()
    upstream = upstream_of(bearer.url, pauses=pauses)
    service.asked.clear()
    pulled(upstream)
    pauses.clock.advance(service.life_seconds)
    pulled(upstream)
    assert len(service.asked) == 2


def test_a_token_service_that_only_knows_post(bearer: Peer, service: TokenService) -> None:
    service.get_offered = False
    try:
        service.asked.clear()
        upstream = upstream_of(bearer.url, logins=[alice_at(bearer.host)])
        assert pulled(upstream, repository=names.repository("private/app")) == [b"{}", b"secret layer"]
        assert [method for method, _, _ in service.asked] == ["GET", "POST"]
        assert service.asked[1][2]["grant_type"] == ["password"]
        assert service.asked[1][1] is None
    finally:
        service.get_offered = True


def test_an_identity_token_goes_to_the_token_service_by_post_alone(bearer: Peer, service: TokenService) -> None:
    service.asked.clear()
    identity = Listed({bearer.host: Credentials("", identity_token=IDENTITY_TOKEN)})
    upstream = upstream_of(bearer.url, logins=[identity])
    assert pulled(upstream, repository=names.repository("private/app")) == [b"{}", b"secret layer"]
    assert [method for method, _, _ in service.asked] == ["POST"]


def test_an_upstream_with_a_private_authority_and_client_certificates(encrypted: tuple[Peer, Path]) -> None:
    peer, cert_dir = encrypted
    assert pulled(upstream_of(peer.url, certDir=str(cert_dir))) == [b"{}", LAYER, b"small layer"]


def test_a_private_authority_that_nobody_named_is_not_trusted(encrypted: tuple[Peer, Path]) -> None:
    with pytest.raises(UpstreamWrongError, match="certDir"):
        upstream_of(encrypted[0].url).head(REPOSITORY, names.tag("v1"))


def test_certificates_are_not_checked_where_the_operator_says_so(encrypted: tuple[Peer, Path], tmp_path: Path) -> None:
    peer, cert_dir = encrypted
    for name in ("client.cert", "client.key"):
        shutil.copy(cert_dir / name, tmp_path / name)
    assert pulled(upstream_of(peer.url, certDir=str(tmp_path), tlsVerify=False))[0] == b"{}"


def test_what_is_not_there_is_missing(anonymous: Peer) -> None:
    upstream = upstream_of(anonymous.url)
    absent = digests.of(b"absent")
    assert upstream.head(REPOSITORY, names.tag("absent")) is None
    assert upstream.head(names.repository("absent"), names.tag("v1")) is None
    for ask in (
        lambda: upstream.manifest(REPOSITORY, names.tag("absent")),
        lambda: upstream.manifest(REPOSITORY, absent),
        lambda: upstream.blob(REPOSITORY, absent),
        lambda: upstream.tags(names.repository("absent")),
    ):
        with pytest.raises(UpstreamMissingError):
            ask()


def test_an_unchanged_manifest_is_not_sent_again(anonymous: Peer) -> None:
    upstream = upstream_of(anonymous.url)
    fetched = upstream.manifest(REPOSITORY, names.tag("v1"))
    assert fetched is not None
    assert upstream.manifest(REPOSITORY, names.tag("v1"), fetched.digest) is None
    changed = upstream.manifest(REPOSITORY, names.tag("v1"), digests.of(b"older"))
    assert changed == fetched


def test_a_blob_goes_on_from_any_offset_and_its_prefix_can_be_checked_along(anonymous: Peer) -> None:
    upstream = upstream_of(anonymous.url)
    digest = digests.of(LAYER)
    for offset in (1, len(LAYER) // 2, len(LAYER) - 1, len(LAYER)):
        with upstream.blob(REPOSITORY, digest, offset, hasher=hashlib.sha256(LAYER[:offset])) as stream:
            assert b"".join(stream) == LAYER[offset:]
            assert stream.is_checked
            assert stream.total_bytes == len(LAYER)
    with upstream.blob(REPOSITORY, digest, 5) as stream:
        assert not stream.is_checked
        assert b"".join(stream) == LAYER[5:]
    with (
        pytest.raises(UpstreamWrongError),
        upstream.blob(REPOSITORY, digest, 5, hasher=hashlib.sha256(b"other")) as stream,
    ):
        list(stream)
    with pytest.raises(UpstreamWrongError):
        upstream.blob(REPOSITORY, digest, len(LAYER) + 1)
    with pytest.raises(UpstreamWrongError):
        upstream.blob(REPOSITORY, digest, size_bytes=len(LAYER) + 1)


def test_tags_and_catalog_are_read_whole(anonymous: Peer) -> None:
    manifest = image(b"small layer", LAYER)
    for number in range(30):
        anonymous.push_manifest(REPOSITORY, f"t{number:02}", manifest)
    anonymous.push_image("other/app", "v1", b"x")
    upstream = upstream_of(anonymous.url)
    assert sorted(upstream.tags(REPOSITORY)) == [*(f"t{n:02}" for n in range(30)), "v1"]
    assert {"team/app", "other/app"} <= set(upstream.catalog())
    below = upstream_of(f"{anonymous.url}/team")
    assert below.catalog() == ("app",)
    assert below.head(names.repository("app"), names.tag("v1")) is not None


def test_referrers_are_found_by_the_fallback_tag_where_the_api_is_not_known(anonymous: Peer) -> None:
    subject = anonymous.push_image("signed/app", "v1", b"x")
    manifest = image(b"x")
    kind = "application/vnd.example.sbom"
    anonymous.push_manifest("signed/app", digest_of(manifest), manifest)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        described(manifest, OCI, artifactType=kind, annotations={"a": "b"}),
    ]}  # fmt: skip
    anonymous.push_manifest("signed/app", subject.replace(":", "-"), json.dumps(index).encode(), OCI_INDEX)
    upstream = upstream_of(anonymous.url)
    found = upstream.referrers(names.repository("signed/app"), digests.parse(subject))
    assert [(str(d.digest), d.artifact_type, d.annotations) for d in found] == [(digest_of(manifest), kind, {"a": "b"})]
    assert upstream.referrers(REPOSITORY, digests.of(b"unsigned")) == ()


def test_a_second_url_answers_when_the_first_is_down_and_the_first_is_left_alone_for_a_while(anonymous: Peer) -> None:
    pauses = Pauses()
    upstream = upstream_of(f"http://127.0.0.1:{free_port()}", anonymous.url, pauses=pauses)
    assert pulled(upstream)[0] == b"{}"
    # Two pauses before the first URL was given up; none for the requests after that.
    assert len(pauses.taken) == 2
    pauses.clock.advance(31)
    assert upstream.head(REPOSITORY, names.tag("v1")) is not None
    assert len(pauses.taken) == 4
