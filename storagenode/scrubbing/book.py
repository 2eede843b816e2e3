"""``scrub.json``: how far the node is with reading its copies, so that one which restarts often still gets around, and its report.

Written in place of what was there, durably; a process that dies at it leaves the former place. A file that does not parse begins a
round anew: nothing rests on it but that.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError
from holdfast.meta import scrubs
from holdfast.meta.scrubs import Report
from storagenode.disk.identity import write_record

if TYPE_CHECKING:
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree

_LOG: Final = logging.getLogger("holdfast.scrub")


@dataclass(frozen=True, slots=True)
class Place:
    """Everything before ``partition`` was read, and of that all digests up to ``after``, by their text."""

    partition: int = 0
    after: str = ""


class ScrubBook:
    """For one thread."""

    def __init__(self, tree: Tree, files: Files) -> None:
        self._tree = tree
        self._files = files

    def load(self) -> tuple[Place, Report]:
        try:
            record = json.loads(Path(self._tree.scrub_file).read_text(encoding="utf-8"))
            return Place(int(record["partition"]), str(record["after"])), scrubs.from_json(record["report"])
        except FileNotFoundError:
            return Place(), Report()
        except (ValueError, KeyError, TypeError, CorruptError) as error:
            _LOG.warning("how far a scrub was cannot be read; it begins anew", extra={"reason": str(error)})
            return Place(), Report()

    def save(self, place: Place, report: Report) -> None:
        """Raises UnavailableError."""
        record = {"partition": place.partition, "after": place.after, "report": scrubs.as_json(report)}
        write_record(self._tree, self._files, self._tree.scrub_file, record)
