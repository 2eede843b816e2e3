"""Every sample configuration acts: started with its places rewritten, it does what it says.

Where others are tested beside their features they are looked for by name in those tests. What this version refuses to start with
needs no test until it can: that goes by the table of what is not there yet.
"""

from __future__ import annotations

import ast
import hashlib
import json
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.config import load, unavailable
from tests.access import samples
from tests.access.conftest import line
from tests.access.guarded import basic
from tests.access.samples import acting
from tests.access.test_users import push
from tests.certificates import Authority
from tests.conformance.content import LAYER, compact, digest_of
from tests.conformance.oci import OCI_MANIFEST

if TYPE_CHECKING:
    from tests.access.guarded import Guarded

PASSWORD: Final = "a word for all of them"


def everybody(*users: str) -> str:
    return "".join(line(user, PASSWORD) for user in users)


def who(user: str) -> dict[str, str]:
    return basic(user, PASSWORD)


def test_samples_are_all_tried_or_named_with_a_reason() -> None:
    samples.require_samples()
    found = {path for folder in samples.FOLDERS for path in (samples.SHARED / folder).iterdir()}
    configurations = {path for path in found if "http" in {key.lower() for key in samples.read(path)}}
    assert len(configurations) == 46
    tried = tried_by_tests()
    for path in configurations:
        refused = [feature.path for feature in unavailable(load(path)) if feature.refuses]
        assert path.name in tried or path.name in samples.ELSEWHERE or refused, (
            f"{path.name}: nothing shows that it acts"
        )


@cache
def tried_by_tests() -> frozenset[str]:
    """Names of samples in calls of ``acting`` and among parameters."""
    modules = (Path(__file__).parents[1]).rglob("test_*.py")
    calls = [
        node for module in modules for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)
    ]
    trying = [
        one for one in calls if getattr(one.func, "id", getattr(one.func, "attr", "")) in {"acting", "parametrize"}
    ]
    return frozenset(
        node.value
        for call in trying
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("name", ["config-minimal.json", "config-conformance.json", "config-commit.json"])
def test_a_registry_without_rules_takes_and_gives_everything(tmp_path: Path, name: str) -> None:
    with acting(name, tmp_path) as registry:
        status, digest = push(registry, {}, "any/app", "v1")
        assert status == 201
        assert registry.ask("GET", "/v2/any/app/manifests/v1")[1]["docker-content-digest"] == digest
        assert registry.status("DELETE", "/v2/any/app/manifests/v1") == 202


def test_dockers_own_manifests_are_taken(tmp_path: Path) -> None:
    with acting("config-docker-compat.json", tmp_path) as registry:
        blob = b"{}"
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        assert registry.status("POST", f"/v2/any/app/blobs/uploads/?digest={digest}", None, blob) == 201
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(blob), "digest": digest}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}).encode()
        assert registry.ask("PUT", "/v2/any/app/manifests/v1", None, manifest, **{"Content-Type": kind})[0] == 201
        _, headers, body = registry.ask("GET", "/v2/any/app/manifests/v1")
        assert (headers["content-type"], body) == (kind, manifest)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("team-htpasswd.json", {}),
        # Nobody is to be asked but this machine, where nobody listens.
        (
            "two-upstreams.json",
            {f"extensions.sync.registries.{number}.urls": ["http://127.0.0.1:1"] for number in (0, 1)},
        ),
    ],
)
def test_nobody_gets_in_without_a_password_of_the_file(tmp_path: Path, name: str, changes: dict[str, object]) -> None:
    with acting(name, tmp_path, {"htpasswd": everybody("admin")}, changes) as registry:
        assert registry.status("GET", "/v2/") == 401
        for path in ("team/app", "google-containers/pause"):
            assert registry.status("GET", f"/v2/{path}/manifests/v1") == 401
            assert registry.status("GET", f"/v2/{path}/manifests/v1", basic("admin", "another word")) == 401
        assert registry.status("GET", "/v2/", who("admin")) == 200
        assert push(registry, who("admin"), "team/app", "v1")[0] == 201


def test_nobody_in_particular_may_do_what_the_longest_glob_says(tmp_path: Path) -> None:
    with acting("config-anonymous-authz.json", tmp_path) as registry:
        for repo, first, again in (
            ("any/app", 201, 403),
            ("tmp/app", 201, 201),
            ("infra/app", 403, 403),
            ("repos2/repo", 403, 403),
        ):
            assert [pushed(registry, None, repo) for _ in range(2)] == [first, again], repo
            assert registry.status("GET", f"/v2/{repo}/manifests/v1") == (200 if first == 201 else 404)
            assert registry.status("DELETE", f"/v2/{repo}/manifests/v1") == 403


def pushed(registry: Guarded, user: str | None, repo: str, reference: str = "v1") -> int:
    """The status that a push ends with: of its first blob, or of the manifest."""
    blob = secrets.token_bytes(16)
    layer = {"mediaType": LAYER, "size": len(blob), "digest": digest_of(blob)}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": layer, "layers": [layer]}
    body = compact(manifest)
    caller = who(user) if user else None
    status = registry.status("POST", f"/v2/{repo}/blobs/uploads/?digest={layer['digest']}", caller, blob)
    if status != 201:
        return status
    place = f"/v2/{repo}/manifests/{digest_of(body) if reference == 'digest' else reference}"
    return registry.ask("PUT", place, caller, body, **{"Content-Type": OCI_MANIFEST})[0]


