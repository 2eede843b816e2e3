"""Images for tests that do not care what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.content import DataSet

if TYPE_CHECKING:
    from tests.conformance.oci import Client


def push_image(client: Client, repo: str, *tags: str) -> tuple[str, bytes]:
    """Digest and bytes of a manifest, pushed with all it needs."""
    data = DataSet()
    digest = data.add_image()["digest"]
    for blob, content in data.blobs.items():
        client.push_blob(repo, blob, content)
    for reference in (digest, *tags):
        assert client.put_manifest(repo, reference, data.manifests[digest]).status == 201
    return digest, data.manifests[digest]
