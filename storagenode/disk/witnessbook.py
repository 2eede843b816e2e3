"""``witness.json``: what the node left in the metadata last. Implements ``holdfast.meta.witness.Book``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import RolledBackError
from holdfast.meta.witness import Memory
from storagenode.disk.identity import write_record

if TYPE_CHECKING:
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree


class WitnessBook:
    """For one thread."""

    def __init__(self, tree: Tree, files: Files) -> None:
        self._tree = tree
        self._files = files

    def load(self) -> Memory:
        """Raises RolledBackError: the file is damaged, so that nobody knows."""
        try:
            record = json.loads(Path(self._tree.witness_file).read_text(encoding="utf-8"))
            return Memory(tuple(map(str, record["known"])), str(record["doubted_at"]))
        except FileNotFoundError:
            return Memory()
        except (ValueError, KeyError, TypeError) as error:
            raise RolledBackError(
                f"{self._tree.witness_file} is damaged, so nobody knows whether the metadata is right; remove the file if it is"
            ) from error

    def save(self, memory: Memory) -> None:
        record = {"known": list(memory.known), "doubted_at": memory.doubted_at}
        write_record(self._tree, self._files, self._tree.witness_file, record)
