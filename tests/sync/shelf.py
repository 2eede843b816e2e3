"""A ``Stock`` that can be looked through: it lists its repositories, their tags and what refers to an image.

with Shelf().serving() as shelf:
    shelf.image("team/app", "v1", layer)
    shelf.index("team/app", "multi", {"linux/amd64": layer, "linux/arm64": other})
    shelf.refer("team/app", "v1", signature, kind="application/vnd.dev.cosign.artifact.sig.v1+json")
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sync.peers import OCI, OCI_INDEX, described, digest_of, image
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sync.hostile import Call


@dataclass
class Shelf(Stock):
    has_catalog: bool = True

    def keep(self, repository: str, manifest: bytes, *tags: str, blobs: tuple[bytes, ...] = ()) -> bytes:
        for blob in (*blobs, b"{}"):
            self.blobs[f"{repository}/blobs/{digest_of(blob)}"] = blob
        for reference in (*tags, digest_of(manifest)):
            self.manifests[f"{repository}/manifests/{reference}"] = manifest
        return manifest

    def index(self, repository: str, tag: str, layers: Mapping[str, bytes]) -> bytes:
        """Have an image of several platforms."""
        children = []
        for platform, layer in layers.items():
            system, _, architecture = platform.partition("/")
            child = self.keep(repository, image(layer), blobs=(layer,))
            children.append(described(child, OCI, platform={"os": system, "architecture": architecture}))
        made = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self.keep(repository, json.dumps(made).encode(), tag)

    def refer(self, repository: str, tag: str, layer: bytes, kind: str) -> bytes:
        """Have something that refers to an image."""
        subject = described(self.manifests[f"{repository}/manifests/{tag}"], OCI)
        return self.keep(repository, image(layer, subject=subject, artifactType=kind), blobs=(layer,))

    def drop(self, repository: str, tag: str) -> None:
        del self.manifests[f"{repository}/manifests/{tag}"]

    def _answer(self, call: Call) -> None:
        name = call.path.removeprefix("/v2/")
        repository, _, rest = name.rpartition("/")
        if self.failing:
            call.answer(self.failing)
        elif name == "_catalog":
            if self.has_catalog:
                self._json(call, {"repositories": sorted({key.split("/manifests/")[0] for key in self.manifests})})
            else:
                call.answer(404)
        elif name.endswith("/tags/list"):
            self._tags(call, name.removesuffix("/tags/list"))
        elif repository.endswith("/referrers"):
            self._referrers(call, repository.removesuffix("/referrers"), rest)
        elif name in self.manifests:
            data = self.manifests[name]
            kind = json.loads(data)["mediaType"]
            call.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest_of(data))
        else:
            super()._answer(call)

    def _tags(self, call: Call, repository: str) -> None:
        start = f"{repository}/manifests/"
        references = [key.removeprefix(start) for key in self.manifests if key.startswith(start)]
        if not references:
            call.answer(404)
            return
        self._json(call, {"name": repository, "tags": sorted(one for one in references if ":" not in one)})

    def _referrers(self, call: Call, repository: str, subject: str) -> None:
        found = []
        for key, data in self.manifests.items():
            record = json.loads(data)
            if (
                key == f"{repository}/manifests/{digest_of(data)}"
                and record.get("subject", {}).get("digest") == subject
            ):
                found.append(described(data, record["mediaType"], artifactType=record["artifactType"]))
        self._json(call, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}, OCI_INDEX)

    def _json(self, call: Call, value: dict[str, Any], kind: str = "application/json") -> None:
        call.answer(200, json.dumps(value).encode(), Content_Type=kind)
