"""Signatures as cosign lays them down: an image manifest under a tag made from the signed digest, and a bundle as referrer."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def upload(registry: Server, repository: str, data: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    status, _, body = registry.request(
        "POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data, {"Content-Type": "application/octet-stream"}
    )
    assert status == 201, body
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def put(registry: Server, repository: str, reference: str, manifest: dict[str, Any]) -> None:
    status, _, body = registry.request(
        "PUT", f"/v2/{repository}/manifests/{reference}", json.dumps(manifest).encode(), {"Content-Type": MANIFEST}
    )
    assert status == 201, body


def signature(registry: Server, repository: str, digest: str) -> dict[str, Any]:
    payload = json.dumps({"critical": {"image": {"docker-manifest-digest": digest}}, "optional": None}).encode()
    config = upload(registry, repository, b"{}", "application/vnd.oci.image.config.v1+json")
    layer = upload(registry, repository, payload, PAYLOAD)
    layer["annotations"] = {"dev.cosignproject.cosign/signature": "c2lnbmVk"}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}


def test_signature_tag_is_listed_read_and_copied_with_the_image(
    registry: Server, go_program: Callable[[str], Program], image: Callable[..., Image], repository: str
) -> None:
    crane, regctl = go_program("crane"), go_program("regctl")
    made, one, two = image(), f"{repository}/one", f"{repository}/two"
    regctl("image", "copy", f"ocidir://{made.layout}:v1", f"{registry.host}/{one}:v1")
    tag = made.digest.replace(":", "-") + ".sig"
    put(registry, one, tag, signature(registry, one, made.digest))
    assert crane("ls", f"{registry.host}/{one}").split() == [tag, "v1"]
    layer = json.loads(crane("manifest", f"{registry.host}/{one}:{tag}"))["layers"][0]
    assert made.digest in crane("blob", f"{registry.host}/{one}@{layer['digest']}")

    regctl("image", "copy", "--digest-tags", f"{registry.host}/{one}:v1", f"{registry.host}/{two}:v1")
    assert crane("ls", f"{registry.host}/{two}").split() == [tag, "v1"]


def test_bundle_with_a_subject_is_found_as_referrer(
    registry: Server, go_program: Callable[[str], Program], image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    regctl, oras = go_program("regctl"), go_program("oras")
    made, name = image(), f"{registry.host}/{repository}:v1"
    regctl("image", "copy", f"ocidir://{made.layout}:v1", name)
    size = int(registry.request("HEAD", f"/v2/{repository}/manifests/v1")[1]["content-length"])
    bundle = signature(registry, repository, made.digest) | {
        "artifactType": BUNDLE,
        "subject": {"mediaType": MANIFEST, "digest": made.digest, "size": size},
    }
    put(registry, repository, f"sha256:{hashlib.sha256(json.dumps(bundle).encode()).hexdigest()}", bundle)
    found = json.loads(oras("discover", "--plain-http", "--artifact-type", BUNDLE, "--format", "json", name))
    assert [r["artifactType"] for r in found["referrers"]] == [BUNDLE]
