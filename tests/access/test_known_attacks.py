"""What went wrong in other registries and must not here; each test bears the numbers of its lesson.

Not tried, because there is nothing to try it on:
    CVE-2020-13788      webhooks that scan ports: nothing here calls an address that a caller names; upstreams are the operator's
                        alone, and where they may lead is in the tests of CVE-2026-2376

One registry for all; it is given no address, and in front of upstreams that do wrong.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import inspect
import json
import re
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.access import logins as logins_module
from gateway.access.logins import Logins
from gateway.access.proving import Doorkeeper
from gateway.access.throttle import Throttle
from holdfast.clock import ManualClock
from holdfast.errors import LoginRefusedError
from tests.access.conftest import line
from tests.access.guarded import Guarded, basic
from tests.access.test_users import push
from tests.conformance.content import LAYER_ELSEWHERE, compact, digest_of
from tests.conformance.oci import OCI_INDEX, OCI_MANIFEST
from tests.http.raw import talk
from tests.serving import free_port, launched
from tests.sync.hostile import Call, Hostile
from tests.sync.mirrored import registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LESSONS: Final = re.findall(
    r"\S+",
    """
CVE-2017-11468 CVE-2023-2253 CVE-2025-24976 CVE-2026-33540 CVE-2026-35172 CVE-2026-41888 CVE-2020-15157 CVE-2021-41190
CVE-2024-3727 CVE-2024-39897 CVE-2026-31801 GHSA-qg67-7m6v-qg25 CVE-2026-27771 CVE-2026-32589 CVE-2026-32590 CVE-2026-2376
CVE-2026-75625 GHSA-hx2h-vjw2-8r54 CVE-2023-27584 GHSA-g2rq-jv54-wcpr GHSA-89vc-vf32-ch59 CVE-2019-16097 CVE-2019-19030
CVE-2020-29662 CVE-2020-13788 CVE-2026-111590 CVE-2022-31667 CVE-2022-31668 CVE-2022-31669 CVE-2022-31670 CVE-2024-22278
CVE-2023-20902 GO-2024-2916 GHSA-f9vc-vf3r-pqqq CVE-2026-4404 CVE-2026-96577 CVE-2017-14992
""",
)
ANN, MAKER, ROOT = basic("ann", "right"), basic("maker", "making"), basic("root", "toor")
RULES: Final = {
    "repositories": {
        "own/**": {
            "policies": [
                {"users": ["ann"], "actions": ["read", "create", "update"]},
                {"users": ["maker"], "actions": ["read", "create"]},
            ]
        },
        "secret/**": {"policies": [{"users": ["nobody"], "actions": ["read"]}]},
        "public/**": {"anonymousPolicy": ["read"]},
        "bad/**": {"policies": [{"users": ["ann"], "actions": ["read"]}]},
    },
    "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
}
ZERO: Final = "sha256:" + "0" * 64
MARK: Final = "what an upstream says in confidence"
DENIED, MISSING = {401, 403}, {404}


def test_each_lesson_is_tried_or_said_to_be_of_no_use_here() -> None:
    tests = "".join(name for name, _ in inspect.getmembers(sys.modules[__name__], inspect.isfunction))
    tried = {one for one in LESSONS if one.lower().replace("-", "_") in tests}
    explained = set(re.findall(r"(?:CVE|GHSA|GO)-[\w-]+", (__doc__ or "").partition("One registry")[0]))
    assert set(LESSONS) - tried == {one for one in explained if one in LESSONS and one not in tried}


class Trap:
    """An address of this machine that nobody has a reason to call. It notices whoever does."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.2", 0))
        self._listener.setblocking(False)
        self.host = f"127.0.0.2:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()

    @property
    def has_been_called(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@dataclass(frozen=True)
class Rig:
    registry: Guarded
    trap: Trap
    upstreams: dict[str, Hostile]


def foreign_layers(trap: Trap) -> bytes:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": digest_of(b"{}")}
    layer = {"mediaType": LAYER_ELSEWHERE, "size": 5, "digest": ZERO, "urls": [f"http://{trap.host}/layer"]}
    return compact({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]})


