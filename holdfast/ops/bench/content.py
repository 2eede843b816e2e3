"""Content nobody has stored before.

A big blob is a file in the run's directory: written and synced once, then made new again by stamping 16 bytes into each
MiB. So a fresh digest costs one hash pass and leaves next to no dirty pages behind that would disturb what is measured.
With a seed the same sequence of calls gives the same digests; calls are made from one thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK_BYTES: Final = 1 << 20
_STAMP_BYTES: Final = 16
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes and their name. ``path`` is set for what lies in a file and is valid until the file is stamped again."""

    digest: Digest
    size_bytes: int
    data: bytes = field(default=b"", repr=False)
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest, ready to be put."""

    digest: Digest
    data: bytes = field(repr=False)


class Contents:
    """Makes content in ``directory``; random when ``seed`` is None."""

    def __init__(self, directory: Path, seed: int | None) -> None:
        self._directory = directory
        self._random = random.Random(seed if seed is not None else int.from_bytes(os.urandom(16)))  # noqa: S311 -- load, not secrets
        self._block = self._random.randbytes(_BLOCK_BYTES)
        self.run_name = f"{self._random.getrandbits(32):08x}"

    def small(self, size_bytes: int) -> Blob:
        """A blob in memory; for configs and layers of a few KiB."""
        data = self._random.randbytes(size_bytes)
        return Blob(digests.of(data), size_bytes, data)

    def fresh(self, slot: str, size_bytes: int) -> Blob:
        """A new blob in the file of that slot, which any earlier blob of the slot and size loses."""
        path = self._directory / f"{slot}-{size_bytes}"
        if not path.exists():
            self._write(path, size_bytes)
        stamp = self._random.randbytes(_STAMP_BYTES)
        hasher = hashlib.sha256()
        with path.open("r+b") as file:
            for offset in range(0, size_bytes, _BLOCK_BYTES):
                file.seek(offset)
                file.write((stamp + offset.to_bytes(8))[: size_bytes - offset])
            file.flush()
            file.seek(0)
            while part := file.read(_BLOCK_BYTES):
                hasher.update(part)
        return Blob(Digest("sha256", hasher.hexdigest()), size_bytes, path=path)

    def _write(self, path: Path, size_bytes: int) -> None:
        with path.open("xb") as file:
            for offset in range(0, size_bytes, _BLOCK_BYTES):
                file.write(memoryview(self._block)[: size_bytes - offset])
            file.flush()
            # Without this the kernel writes it back in the middle of somebody's measured fsync.
            os.fsync(file.fileno())

    def manifest(self, config: Blob, layers: tuple[Blob, ...]) -> Manifest:
        """An image of these blobs that differs from every other one by an annotation."""
        record = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config),
            "layers": [_descriptor(_LAYER_TYPE, layer) for layer in layers],
            "annotations": {"bench": self._random.randbytes(_STAMP_BYTES).hex()},
        }
        data = json.dumps(record, separators=(",", ":")).encode()
        return Manifest(digests.of(data), data)


def _descriptor(media_type: str, blob: Blob) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(blob.digest), "size": blob.size_bytes}
