"""What processes of one host count, put side by side in a directory, so that whichever of them is asked can tell of all.

    <directory>/<process>.json     what one process has counted since it began; written anew every second

Promises: a reader finds whole files or none; sums of processes that have ended stay, so that counters only grow; levels (how many
at this moment) of a process that is gone are not counted. What is being counted never waits for a file.

The directory is its maker's to empty before the first process starts. prometheus_client has a mode for several processes, too; it
costs 16 microseconds a request (two counters and a histogram, in files mapped into memory), which is a tenth of a manifest's.

Never: names of repositories or users among labels. A label has as many values as the program or its configuration knows.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Kind: TypeAlias = Literal["counter", "level", "histogram", "summary"]
Source: TypeAlias = "Callable[[], Iterable[Family]]"

_LOG: Final = logging.getLogger("holdfast.metrics")
_PERIOD_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """A measured thing. ``samples``: by the values of ``labels``, one number; of a summary count and sum; of a histogram the sum
    and how many fell below each of ``bounds``, and above the last, not cumulated.
    """

    kind: Kind
    name: str
    text: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    samples: dict[tuple[str, ...], list[float]] = field(default_factory=dict)

    def add(self, values: Sequence[str], numbers: Sequence[float]) -> None:
        key = tuple(values)
        standing = self.samples.get(key)
        self.samples[key] = [a + b for a, b in zip(standing, numbers, strict=True)] if standing else list(numbers)

    def written(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "text": self.text,
            "labels": self.labels,
            "bounds": self.bounds,
            "samples": [[list(values), numbers] for values, numbers in self.samples.items()],
        }

    @classmethod
    def read(cls, written: dict[str, Any]) -> Family:
        found = cls(
            written["kind"], written["name"], written["text"], tuple(written["labels"]), tuple(written["bounds"])
        )
        for values, numbers in written["samples"]:
            found.add(values, numbers)
        return found


class Meters:
    """This process's file. ``name`` is no other process's, not even of one that has ended."""

    def __init__(self, directory: Path, name: str, sources: Sequence[Source]) -> None:
        self._directory = directory
        self._path = directory / f"{name}.json"
        self._sources = sources
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meters", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """With the last numbers in the file."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def save(self) -> None:
        """A disk that is full, or a directory that is gone, costs these numbers and nothing else."""
        families = [family.written() for source in self._sources for family in source()]
        with self._lock, contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps({"pid": os.getpid(), "families": families}))
            fresh.replace(self._path)

    def together(self) -> list[Family]:
        """Of all processes, by name; this one's as of now."""
        self.save()
        return merged(self._directory)

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self._try_to_save()
        self._try_to_save()

    def _try_to_save(self) -> None:
        try:
            self.save()
        except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
            _LOG.exception("numbers for metrics were not written; they are tried again")


def merged(directory: Path) -> list[Family]:
    """Everything in the directory, one family a name."""
    found: dict[str, Family] = {}
    for path in sorted(directory.glob("*.json")):
        try:
            written = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        lives = _lives(written["pid"])
        for family in map(Family.read, written["families"]):
            total = found.setdefault(
                family.name, Family(family.kind, family.name, family.text, family.labels, family.bounds)
            )
            # Programs of two versions may measure differently while one replaces the other.
            if (family.kind, family.labels, family.bounds) != (total.kind, total.labels, total.bounds):
                continue
            if family.kind != "level" or lives:
                for values, numbers in family.samples.items():
                    total.add(values, numbers)
    return sorted(found.values(), key=lambda family: family.name)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def emptied(directory: Path) -> Path:
    """Before the first process that counts is started. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in [*directory.glob("*.json"), *directory.glob("*.new")]:
        path.unlink(missing_ok=True)
    return directory