def wrongdoers(trap: Trap) -> dict[str, Hostile]:
    def layers(call: Call) -> None:
        if "/manifests/" in call.path:
            call.answer(200, foreign_layers(trap), Content_Type=OCI_MANIFEST)
        else:
            call.answer(404)

    return {
        "realm": Hostile(
            lambda call: call.answer(401, WWW_Authenticate=f'Bearer realm="http://{trap.host}/t",service="s"')
        ),
        "redirect": Hostile(lambda call: call.answer(307, Location=f"http://169.254.169.254{call.target}")),
        "layers": Hostile(layers),
        "bodies": Hostile(lambda call: call.answer(500, MARK.encode())),
    }


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    root = tmp_path_factory.mktemp("attacked")
    with contextlib.ExitStack() as stack:
        trap = stack.enter_context(contextlib.closing(Trap()))
        upstreams = {name: stack.enter_context(one) for name, one in wrongdoers(trap).items()}
        registry = started(root, upstreams)
        stack.callback(registry.server.stop)
        for repo in ("own/app", "secret/app", "public/app"):
            assert push(registry, ROOT, repo, "v1")[0] == 201
        yield Rig(registry, trap, upstreams)


def started(root: Path, upstreams: dict[str, Hostile]) -> Guarded:
    """On a configuration that says nothing of an address."""
    users = {"ann": "right", "maker": "making", "root": "toor"}
    (root / "htpasswd").write_text("".join(line(*one) for one in users.items()))
    logins = {one.host: {"username": "us", "password": "our word there"} for one in upstreams.values()}
    (root / "logins.json").write_text(json.dumps(logins))
    (root / "logins.json").chmod(0o600)
    entries = registries({f"/bad/{name}": [one.url] for name, one in upstreams.items()})
    port = free_port()
    config = {
        "storage": {"rootDirectory": str(root / "data")},
        "http": {"port": str(port), "auth": {"htpasswd": {"path": str(root / "htpasswd")}}, "accessControl": RULES},
        "log": {"level": "debug", "audit": str(root / "audit.log")},
        "extensions": {"sync": {"credentialsFile": str(root / "logins.json"), "registries": entries}},
    }
    place = root / "registry"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    return Guarded(launched(place, place / "config.json", port), root / "htpasswd")


@pytest.fixture(scope="module")
def registry(rig: Rig) -> Guarded:
    return rig.registry


def blob(registry: Guarded, repo: str, data: bytes, who: dict[str, str] = ROOT) -> str:
    digest = digest_of(data)
    assert registry.status("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", who, data) == 201
    return digest


def signed(claims: dict[str, Any], secret: bytes, **header: str) -> dict[str, str]:
    """A token by hand: libraries refuse to make bad ones."""
    parts = [base64.urlsafe_b64encode(compact(one)).rstrip(b"=") for one in ({"alg": "HS256", **header}, claims)]
    mac = hmac.digest(secret, b".".join(parts), "sha256")
    return {"Authorization": "Bearer " + b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()}


