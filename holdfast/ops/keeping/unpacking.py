"""A backup as a store: in a file of its own that goes when the command ends."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.meta.keeping.restoring import restored
from holdfast.meta.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.meta.keeping.file import Backup


@contextlib.contextmanager
def unpacked(backup: Backup) -> Iterator[SqliteStore]:
    """In the directory for temporary files, for this user alone; it needs about three times the file's size there."""
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-restore-") as directory,
        contextlib.closing(SqliteStore(Path(directory) / "metadata.db", SystemClock())) as store,
    ):
        store.replace(restored(backup), backup.header.revision)
        yield store
