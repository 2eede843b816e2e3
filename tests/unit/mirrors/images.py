"""Manifests and indexes for tests, with the digests of their own bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from holdfast.digest import Digest

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def blob(name: str, media_type: str = LAYER, **keys: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(digests.of(name.encode())), "size": len(name), **keys}


def image(*layers: dict[str, Any], config: str = "config", **keys: Any) -> bytes:
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob(config, CONFIG), "layers": [*layers], **keys}
    return json.dumps(body).encode()


def child(data: bytes, platform: str | None = None, about: bytes | None = None, **keys: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": str(digests.of(data)), "size": len(data), **keys}
    if platform is not None:
        found["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    if about is not None:
        found["annotations"] = {"vnd.docker.reference.digest": str(digests.of(about))}
    return found


def index(*children: dict[str, Any], **keys: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*children], **keys}).encode()


def digest_of(name: str | bytes) -> Digest:
    return digests.of(name.encode() if isinstance(name, str) else name)
