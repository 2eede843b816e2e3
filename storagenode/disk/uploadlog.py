"""Whose the uploads are: one line for each that was begun, and for each change since, in one file. The last line counts.

A line is appended once the upload's file is there, and before anybody is told its id; another one before a writer that brings a
higher fence writes its first byte. Nothing of it is durable: a power cut may
take lines, and then those uploads are unknown and their clients begin again. Lines of uploads that have ended stay until there are
too many; then the log is written anew with those that go on. A line that cannot be read is one that was cut off; it is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Final

from storagenode.disk.tree import is_upload_id
from storagenode.store import UploadRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree

# Some megabytes: read in a moment at the start, and written anew a few times an hour on a busy node.
_MOST_LINES: Final = 20_000


class UploadLog:
    """The log of one data directory. Safe for many threads; ``read`` and ``rewrite`` come first, once."""

    def __init__(self, tree: Tree, files: Files, most_lines: int = _MOST_LINES) -> None:
        self._tree = tree
        self._files = files
        self._most_lines = most_lines
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._end_bytes = 0
        self._lines = 0

    def note(self, record: UploadRecord) -> None:
        """Remember an upload whose file is there, as it is now. Raises StorageFullError, UnavailableError."""
        line = _encode(record)
        with self._lock:
            if self._lines >= self._most_lines:
                self._rewrite(self._going_on())
            if self._descriptor is None:
                self._rewrite([])
            self._files.write(self._descriptor or 0, line, self._end_bytes)
            self._end_bytes += len(line)
            self._lines += 1

    def read(self) -> list[UploadRecord]:
        """What the log of a former process says, each upload once; it may name some that have ended."""
        try:
            with open(self._tree.upload_log, "rb") as file:
                records = [record for line in file if (record := _decode(line))]
        except FileNotFoundError:
            return []
        return list({record.upload_id: record for record in records}.values())

    def rewrite(self, records: Iterable[UploadRecord]) -> None:
        """Only these, from here on. A process that dies here leaves the log as it was."""
        with self._lock:
            self._rewrite(records)

    def _going_on(self) -> list[UploadRecord]:
        there = {name.partition(".")[0] for name in os.listdir(self._tree.staging)}
        return [record for record in self.read() if record.upload_id in there]

    def _rewrite(self, records: Iterable[UploadRecord]) -> None:
        lines = [_encode(record) for record in records]
        temporary = f"{self._tree.upload_log}.new"
        self._files.unlink(temporary)
        descriptor = self._files.create(temporary)
        try:
            if lines:
                self._files.write(descriptor, b"".join(lines), 0)
            self._files.rename(temporary, self._tree.upload_log)
        except BaseException:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor, self._end_bytes, self._lines = descriptor, sum(map(len, lines)), len(lines)

    def close(self) -> None:
        """Until the next line."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _encode(record: UploadRecord) -> bytes:
    fields = {
        "id": record.upload_id,
        "repository": record.repository,
        "principal": record.principal,
        "algorithm": record.algorithm,
        "fence": record.fence,
    }
    return json.dumps(fields).encode() + b"\n"


def _decode(line: bytes) -> UploadRecord | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        fields = json.loads(line)
        fence = int(fields.get("fence", 0))  # a node of an older version noted none
        record = UploadRecord(fields["id"], fields["repository"], fields["principal"], fields["algorithm"], fence)
        if is_upload_id(record.upload_id):
            return record
    return None