def opened(token: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    text = token["Authorization"].partition(" ")[2]
    return jwt.get_unverified_header(text), jwt.decode(text, options={"verify_signature": False})


def test_cve_2017_11468_a_manifest_is_not_read_beyond_its_limit(registry: Guarded) -> None:
    head = f"PUT /v2/own/app/manifests/big HTTP/1.1\r\nHost: x\r\nAuthorization: {ANN['Authorization']}\r\n"
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    chunked = talk(registry.server.port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + piece * 6, 1)
    announced = talk(registry.server.port, f"{head}Content-Length: 99999999999\r\n\r\n".encode(), 1)
    assert [one.answers[0].status for one in (chunked, announced)] == [413, 413]
    bomb = gzip.compress(b" " * (64 << 20))
    packed = {"Content-Encoding": "gzip", "Content-Type": OCI_MANIFEST}
    assert registry.ask("PUT", "/v2/own/app/manifests/big", ANN, bomb, **packed)[0] in {400, 415}


def test_cve_2023_2253_a_page_is_no_larger_than_what_there_is(registry: Guarded) -> None:
    for count in (10**9, 2**31, 10**18, 10**40):
        for path in ("/v2/_catalog", "/v2/own/app/tags/list"):
            status, _, body = registry.ask("GET", f"{path}?n={count}", ROOT)
            assert status in {200, 400}
            assert len(body) < 4096


def test_cve_2025_24976_a_token_brings_no_key_of_its_own(registry: Guarded) -> None:
    token = registry.token(ANN, "repository:own/app:pull")
    header, claims = opened(token)
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    kid = header["kid"]
    ours = jwt.encode(claims, key, "ES256", headers={"kid": kid, "jwk": jwk, "jku": "http://127.0.0.1:1/", "x5u": "x"})
    unsigned = jwt.encode(claims, None, "none", headers={"kid": kid})
    assert registry.status("GET", "/v2/own/app/tags/list", token) == 200
    for forged in (ours, unsigned):
        assert registry.status("GET", "/v2/own/app/tags/list", {"Authorization": f"Bearer {forged}"}) == 401


def test_cve_2023_27584_no_key_is_the_same_everywhere(registry: Guarded) -> None:
    header, claims = opened(registry.token(ROOT, "repository:secret/app:pull"))
    for secret in (b"", b"Secret Key", b"secret", b"holdfast", b"changeme", b"\0" * 32, header["kid"].encode()):
        for kid in (header["kid"], "0", "1", "../../dev/null"):
            assert registry.status("GET", "/v2/secret/app/tags/list", signed(claims, secret, kid=kid)) == 401


def test_cve_2026_33540_an_upstreams_challenge_sends_our_password_nowhere_else(rig: Rig) -> None:
    assert rig.registry.status("GET", "/v2/bad/realm/app/manifests/v1", ANN) >= 400
    assert rig.upstreams["realm"].asked()
    assert not rig.trap.has_been_called


def test_cve_2026_2376_and_ghsa_g2rq_jv54_wcpr_a_redirect_leads_nowhere_but_to_the_upstream(rig: Rig) -> None:
    status, _, _ = rig.registry.ask("GET", "/v2/bad/redirect/app/manifests/v1", ANN)
    assert status == 502
    assert rig.upstreams["redirect"].asked()
    assert (
        "169.254.169.254 leads to an address that is a cloud's metadata service" in rig.registry.server.log.read_text()
    )


def test_cve_2020_15157_urls_of_layers_are_not_called(rig: Rig) -> None:
    status, _, body = rig.registry.ask("GET", "/v2/bad/layers/app/manifests/v1", ANN)
    assert (status, body) == (200, foreign_layers(rig.trap))
    assert rig.registry.status("GET", f"/v2/bad/layers/app/blobs/{ZERO}", ANN) in {404, 502}
    blob(rig.registry, "own/urls", b"{}")
    kind = {"Content-Type": OCI_MANIFEST}
    assert rig.registry.ask("PUT", "/v2/own/urls/manifests/v1", ANN, foreign_layers(rig.trap), **kind)[0] == 201
    assert rig.registry.status("GET", f"/v2/own/urls/blobs/{ZERO}", ANN) == 404
    assert not rig.trap.has_been_called


def test_cve_2026_111590_what_an_upstream_says_is_not_logged(rig: Rig) -> None:
    status, _, body = rig.registry.ask("GET", "/v2/bad/bodies/app/manifests/v1", ANN)
    assert status in {502, 503}
    assert rig.upstreams["bodies"].asked()
    assert MARK.encode() not in body
    assert MARK not in rig.registry.server.log.read_text()


def test_cve_2026_35172_what_is_deleted_is_not_read_from_a_memory(registry: Guarded) -> None:
    _, digest = push(registry, ROOT, "own/gone", "v1")
    layer = blob(registry, "own/gone", b"to be deleted")
    places = [f"/v2/own/gone/manifests/{digest}", "/v2/own/gone/manifests/v1", f"/v2/own/gone/blobs/{layer}"]
    assert {registry.status("GET", place, ANN) for place in places * 4} == {200}
    assert registry.status("DELETE", places[0], ROOT) == 202
    assert registry.status("DELETE", places[2], ROOT) == 202
    assert {registry.status("GET", place, ANN) for place in places * 4} == {404}


def test_cve_2026_41888_and_cve_2026_31801_and_ghsa_qg67_7m6v_qg25_who_pushes_does_not_delete_or_move(
    registry: Guarded,
) -> None:
    _, digest = push(registry, ROOT, "own/kept", "v1")
    layer = blob(registry, "own/kept", b"to be kept")
    token = registry.token(ANN, "repository:own/kept:pull,push,delete,*")
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{layer}"):
        for who in (ANN, token, MAKER):
            assert registry.status("DELETE", f"/v2/own/kept/{path}", who) in DENIED
            assert registry.status("HEAD", f"/v2/own/kept/{path}", ANN) == 200
    assert push(registry, MAKER, "own/kept", "v1")[0] == 403
    assert push(registry, MAKER, "own/kept", "v2")[0] == 201
    assert registry.ask("HEAD", "/v2/own/kept/manifests/v1", ANN)[1]["docker-content-digest"] == digest


def test_cve_2021_41190_a_manifest_is_one_kind_of_thing(registry: Guarded) -> None:
    described = {"mediaType": OCI_MANIFEST, "size": 2, "digest": blob(registry, "own/kinds", b"{}")}
    both = {"config": described, "layers": [], "manifests": []}
    for content, kind in (
        ({"mediaType": OCI_INDEX, "manifests": []}, OCI_MANIFEST),
        ({"mediaType": OCI_MANIFEST, "config": described, "layers": []}, OCI_INDEX),
        ({"mediaType": OCI_MANIFEST, **both}, OCI_MANIFEST),
        ({"mediaType": OCI_INDEX, **both}, OCI_INDEX),
        (both, OCI_INDEX),
    ):
        body = compact({"schemaVersion": 2, **content})
        assert registry.ask("PUT", "/v2/own/kinds/manifests/v1", ANN, body, **{"Content-Type": kind})[0] == 400


def test_cve_2024_3727_a_digest_is_one_before_it_is_used(registry: Guarded) -> None:
    for word in (
        "sha256:../../../etc/passwd",
        "sha256:..%2f..%2fetc%2fpasswd",
        "sha256:" + "0" * 63,
        "sha256:",
        "x:y/../z",
    ):
        for path in (f"blobs/{word}", f"manifests/{word}", f"referrers/{word}"):
            for method in ("GET", "HEAD", "DELETE"):
                assert registry.status(method, f"/v2/own/app/{path}", ROOT) in {400, 404, 405}
        for query in (f"digest={word}", f"mount={word}&from=secret/app"):
            assert registry.status("POST", f"/v2/own/app/blobs/uploads/?{query}", ROOT, b"x") in {400, 202}
        assert registry.status("PUT", f"/v2/own/app/manifests/{word}", ROOT, b"{}") in {400, 404}


def test_cve_2024_39897_knowing_a_digest_opens_nothing(registry: Guarded) -> None:
    digest = blob(registry, "secret/app", b"a secret layer")
    for method in ("GET", "HEAD"):
        assert registry.status(method, f"/v2/own/app/blobs/{digest}", ANN) == 404
        assert registry.status(method, f"/v2/public/app/blobs/{digest}") == 404
    for query in (f"mount={digest}&from=secret/app", f"mount={digest}", f"mount={digest}&from=own/app"):
        assert registry.status("POST", f"/v2/own/app/blobs/uploads/?{query}", ANN) == 202
    assert registry.status("GET", f"/v2/own/app/blobs/{digest}", ANN) == 404


def test_cve_2022_31667_cve_2022_31668_cve_2022_31669_cve_2022_31670_cve_2024_22278_an_object_is_of_the_repository_in_the_path(
    registry: Guarded,
) -> None:
    _, theirs = push(registry, ROOT, "secret/objects", "v1")
    upload = registry.ask("POST", "/v2/secret/objects/blobs/uploads/", ROOT)[1]["location"]
    for method in ("GET", "HEAD", "DELETE"):
        assert registry.status(method, f"/v2/own/app/manifests/{theirs}", ROOT if method == "DELETE" else ANN) == 404
    assert registry.status("GET", "/v2/secret/objects/manifests/v1", ROOT) == 200
    moved = upload.replace("secret/objects", "own/app")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert registry.status(method, moved, ANN, b"x") in {400, 404}
    assert registry.status("GET", upload, ROOT) == 204


def test_cve_2026_27771_what_is_private_is_kept_from_nobody_in_particular_on_every_way(registry: Guarded) -> None:
    _, digest = push(registry, ROOT, "secret/app", "v2")
    layer = blob(registry, "secret/app", b"private")
    assert registry.answer(None, "repository:secret/app:pull,push", "repository:own/app:*")["scope"] == ""
    for who in (None, registry.token(None, "repository:secret/app:pull"), registry.token(None)):
        for path in ("manifests/v2", f"manifests/{digest}", f"blobs/{layer}", "tags/list", f"referrers/{digest}"):
            for method in ("GET", "HEAD"):
                assert registry.status(method, f"/v2/secret/app/{path}", who) in {401, 405}
        assert "secret" not in registry.ask("GET", "/v2/_catalog", who)[2].decode()


def test_cve_2026_32589_an_upload_is_of_one_repository_and_one_caller(registry: Guarded) -> None:
    place = registry.ask("POST", "/v2/own/first/blobs/uploads/", ANN)[1]["location"]
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert registry.status(method, place.replace("own/first", "own/second"), ANN, b"x") in {400, 404}
        assert registry.status(method, place, MAKER, b"x") in {400, 404}
    assert registry.status("PATCH", place, ANN, b"x") == 202


def test_cve_2026_32590_an_upload_id_is_never_unpacked(registry: Guarded) -> None:
    mark = registry.server.root / "unpacked"
    packed = base64.urlsafe_b64encode(b"cposix\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.").decode()
    for word in (packed, packed.rstrip("="), "gASVAAAA", "%80%04%95"):
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            query = f"?digest={ZERO}&_state={packed}"
            assert registry.status(method, f"/v2/own/app/blobs/uploads/{word}{query}", ANN, b"x") in {400, 404}
    assert not mark.exists()


def test_cve_2026_75625_and_ghsa_hx2h_vjw2_8r54_bytes_are_stored_under_their_own_strong_digest_alone(
    registry: Guarded,
) -> None:
    claimed = digest_of(b"what is claimed")
    assert registry.status("POST", f"/v2/own/app/blobs/uploads/?digest={claimed}", ANN, b"what is sent") == 400
    assert registry.status("HEAD", f"/v2/own/app/blobs/{claimed}", ANN) == 404
    for weak in ("md5", "sha1"):
        digest = f"{weak}:{hashlib.new(weak, b'x', usedforsecurity=False).hexdigest()}"
        assert registry.status("POST", f"/v2/own/app/blobs/uploads/?digest={digest}", ANN, b"x") == 400


def test_ghsa_89vc_vf32_ch59_and_cve_2026_96577_nothing_listens_but_the_registry_and_on_this_machine_alone(
    registry: Guarded,
) -> None:
    top = psutil.Process(registry.server.process.pid)
    family = [top, *top.children(recursive=True)]
    listening = {
        tuple(one.laddr) for each in family for one in each.net_connections("inet") if one.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", registry.server.port)}


def test_cve_2019_16097_a_form_sets_nothing_but_what_it_is_for(registry: Guarded) -> None:
    form = (
        "grant_type=password&username=ann&password=right&service=holdfast&scope=repository:secret/app:pull"
        "&sub=root&admin=true&groups=admins&access=%5B%5D&role=admin&is_admin=1&username=root&account=htpasswd:root"
    )
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, body = registry.ask("POST", "/auth/token", None, form.encode(), **kind)
    assert status == 200
    token = {"Authorization": f"Bearer {json.loads(body)['token']}"}
    assert opened(token)[1]["sub"] == "ann"
    assert json.loads(body)["scope"] == ""
    assert registry.status("GET", "/v2/secret/app/tags/list", token) in DENIED


def test_cve_2019_19030_what_is_there_and_what_is_not_look_the_same(registry: Guarded) -> None:
    for who in (None, ANN, registry.token(ANN, "repository:secret/app:pull")):
        for path in ("manifests/v1", "tags/list", f"blobs/{ZERO}", "blobs/uploads/x"):
            answers = [registry.ask("GET", f"/v2/secret/{name}/{path}", who) for name in ("app", "abc")]
            (first, headers, body), (second, others, other) = answers
            assert first == second
            assert body.replace(b"secret/app", b"secret/abc") == other
            assert set(headers) == set(others)


def test_cve_2020_29662_the_catalog_shows_nobody_what_is_not_theirs(registry: Guarded) -> None:
    for path in ("/v2/_catalog", "/v2/_catalog/", "/v2//_catalog", "/v2/_catalog?n=100&last=", "/v2/%5fcatalog"):
        status, _, body = registry.ask("GET", path)
        assert status in {200, 400, 401, 404}
        assert b"secret" not in body
        assert b"own/" not in body


def test_cve_2023_20902_an_unknown_user_costs_what_a_wrong_password_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    class Accounts:
        def hash_of(self, user: str) -> str | None:
            return {"ann": "$2b$04$ann"}.get(user)

        def any_hash(self) -> str | None:
            return "$2b$04$ann"

    def fits(password: str, hashed: str) -> bool:
        compared.append(hashed)
        return password == "right"

    monkeypatch.setattr(logins_module, "fits", fits)
    clock = ManualClock()
    logins = Logins(Accounts(), Doorkeeper(Throttle(clock), clock, b"k" * 32, lambda: None))
    for user, password in (("ann", "wrong"), ("nobody", "wrong"), ("nobody", "right")):
        with pytest.raises(LoginRefusedError):
            logins.check(user, password, "192.0.2.1")
    assert compared == ["$2b$04$ann"] * 3


def test_go_2024_2916_text_of_a_request_is_no_query(registry: Guarded) -> None:
    for text in (
        "' OR '1'='1",
        "x' UNION SELECT name FROM sqlite_master --",
        'x"; DROP TABLE entries; --',
        "%' OR 1 LIKE '%",
    ):
        word = "".join(f"%{byte:02x}" for byte in text.encode())
        assert "secret" not in registry.ask("GET", f"/v2/_catalog?last={word}&n=5", ANN)[2].decode()
        assert registry.status("GET", f"/v2/own/app/tags/list?last={word}", ANN) == 200
        assert registry.status("GET", f"/v2/own/app/manifests/{word}", ANN) in {400, 404}
        assert registry.status("GET", f"/v2/own/{word}/tags/list", ANN) == 400
    assert registry.status("GET", "/v2/own/app/manifests/v1", ANN) == 200


def test_ghsa_f9vc_vf3r_pqqq_nothing_that_was_pushed_is_run_by_a_browser(registry: Guarded) -> None:
    page = b"<script>alert(1)</script>"
    digest = blob(registry, "own/app", page)
    for path in (f"/v2/own/app/blobs/{digest}", "/v2/own/app/manifests/v1", "/v2/own/app/manifests/<script>", "/v2/"):
        _, headers, _ = registry.ask("GET", path, ANN)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert "html" not in headers["content-type"]


def test_cve_2026_4404_nobody_is_known_who_was_not_written_down(registry: Guarded) -> None:
    known = [
        ("admin", "admin"),
        ("admin", "password"),
        ("admin", "Harbor12345"),
        ("holdfast", "holdfast"),
        ("root", "root"),
    ]
    for user, password in (*known, ("ann", ""), ("", "right")):
        assert registry.status("GET", "/v2/", basic(user, password)) == 401
    assert registry.status("GET", "/v2/", basic("", "")) == 401


def test_cve_2017_14992_what_is_packed_stays_packed(registry: Guarded) -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    digest = blob(registry, "own/bomb", bomb)
    status, headers, body = registry.ask("GET", f"/v2/own/bomb/blobs/{digest}", ANN, **{"Accept-Encoding": "identity"})
    assert (status, len(body), body) == (200, len(bomb), bomb)
    assert "content-encoding" not in headers
