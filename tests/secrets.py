"""No log of a whole test run holds a secret: what tests know as one, and what looks like one.

    keep(word)            this is a secret from now on: as it is, and as part of Basic credentials
    require_none(place)   fails when a log below holds one

The hooks look at the logs of a test's own directory when it ends, and at all others when its module does; a server's directory is
looked at when it stops. What is read once is not read again. Logs of other programs are theirs.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_SHORTEST: Final = 8
_DEPTH: Final = 4
# More in one directory are blobs.
_CROWD: Final = 256
_OURS: Final = (b'"event": ', b'"by": ')
_PATTERNS: Final = {
    "Basic credentials": re.compile(rb"\bBasic [A-Za-z0-9+/]{8,}={0,2}"),
    "a token": re.compile(rb"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{16,}"),
    "a hash of a password": re.compile(rb"\$(2[aby]|5|6)\$(rounds=)?\d+\$"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY"),
}
_kept: set[bytes] = set()
_read_bytes: dict[tuple[str, int], int] = {}


def keep(word: str, user: str = "") -> None:
    """What is short would be found in innocent words; as part of credentials it counts all the same."""
    if len(word) >= _SHORTEST:
        _kept.add(word.encode())
    keep_credentials(user, word)


def keep_credentials(user: str, word: str) -> None:
    """As Basic sends them: the word alone may be one that anybody writes."""
    sent = base64.b64encode(f"{user}:{word}".encode(errors="surrogatepass")).rstrip(b"=")
    if user and len(sent) >= _SHORTEST:
        _kept.add(sent)


def require_none(place: Path) -> None:
    found = list(_found(place))
    assert not found, "a log holds a secret: " + "; ".join(found)


def _found(place: Path) -> Iterator[str]:
    for path in _logs(place, _DEPTH):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            for kind, line in _secrets_in(_new_in(path)):
                yield f"{path}: {kind} in {line[:60]!r}..."


def _new_in(path: Path) -> bytes:
    """What has been written since it was last read; nothing of what others wrote."""
    with path.open("rb") as file:
        key = (str(path), os.fstat(file.fileno()).st_ino)
        begin = file.read(4096)
        if not any(word in begin for word in _OURS):
            return b""
        file.seek(_read_bytes.get(key, 0))
        text = file.read()
    # A line that is not whole yet is read again.
    _read_bytes[key] = _read_bytes.get(key, 0) + text.rfind(b"\n") + 1
    return text


def _secrets_in(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The kind of each, and the beginning of its line up to it; never the secret."""
    matches = [(kind, match.start()) for kind, one in _PATTERNS.items() for match in one.finditer(text)]
    matches += [("what a test keeps secret", text.index(word)) for word in _kept if word in text]
    for kind, at in matches:
        yield kind, text[text.rfind(b"\n", 0, at) + 1 : at]


def _logs(place: Path, depth: int) -> Iterator[Path]:
    try:
        entries = list(os.scandir(place))
    except OSError:  # gone meanwhile, or somebody else's
        return
    if len(entries) > _CROWD:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _logs(Path(entry.path), depth - 1)
        elif (entry.name == "log" or entry.name.endswith(".log")) and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: Any, nextitem: Any) -> Generator[None, Any, Any]:
    own = item.funcargs.get("tmp_path")
    if own is not None:
        require_none(own)
    result = yield
    base = item.config._tmp_path_factory._basetemp
    if base is not None and (nextitem is None or nextitem.path != item.path):
        require_none(base)
    return result
