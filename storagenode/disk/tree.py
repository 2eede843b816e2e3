"""The one module that knows the disk tree of a storage node.

    <data directory>/
        node.json                      node id, cluster id, format version; written last at init, so it says that init is complete
        witness.json                   what the node left in the metadata last, to see whether that has gone back in time
        scrub.json                     how far the node is with reading its copies again, and what came of it
        rooms.json                     the node's further disks, if it has some: their names and what each is for
        backups/                       copies of the metadata, made now and then (holdfast/meta/keeping/file.py)
        lock                           held with flock while a process owns the directory
        blobs/<000..fff>/<algorithm>-<encoded>    verified, durable, never changed; the directory is the digest's partition
        staging/uploads                           whose uploads these are, a line for each that was begun
        staging/<upload id>.data.<n>              received bytes; only this process writes
        staging/<upload id>.lent.<n>              the same, handed out for the short-circuit write: another process may write
        staging/<upload id>.given.<n>             a file that also has a name elsewhere, given for an upload's bytes; nobody writes
        staging/put.<hex>                         a small blob on its way
        trash/<hex>-<algorithm>-<encoded>         deleted copies, emptied later
        quarantine/<hex>-<algorithm>-<encoded>    copies that are not what their name says, with a .json note each

A rename moves a file from staging to blobs, so all of it is one file system. No file holds an absolute path: the directory may
be moved. Never here: I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError

if TYPE_CHECKING:
    from holdfast.digest import Digest

PARTITIONS: Final = 4096
FORMAT_VERSION: Final = 1

_UPLOAD_ID: Final = re.compile(r"[a-z0-9]{1,32}-[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths under one data directory, given as an absolute path at start."""

    root: str

    @property
    def node_file(self) -> str:
        return f"{self.root}/node.json"

    @property
    def rooms_file(self) -> str:
        return f"{self.root}/rooms.json"

    @property
    def witness_file(self) -> str:
        return f"{self.root}/witness.json"

    @property
    def scrub_file(self) -> str:
        return f"{self.root}/scrub.json"

    @property
    def backups(self) -> str:
        return f"{self.root}/backups"

    @property
    def lock(self) -> str:
        return f"{self.root}/lock"

    @property
    def blobs(self) -> str:
        return f"{self.root}/blobs"

    @property
    def staging(self) -> str:
        return f"{self.root}/staging"

    @property
    def upload_log(self) -> str:
        return f"{self.root}/staging/uploads"

    @property
    def trash(self) -> str:
        return f"{self.root}/trash"

    @property
    def quarantine(self) -> str:
        return f"{self.root}/quarantine"

    def partition(self, number: int) -> str:
        return f"{self.root}/blobs/{number:03x}"

    def blob(self, digest: Digest) -> str:
        return f"{self.root}/blobs/{digest.partition:03x}/{blob_name(digest)}"

    def upload(self, upload_id: str) -> str:
        """What the names of an upload's files begin with. Only ids of our own making become part of a path."""
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise ValueError("not an upload id")
        return f"{self.root}/staging/{upload_id}"


def blob_name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.encoded}"


def is_upload_id(name: str) -> bool:
    return _UPLOAD_ID.fullmatch(name) is not None


def parse_blob_name(name: str) -> Digest | None:
    """The digest a file is named after, or None for a file that is not ours."""
    algorithm, dash, encoded = name.partition("-")
    try:
        return digests.parse(f"{algorithm}:{encoded}") if dash else None
    except DigestInvalidError:
        return None
