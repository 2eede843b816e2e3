"""An OCI layout that is written: one directory for each repository, as zot has them (image-spec, image-layout.md).

Promises
    * A file has its final name only when it is whole, has its digest, and is durable. What has its final name is not written again.
    * index.json comes last, in one step. Names and manifests that it had before stay, but for tags that are set anew.

Never: removes anything.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from holdfast import digest as digests
from holdfast.errors import CorruptError, RequestInvalidError, UnavailableError
from holdfast.manifest import OCI_INDEX
from holdfast.ops.moving.layouts import INDEX, MARK, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from holdfast.digest import Digest
    from holdfast.names import Tag
    from holdfast.ops.moving.trees import Node

_VERSION: Final = '{"imageLayoutVersion": "1.0.0"}'
_BUFFER_BYTES: Final = 1 << 20


class Shelf:
    """The layout in ``path``. Files of different digests may be stored by several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, digest: Digest, size_bytes: int) -> bool:
        """Whether a file of this length has the name: whoever gave it that name has compared its bytes."""
        try:
            return self._file(digest).stat().st_size == size_bytes
        except FileNotFoundError:
            return False

    def store(self, digest: Digest, pieces: Iterable[bytes]) -> None:
        """Raises CorruptError: other bytes. UnavailableError: the disk refuses. Whatever ``pieces`` raises."""
        hasher = digests.algorithm(digest.algorithm).new()
        with self._begun(digest) as (part, file):
            for piece in pieces:
                hasher.update(piece)
                file.write(piece)
            _require(hasher.hexdigest(), digest)
            file.flush()
            os.fsync(file.fileno())
            part.replace(self._file(digest))

    def link(self, digest: Digest, descriptor: int) -> bool:
        """Give an open file a further name here; False: the file system does not allow it, or another file has the name (which
        ``store`` replaces). Raises CorruptError: other bytes.
        """
        hasher = digests.algorithm(digest.algorithm).new()
        at_bytes = 0
        while piece := os.pread(descriptor, _BUFFER_BYTES, at_bytes):
            hasher.update(piece)
            at_bytes += len(piece)
        _require(hasher.hexdigest(), digest)
        target = self._file(digest)
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"/proc/self/fd/{descriptor}", target.name, dst_dir_fd=directory, follow_symlinks=True)
        except OSError:
            return False
        finally:
            os.close(directory)
        return True

    def close(self, tags: Mapping[Tag, Node], untagged: Iterable[Node]) -> None:
        """Write what makes a layout of it. Raises RequestInvalidError: what is there is no layout. UnavailableError."""
        with _translated(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            entries = self._kept(set(tags))
            entries += [_described(node, tag) for tag, node in tags.items()]
            known = {entry.get("digest") for entry in entries}
            entries += [_described(node) for node in untagged if str(node.digest) not in known]
            record = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
            for directory in (*(self.path / "blobs").glob("*"), self.path / "blobs", self.path):
                if directory.is_dir():
                    _sync(directory)
            self._write(MARK, _VERSION)
            self._write(INDEX, json.dumps(record, indent=1))
            _sync(self.path)

    def _kept(self, replaced: set[Tag]) -> list[dict[str, Any]]:
        try:
            found = json.loads((self.path / INDEX).read_text(encoding="utf-8"))
            entries = found["manifests"]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise RequestInvalidError(f"{self.path / INDEX} is no image index; move it away") from error
        return [entry for entry in entries if (entry.get("annotations") or {}).get(REF_NAME) not in replaced]

    def _write(self, name: str, text: str) -> None:
        part = self.path / f".{name}.part"
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / name)

    @contextlib.contextmanager
    def _begun(self, digest: Digest) -> Iterator[tuple[Path, Any]]:
        target = self._file(digest)
        part = target.parent / f".{target.name}.part"
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb", buffering=0) as file:
                yield part, file

    def _file(self, digest: Digest) -> Path:
        return self.path / "blobs" / digest.algorithm / digest.encoded


def _described(node: Node, tag: Tag | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": node.media_type, "digest": str(node.digest), "size": node.size_bytes}
    return found | {"annotations": {REF_NAME: tag}} if tag is not None else found


def _require(hexdigest: str, digest: Digest) -> None:
    if hexdigest != digest.encoded:
        raise CorruptError(f"other bytes came for {digest}")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
