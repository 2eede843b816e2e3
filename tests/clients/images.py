"""Images of a given shape as OCI layouts on disk, for any client to push.

Promises: equal shapes give equal bytes, so equal digests, on any machine; standard library only; constant memory.
Layers hold one pseudo-random file each. Compression is by stored blocks (gzip, zstd), because the tests want bytes on the wire, not
small ones: RFC 1952 and RFC 8878, raw blocks.
"""

from __future__ import annotations

import hashlib
import json
import random
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
KIB: Final = 1024
MIB: Final = 1024 * KIB
_PIECE_BYTES: Final = MIB
_CREATED: Final = "2024-01-01T00:00:00Z"
_CREATED_SECONDS: Final = 1704067200
# RFC 8878, 3.1.1.2.3: no block may be larger; the window below is as large.
_ZSTD_BLOCK_BYTES: Final = 128 * KIB
# Magic number; a frame header without content size or checksum; a window of 128 KiB (3.1.1.1.2: exponent 7 above 10).
_ZSTD_HEADER: Final = b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3])


class Packer(Protocol):
    """The part of zlib's compression objects that is used here."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Plain:
    """No compression at all."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class StoredZstd:
    """A zstd frame of raw blocks: any decoder takes it, and no library is needed to make it."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        self._pending += data
        out = bytearray() if self._begun else bytearray(_ZSTD_HEADER)
        self._begun = True
        while len(self._pending) > _ZSTD_BLOCK_BYTES:
            out += self._block(_ZSTD_BLOCK_BYTES, last=False)
        return bytes(out)

    def flush(self) -> bytes:
        return self.compress(b"") + self._block(len(self._pending), last=True)

    def _block(self, size_bytes: int, *, last: bool) -> bytes:
        body = bytes(self._pending[:size_bytes])
        del self._pending[:size_bytes]
        # 3.1.1.2: last flag, two bits of type (0: raw), size.
        return (size_bytes << 3 | last).to_bytes(3, "little") + body


def _packer(compression: str) -> Packer:
    match compression:
        case "gzip":
            return zlib.compressobj(0, zlib.DEFLATED, 31)
        case "zstd":
            return StoredZstd()
        case _:
            return Plain()


@dataclass(frozen=True, slots=True)
class Shape:
    """What an image is made of. ``shared`` first layers come from the seed alone, so that images with other names have them too."""

    name: str
    layers: int = 2
    layer_bytes: int = 16 * KIB
    shared: int = 0
    compression: str = "gzip"
    platform: str = "linux/amd64"
    # More than none makes an index of them.
    platforms: tuple[str, ...] = ()
    seed: str = "holdfast"
    # A static program as first layer: then `docker run` works.
    program: Path | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer on disk: digest of the stored bytes, digest of the tar stream inside, size of the stored bytes."""

    digest: str
    diff_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """A written image: its layout, the tag in it, and what a registry should hold afterwards."""

    layout: Path
    tag: str
    digest: str
    layers: tuple[Layer, ...]

    @property
    def oci(self) -> str:
        """How skopeo, podman and buildah name it."""
        return f"oci:{self.layout}:{self.tag}"


def write(layout: Path, shape: Shape, tag: str = "v1") -> Image:
    """Write an image of this shape to a new layout."""
    blobs = _begin(layout)
    written = [_platform(blobs, shape, platform) for platform in shape.platforms or (shape.platform,)]
    if shape.platforms:
        top = _put(blobs, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [d for d, _ in written]}, INDEX)
    else:
        top = {key: value for key, value in written[0][0].items() if key != "platform"}
    return _end(layout, top, [layer for _, layers in written for layer in layers], tag)


def write_sparse(layout: Path, layer_bytes: int, tag: str = "v1") -> Image:
    """An image whose one uncompressed layer is ``layer_bytes`` of zeros in a file with holes: cheap to keep, dear to send."""
    blobs = _begin(layout)
    unnamed = blobs / "unnamed"
    with unnamed.open("wb") as out:
        out.write(_header("zeros", layer_bytes - 3 * tarfile.BLOCKSIZE))  # and two blocks of zeros end a tar file
        out.truncate(layer_bytes)
    digest = f"sha256:{_hash_file(unnamed)}"
    unnamed.rename(blobs / digest.removeprefix("sha256:"))
    layer = Layer(digest, digest, layer_bytes)
    shape = Shape("sparse", compression="none")
    top = _manifest(blobs, shape, {"os": "linux", "architecture": "amd64"}, [layer])
    return _end(layout, top, [layer], tag)


