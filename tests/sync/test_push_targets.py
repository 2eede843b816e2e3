"""Real registries as targets: Debian's docker-registry with each way to log in, and another Holdfast."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from holdfast import names
from holdfast.errors import UpstreamDeniedError
from syncworker.upstream.credentials import Credentials, Listed
from tests.clients import engines
from tests.serving import serving, wait_for
from tests.sync import peers
from tests.sync.client import Pauses, alice_at
from tests.sync.cutting import Cutting
from tests.sync.here import Here
from tests.sync.peers import LOGIN, OCI, OCI_INDEX, Peer, described, digest_of, docker_registry, image
from tests.sync.tokens import ISSUER, SERVICE, TokenService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serving import Server

REPOSITORY, TAG = names.repository("team/app"), names.tag("v1")
LAYER = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(100_000))  # 3.2 MB
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
MIB = 1 << 20
SBOM = "application/vnd.example.sbom"


@pytest.fixture
def here() -> Iterator[Here]:
    with Here() as here:
        yield here


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with docker_registry(tmp_path_factory.mktemp("peer") / "anonymous") as host:
        yield Peer(f"http://{host}")


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    directory = tmp_path_factory.mktemp("peer")
    auth = {"htpasswd": {"realm": "tests", "path": str(peers.htpasswd(directory / "htpasswd"))}}
    with docker_registry(directory / "basic", auth=auth) as host:
        yield Peer(f"http://{host}", writer=lambda _: LOGIN)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    with TokenService(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(scope="module")
def bearer(tmp_path_factory: pytest.TempPathFactory, service: TokenService) -> Iterator[Peer]:
    token = {"realm": service.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(service.certificate)}
    with docker_registry(tmp_path_factory.mktemp("peer") / "bearer", auth={"token": token}) as host:
        yield Peer(f"http://{host}", writer=lambda name: f"Bearer {service.token([f'repository:{name}:pull'])}")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("another")) as server:
        yield server


def held(here: Here, repository: str) -> tuple[bytes, bytes, bytes]:
    """An index of one image with a large layer, and what refers to the index: the three manifests."""
    for blob in (LAYER, CONFIG, b"small", b"{}"):
        here.blob(repository, blob)
    one = image(LAYER, b"small", config=CONFIG)
    child = described(one, OCI, platform={"os": "linux", "architecture": "amd64"})
    whole = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
    sbom = image(b"small", subject=described(whole, OCI_INDEX), artifactType=SBOM, annotations={"made": "here"})
    here.manifest(repository, one)
    here.manifest(repository, whole, TAG)
    here.manifest(repository, sbom)
    return one, whole, sbom


@pytest.mark.parametrize("kind", ["anonymous", "basic", "bearer"])
def test_docker_registry_takes_an_index_with_all_that_belongs_to_it(
    here: Here, kind: str, request: pytest.FixtureRequest
) -> None:
    peer: Peer = request.getfixturevalue(kind)
    one, whole, sbom = held(here, REPOSITORY)
    job = here.job(peer.url, [alice_at(peer.host)])
    assert job.copy(REPOSITORY, TAG, here.progress).is_changed
    told = peer._authorization(REPOSITORY)
    for name, data, kind_of in ((TAG, whole, OCI_INDEX), (digest_of(one), one, OCI), (digest_of(sbom), sbom, OCI)):
        accepted = {"Accept": f"{OCI}, {OCI_INDEX}"}
        status, headers, body = peer.request("GET", f"/v2/{REPOSITORY}/manifests/{name}", **told, **accepted)
        assert (status, headers["Docker-Content-Digest"], body) == (200, digest_of(data), data)
        assert headers["Content-Type"] == kind_of
    status, _, body = peer.request("GET", f"/v2/{REPOSITORY}/blobs/{digest_of(LAYER)}", **told)
    assert (status, body) == (200, LAYER)
    # This one has no referrers API, so the list is where the specification's fallback has it.
    fallback = digest_of(whole).replace(":", "-")
    _, _, listed = peer.request("GET", f"/v2/{REPOSITORY}/manifests/{fallback}", **told, Accept=OCI_INDEX)
    assert json.loads(listed)["manifests"] == [described(sbom, OCI, artifactType=SBOM, annotations={"made": "here"})]
    assert here.job(peer.url, [alice_at(peer.host)]).copy(REPOSITORY, TAG, here.progress).is_changed is False


def test_another_holdfast_takes_an_index_with_all_that_belongs_to_it(here: Here, another: Server) -> None:
    _, whole, sbom = held(here, REPOSITORY)
    assert here.job(another.url).copy(REPOSITORY, TAG, here.progress).is_changed
    status, headers, body = another.request("GET", f"/v2/{REPOSITORY}/manifests/{TAG}")
    assert (status, headers["docker-content-digest"], body) == (200, digest_of(whole), whole)
    _, _, listed = another.request("GET", f"/v2/{REPOSITORY}/referrers/{digest_of(whole)}")
    assert [one["digest"] for one in json.loads(listed)["manifests"]] == [digest_of(sbom)]
    _, _, tags = another.request("GET", f"/v2/{REPOSITORY}/tags/list")
    assert json.loads(tags)["tags"] == [TAG]
    assert here.job(another.url).copy(REPOSITORY, TAG, here.progress).is_changed is False


def test_one_token_for_reading_and_writing_is_asked_for_each_repository(
    here: Here, bearer: Peer, service: TokenService
) -> None:
    here.image("tokens/app", TAG, b"layer of tokens")
    service.asked.clear()
    here.job(bearer.url, [alice_at(bearer.host)]).copy(names.repository("tokens/app"), TAG, here.progress)
    assert [fields["scope"] for _, _, fields in service.asked] == [["repository:tokens/app:pull,push"]]


def test_a_blob_that_another_repository_has_is_mounted_with_a_token_for_both(
    here: Here, bearer: Peer, service: TokenService
) -> None:
    for name in ("mounts/one", "mounts/two"):
        here.image(name, TAG, LAYER[:2_000_000])
    job = here.job(bearer.url, [alice_at(bearer.host)])
    sent = [job.copy(names.repository(name), TAG, here.progress).size_bytes for name in ("mounts/one", "mounts/two")]
    assert sent[0] > 2_000_000
    assert sent[1] < 1_000
    both = ["repository:mounts/two:pull,push", "repository:mounts/one:pull"]
    assert both in [fields["scope"] for _, _, fields in service.asked]


def test_a_login_that_may_not_push_is_told_so(here: Here, basic: Peer, bearer: Peer) -> None:
    here.image(REPOSITORY, "denied", b"layer")
    wrong = Listed({basic.host: Credentials("alice", "wr0ng"), bearer.host: Credentials("alice", "wr0ng")})
    for peer in (basic, bearer):
        for logins in ([], [wrong]):
            with pytest.raises(UpstreamDeniedError) as caught:
                here.job(peer.url, logins).copy(REPOSITORY, names.tag("denied"), here.progress)
            assert "wr0ng" not in f"{caught.value} {caught.value.detail}"


@dataclass
class Noticing(Pauses):
    """After a break nothing is asked before the target has noticed it, too."""

    noticed: Callable[[], bool] = lambda: True

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        wait_for("the target to notice a break", self.noticed)


def test_a_blob_that_breaks_off_on_its_way_to_another_holdfast_goes_on_where_it_was(another: Server) -> None:
    repository, large = names.repository("cut/off"), LAYER * 7
    with Cutting(another.host) as way:
        ended = f'"method": "PATCH", "path": "/v2/{repository}/'
        pauses = Noticing(noticed=lambda: another.log.read_text().count(ended) >= way.broken)
        with Here(pauses=pauses) as here:
            here.image(repository, TAG, large)
            way.cut_after(18 * MIB)
            assert here.job(way.url).copy(repository, TAG, here.progress).is_changed
        assert way.broken == 1
        # A gateway keeps what it has written in steps of 8 MiB.
        assert way.sent_bytes < len(large) + 3 * MIB
    status, _, body = another.request("GET", f"/v2/{repository}/blobs/{digest_of(large)}")
    assert (status, body) == (200, large)


def test_docker_registry_forgets_what_broke_off_and_is_sent_it_anew(here: Here, anonymous: Peer) -> None:
    repository = names.repository("cut/off")
    here.image(repository, TAG, LAYER)
    with Cutting(anonymous.host) as way:
        way.cut_after(1_000_000)
        assert here.job(way.url).copy(repository, TAG, here.progress).is_changed
        assert way.broken == 1
    status, _, body = anonymous.request("GET", f"/v2/{repository}/blobs/{digest_of(LAYER)}")
    assert (status, body) == (200, LAYER)


@pytest.mark.clients
@pytest.mark.parametrize("kind", ["anonymous", "another"])
def test_skopeo_pulls_from_the_target_what_was_pushed_here(
    here: Here, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    peer = request.getfixturevalue(kind)
    repository = names.repository(f"pulled/{kind}")
    _, whole, _ = held(here, repository)
    here.job(peer.url).copy(repository, TAG, here.progress)
    skopeo = engines.skopeo(tmp_path / "skopeo")
    source = f"docker://{peer.host}/{repository}:{TAG}"
    skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", source, f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == whole
    assert (tmp_path / "pulled" / digest_of(LAYER).partition(":")[2]).read_bytes() == LAYER
