"""A disk that forgets: replays what programs did to files, and says what a power cut would leave. The worst that POSIX allows:

    - a file has the bytes that were written before its last fsync began, and none without one;
    - a directory has the entries that it had when its last fsync began, under the names of then;
    - both count from the moment at which the fsync returned.

Paths are relative to the root, which is there from the start. Bytes that nobody saw (splice) are kept as a length; what they were
is told by ``reveal`` when files are restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(eq=False, slots=True)
class File:
    """``pending`` is not on the disk yet: (offset, bytes), or (offset, length) of unseen bytes, or (size, None) of a cut."""

    content: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | int | None]] = field(default_factory=list)
    size_bytes: int = 0
    unseen: bool = False
    blob: str = ""

    def change(self, offset: int, data: bytes | int | None) -> None:
        length = 0 if data is None else data if isinstance(data, int) else len(data)
        self.size_bytes = offset if data is None else max(self.size_bytes, offset + length)
        self.unseen = self.unseen or isinstance(data, int)
        self.pending.append((offset, data))

    def settle(self, count: int) -> None:
        """The first ``count`` changes are on the disk."""
        for offset, data in self.pending[:count]:
            if data is None:
                del self.content[offset:]
                self.content.extend(bytes(offset - len(self.content)))
                continue
            new = bytes(data) if isinstance(data, int) else data
            self.content.extend(bytes(max(0, offset - len(self.content))))
            self.content[offset : offset + len(new)] = new
        del self.pending[:count]


@dataclass(eq=False, slots=True)
class Directory:
    """``entries`` as programs see them, ``durable`` as they are on the disk."""

    entries: dict[str, File | Directory] = field(default_factory=dict)
    durable: dict[str, File | Directory] = field(default_factory=dict)


class Disk:
    """Knows the present and what would survive."""

    def __init__(self) -> None:
        self.root = Directory()

    def at(self, path: str) -> File | Directory | None:
        found: File | Directory | None = self.root
        for name in filter(None, path.split("/")):
            found = found.entries.get(name) if isinstance(found, Directory) else None
        return found

    def _home(self, path: str) -> tuple[Directory, str]:
        parent, _, name = path.rpartition("/")
        home = self.at(parent)
        assert isinstance(home, Directory), f"{path} is in no directory that is known"
        return home, name

    def file(self, path: str) -> File:
        """The file, made if it is not there."""
        home, name = self._home(path)
        found = home.entries.setdefault(name, File())
        assert isinstance(found, File)
        return found

    def make_directory(self, path: str) -> None:
        home, name = self._home(path)
        home.entries[name] = Directory()

    def rename(self, source: str, target: str) -> None:
        home, name = self._home(source)
        there, new = self._home(target)
        moved = there.entries[new] = home.entries.pop(name)
        if isinstance(moved, File) and "/blobs/" in target:
            moved.blob = new

    def remove(self, path: str) -> None:
        home, name = self._home(path)
        home.entries.pop(name, None)

    def sync(self, path: str) -> Callable[[], None]:
        """An fsync has begun; call what this gives when it returns."""
        found = self.at(path)
        if isinstance(found, Directory):
            directory, entries = found, dict(found.entries)
            return lambda: setattr(directory, "durable", entries)
        if isinstance(found, File):
            file, count = found, len(found.pending)
            return lambda: file.settle(count)
        return lambda: None  # a file that has no name any more

    def survivors(self, target: Path, reveal: Callable[[str], bytes], luck: Callable[[], bool] = lambda: False) -> None:
        """Write what is left after a power cut now. ``reveal`` gives the bytes of a blob by its file name.

        ``luck`` says of each change that was not fsynced whether it came to the disk all the same.
        """
        target.mkdir()
        _restore(self.root, target, reveal, luck)


def _restore(directory: Directory, target: Path, reveal: Callable[[str], bytes], luck: Callable[[], bool]) -> None:
    for name in sorted({*directory.durable, *directory.entries}):
        found, now = directory.durable.get(name), directory.entries.get(name)
        if found is not now and luck():
            found = now
        path = target / name
        if isinstance(found, Directory):
            path.mkdir()
            _restore(found, path, reveal, luck)
        elif found is not None:
            path.write_bytes(_bytes(found, reveal, luck))


def _bytes(file: File, reveal: Callable[[str], bytes], luck: Callable[[], bool]) -> bytes:
    lucky = File(bytearray(file.content), [change for change in file.pending if luck()])
    lucky.settle(len(lucky.pending))
    if file.unseen and file.blob:
        return reveal(file.blob)[: len(lucky.content)]
    return bytes(lucky.content)
