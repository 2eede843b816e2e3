"""Each kind of upstream with each way in, pulled through by skopeo: what a client gets is what was pushed there.

Kinds: Debian's docker-registry 2.8, distribution 3, another Holdfast. Ways: anonymous, Basic, Bearer tokens, TLS by a private
authority. A Holdfast asks nobody who they are so far, so that a front of the tests does it; the front speaks its TLS as well.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import shutil
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import engines
from tests.fakes.papers import Papers
from tests.serving import serving
from tests.sync import peers
from tests.sync.hostile import Call, Hostile
from tests.sync.peers import LOGIN, Peer, digest_of, docker_registry, image
from tests.sync.tokens import ISSUER, SERVICE, TokenService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from holdfast.rpc.credentials import TlsFiles
    from tests.clients.programs import Program
    from tests.serving import Server

pytestmark = pytest.mark.clients

LAYERS = (hashlib.sha256(b"large").digest() * 50_000, b"small")  # 1.6 MB
# Only alice may see it, where tokens are asked for.
NAME = "private/app"
PROGRAMS = {"docker": "docker-registry", "distribution": "registry"}
KINDS = (*PROGRAMS, "holdfast")
WAYS = ("anonymous", "basic", "bearer", "tls")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def service(room: Path) -> Iterator[TokenService]:
    with TokenService(room) as made:
        yield made


@pytest.fixture(scope="module")
def files(room: Path) -> TlsFiles:
    return Papers(room / "papers").issue(hosts=["127.0.0.1"])


@pytest.fixture(scope="module")
def upstreams(room: Path, service: TokenService, files: TlsFiles) -> Iterator[dict[str, Peer]]:
    """One of each kind and way, with an image."""
    context = ssl.create_default_context(cafile=str(files.authority))
    token = {"realm": service.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(service.certificate)}
    sections: dict[str, dict[str, Any]] = {
        "anonymous": {},
        "basic": {"auth": {"htpasswd": {"realm": "tests", "path": str(peers.htpasswd(room / "htpasswd"))}}},
        "bearer": {"auth": {"token": token}},
        "tls": {"http": {"tls": {"certificate": str(files.certificate), "key": str(files.key)}}},
    }
    writers: dict[str, Callable[[str], str | None]] = {
        "basic": lambda _: LOGIN,
        "bearer": lambda name: f"Bearer {service.token([f'repository:{name}:pull,push'])}",
    }
    found = {}
    with contextlib.ExitStack() as stack:
        for kind, program in PROGRAMS.items():
            for way in WAYS:
                started = docker_registry(room / f"{kind}-{way}", program=program, **sections[way])
                scheme, trusting = ("https", context) if way == "tls" else ("http", None)
                peer = Peer(f"{scheme}://{stack.enter_context(started)}", trusting, writers.get(way, lambda _: None))
                peer.push_image(NAME, "v1", *LAYERS)
                found[f"{kind}-{way}"] = peer
        server = stack.enter_context(serving(room / "holdfast"))
        Peer(server.url).push_image(NAME, "v1", *LAYERS)
        for way in WAYS:
            found[f"holdfast-{way}"] = stack.enter_context(holdfast(server, way, service, files))
        yield found


@contextlib.contextmanager
def holdfast(server: Server, way: str, service: TokenService, files: TlsFiles) -> Iterator[Peer]:
    """The Holdfast behind a front that lets in only who knows the way."""
    if way == "anonymous":
        yield Peer(server.url)
        return
    challenges = {"basic": 'Basic realm="tests"', "bearer": f'Bearer realm="{service.realm}",service="{SERVICE}"'}

    def is_welcome(call: Call) -> bool:
        authorization = call.headers.get("authorization")
        name = "/".join(call.path.split("/")[2:-2])
        return {
            "basic": authorization == LOGIN,
            "bearer": service.allows(authorization, name),
            "tls": authorization is None,
        }[way]

    def script(call: Call) -> None:
        if is_welcome(call):
            passed_on(call, server)
        else:
            call.answer(401, WWW_Authenticate=challenges.get(way, ""))

    tls = None
    if way == "tls":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.certificate, files.key)
    with Hostile(script, tls) as front:
        yield Peer(front.url)


def passed_on(call: Call, server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(call.method, call.target, headers={"Accept": call.headers.get("accept", "*/*")})
        answer = connection.getresponse()
        kept = {
            name.title(): value
            for name, value in answer.headers.items()
            if name.lower() in {"content-type", "content-length", "docker-content-digest"}
        }
        call.answer(answer.status, answer.read(), **kept)


@pytest.fixture(scope="module")
def mirror(room: Path, upstreams: dict[str, Peer], files: TlsFiles) -> Iterator[Server]:
    """One registry in front of all of them; logins for docker's in zot's file, for the others in docker's."""
    cert_dir = room / "certs.d"
    cert_dir.mkdir()
    shutil.copy(files.authority, cert_dir / "ca.crt")
    login = {"username": "alice", "password": "s3cret"}
    wanting = {name: peer.host for name, peer in upstreams.items() if name.endswith(("basic", "bearer"))}
    ours = {host: login for name, host in wanting.items() if name.startswith("docker")}
    theirs = {
        host: {"auth": base64.b64encode(b"alice:s3cret").decode()} for host in wanting.values() if host not in ours
    }
    (room / "logins.json").write_text(json.dumps(ours))
    (room / "config.json").write_text(json.dumps({"auths": theirs}))
    entries = [
        {
            "urls": [peer.url],
            "onDemand": True,
            "content": [{"prefix": "**", "destination": f"/{name}"}],
            **({"certDir": str(cert_dir)} if name.endswith("tls") else {}),
        }
        for name, peer in upstreams.items()
    ]
    logins = {"credentialsFile": str(room / "logins.json"), "dockerConfig": str(room / "config.json")}
    with serving(room / "mirror", extensions={"sync": {**logins, "registries": entries}}) as server:
        yield server


@pytest.fixture(scope="module")
def skopeo(room: Path) -> Program:
    return engines.skopeo(room / "skopeo")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_pulled_through(mirror: Server, skopeo: Program, tmp_path: Path, kind: str, way: str) -> None:
    source = f"docker://{mirror.host}/{kind}-{way}/{NAME}:v1"
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", source, f"dir:{tmp_path}/out")
    assert (tmp_path / "out" / "manifest.json").read_bytes() == image(*LAYERS)
    for blob in (*LAYERS, b"{}"):
        assert (tmp_path / "out" / digest_of(blob).removeprefix("sha256:")).read_bytes() == blob


@pytest.mark.parametrize("way", ["basic", "bearer"])
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_gets_in_there_without_a_login(upstreams: dict[str, Peer], kind: str, way: str) -> None:
    assert upstreams[f"{kind}-{way}"].request("GET", f"/v2/{NAME}/manifests/v1")[0] == 401


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_were_asked_for_with_the_login_and_for_pulling_only(
    mirror: Server, upstreams: dict[str, Peer], service: TokenService, kind: str
) -> None:
    service.asked.clear()
    absent = digest_of(b"not there")
    status, _, _ = mirror.request("GET", f"/v2/{kind}-bearer/private/other/manifests/{absent}")
    assert status == 404
    assert [(method, sent, fields["scope"]) for method, sent, fields in service.asked] == [
        ("GET", LOGIN, ["repository:private/other:pull"])
    ]