def test_users_groups_defaults_conditions_and_admins_act(tmp_path: Path) -> None:
    users = ("charlie", "mary", "jack", "jim", "alice", "bob", "mallory", "admin", "stranger")
    with acting("config-policy.json", tmp_path, {"htpasswd": everybody(*users)}) as registry:
        assert registry.status("GET", "/v2/any/app/tags/list") == 401
        for user, repo, first, again, delete in (
            ("charlie", "any/charlie", 201, 201, 403),
            ("jack", "any/jack", 201, 201, 403),  # by group1
            ("mary", "any/mary", 201, 201, 202),
            ("jim", "any/jim", 201, 201, 202),  # by group2
            ("stranger", "any/stranger", 201, 403, 403),
            ("stranger", "tmp/stranger", 201, 201, 403),
            ("bob", "infra/bob", 201, 201, 202),
            ("mallory", "infra/mallory", 201, 403, 403),
            ("stranger", "infra/stranger", 403, 403, 403),
            ("charlie", "prod/charlie", 403, 403, 403),
            ("admin", "prod/admin", 201, 201, 202),
        ):
            assert [pushed(registry, user, repo) for _ in range(2)] == [first, again], (user, repo)
            assert registry.status("DELETE", f"/v2/{repo}/manifests/v1", who(user)) == delete, (user, repo)
        told = registry.ask("PUT", "/v2/prod/app/manifests/v1", who("alice"), b"{}")[2]
        assert "prod pushes must use digest references" in json.loads(told)["errors"][0]["detail"]["reason"]


def test_each_sub_path_keeps_its_bytes_below_its_own_root(tmp_path: Path) -> None:
    with acting("config-multiple.json", tmp_path) as registry:
        for repo, folder in (("any/app", ""), ("a/app", "a"), ("b/app", "b"), ("c/app", "c")):
            blob = f"bytes of {repo}".encode()
            digest = digest_of(blob)
            assert registry.status("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", None, blob) == 201
            assert registry.ask("GET", f"/v2/{repo}/blobs/{digest}")[2] == blob
            roots = {one.name for one in (tmp_path / "data").iterdir()}
            found = [path for path in (tmp_path / "data").rglob("*") if digest.partition(":")[2] in path.name]
            assert [path.relative_to(tmp_path / "data").parts[0] for path in found] == [rooted(folder)], roots


def rooted(folder: str) -> str:
    return f"storage-{folder}" if folder else "storage"


def test_tokens_of_another_service_open_what_they_say(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    files = {"auth.crt": key.public_key().public_bytes(*form)}
    access = [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]

    def token(signed_by: ec.EllipticCurvePrivateKey) -> dict[str, str]:
        # Far in the future: a machine's clock is no part of this.
        claims = {"aud": "myauth", "sub": "ann", "exp": 4_000_000_000, "access": access}
        return {"Authorization": f"Bearer {jwt.encode(claims, signed_by, 'ES256')}"}

    with acting("config-bearer-auth.json", tmp_path, files) as registry:
        status, headers, _ = registry.ask("GET", "/v2/team/app/tags/list")
        assert status == 401
        assert headers["www-authenticate"].startswith(
            'Bearer realm="https://auth.myreg.io/auth/token",service="myauth"'
        )
        assert push(registry, token(key), "team/app", "v1")[0] == 201
        assert registry.status("GET", "/v2/team/other/tags/list", token(key)) == 401
        assert registry.status("GET", "/v2/team/app/tags/list", token(ec.generate_private_key(ec.SECP256R1()))) == 401


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("config-metrics.json", (200, 200)),
        ("config-metrics-authn-anonymous-access.json", (200, 200)),
        ("config-metrics-authz.json", (401, 403)),
    ],
)
def test_metrics_are_read_by_whom_they_are_meant_for(tmp_path: Path, name: str, statuses: tuple[int, int]) -> None:
    """Nobody in particular, and somebody else than the one who is named."""
    names = {"htpasswd": everybody("metrics", "ann"), "zot-test-htpasswd": everybody("metrics", "ann")}
    with acting(name, tmp_path, names) as registry:
        knows_users = name != "config-metrics.json"
        assert registry.status("GET", "/metrics") == statuses[0]
        assert registry.status("GET", "/metrics", who("ann") if knows_users else None) == statuses[1]
        if knows_users:
            status, _, body = registry.ask("GET", "/metrics", who("metrics"))
            assert (status, b"http_requests" in body) == (200, True)


def test_more_requests_than_the_rate_are_put_off(tmp_path: Path) -> None:
    with acting("config-ratelimit.json", tmp_path) as registry:
        answers = [registry.ask("GET", "/v2/") for _ in range(30)]
        late = [headers for status, headers, _ in answers if status == 429]
        assert late
        assert all(int(headers["retry-after"]) >= 1 for headers in late)
        assert {status for status, _, _ in answers} == {200, 429}


@pytest.mark.parametrize("name", ["config-example.json", "config-example.yaml"])
def test_users_of_the_file_get_in_by_https_while_the_directory_is_away(tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path / "authority")
    shown = authority.server()
    files = {
        "server.cert": shown.certificate.read_bytes(),
        "server.key": shown.key.read_bytes(),
        "htpasswd": everybody("ann"),
    }
    # Nobody is to be asked but this machine, where nobody listens.
    away = {"http.auth.ldap.address": "127.0.0.1", "http.auth.ldap.port": 1, "http.auth.faildelay": 1}
    with acting(name, tmp_path, files, away, trust=authority.trust) as registry:
        assert registry.status("GET", "/v2/") == 401
        assert registry.status("GET", "/v2/", who("ann")) == 200
        assert registry.status("GET", "/v2/", basic("ann", "another word")) == 503