def _begin(layout: Path) -> Path:
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    return blobs


def _end(layout: Path, top: dict[str, Any], layers: list[Layer], tag: str) -> Image:
    named = top | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}
    (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return Image(layout, tag, top["digest"], tuple(layers))


def _platform(blobs: Path, shape: Shape, platform: str) -> tuple[dict[str, Any], list[Layer]]:
    system, architecture, *variant = platform.split("/")
    described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
    layers = [_layer(blobs, shape, _program_tar(shape.program))] if shape.program else []
    for number in range(shape.layers):
        owner = "shared" if number < shape.shared else f"{shape.name}/{platform}"
        tar = _random_tar(f"{shape.seed}/{owner}/{number}", number, shape.layer_bytes)
        layers.append(_layer(blobs, shape, tar))
    return _manifest(blobs, shape, described, layers) | {"platform": described}, layers


def _manifest(blobs: Path, shape: Shape, described: dict[str, str], layers: list[Layer]) -> dict[str, Any]:
    config = _put(blobs, _config(shape, described, layers), CONFIG)
    kind = LAYER + {"gzip": "+gzip", "zstd": "+zstd"}.get(shape.compression, "")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [{"mediaType": kind, "digest": layer.digest, "size": layer.size_bytes} for layer in layers],
    }
    return _put(blobs, manifest, MANIFEST)


def _config(shape: Shape, described: dict[str, str], layers: list[Layer]) -> dict[str, Any]:
    return {
        "created": _CREATED,
        **described,
        "config": {"Cmd": ["/bin/busybox", "echo", shape.name], "Labels": {"name": shape.name}},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": _CREATED, "created_by": f"layer {number}"} for number in range(len(layers))],
    }


def _put(blobs: Path, record: dict[str, Any], media_type: str) -> dict[str, Any]:
    data = json.dumps(record, separators=(",", ":")).encode()
    encoded = hashlib.sha256(data).hexdigest()
    (blobs / encoded).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{encoded}", "size": len(data)}


def _layer(blobs: Path, shape: Shape, tar: Iterator[bytes]) -> Layer:
    inside, outside, size_bytes = hashlib.sha256(), hashlib.sha256(), 0
    packer, unnamed = _packer(shape.compression), blobs / "unnamed"
    with unnamed.open("wb") as out:

        def keep(data: bytes) -> None:
            nonlocal size_bytes
            size_bytes += len(data)
            outside.update(data)
            out.write(data)

        for piece in tar:
            inside.update(piece)
            keep(packer.compress(piece))
        keep(packer.flush())
    unnamed.rename(blobs / outside.hexdigest())
    return Layer(f"sha256:{outside.hexdigest()}", f"sha256:{inside.hexdigest()}", size_bytes)


def _random_tar(seed: str, number: int, size_bytes: int) -> Iterator[bytes]:
    source = random.Random(seed)
    yield _header(f"layer-{number:03d}", size_bytes)
    for start in range(0, size_bytes, _PIECE_BYTES):
        yield source.randbytes(min(_PIECE_BYTES, size_bytes - start))
    yield bytes(-size_bytes % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)


def _program_tar(program: Path) -> Iterator[bytes]:
    data = program.read_bytes()
    folder = tarfile.TarInfo("bin/")
    folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, _CREATED_SECONDS
    yield folder.tobuf(tarfile.PAX_FORMAT) + _header(f"bin/{program.name}", len(data), 0o755) + data
    yield bytes(-len(data) % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size_bytes: int, mode: int = 0o644) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size_bytes, mode, _CREATED_SECONDS
    return info.tobuf(tarfile.PAX_FORMAT)


def _hash_file(path: Path) -> str:
    with path.open("rb", buffering=0) as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
