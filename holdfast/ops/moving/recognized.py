"""What somebody wants to move: a directory by what lies in it, or a registry by its address.

DIR/oci-layout                            an OCI layout: one repository
DIR/docker/registry/v2/repositories       distribution's root (or a directory inside it, down to v2)
DIR/<repository>/oci-layout, anywhere     zot's root
anything else                             a registry's address
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import names
from holdfast.errors import NameInvalidError, RequestInvalidError
from holdfast.ops.moving.distribution import BELOW, Distribution
from holdfast.ops.moving.folder import Folder
from holdfast.ops.moving.layouts import MARK, Layouts, zot_places

if TYPE_CHECKING:
    from holdfast.ops.moving.sources import Source


def is_directory(text: str) -> bool:
    """Whether a directory is meant: there is one, or it is written as a path, or what comes first in it is no host's name."""
    if "://" in text:
        return False
    first = text.partition("/")[0]
    return (
        Path(text).is_dir()
        or first in {"", ".", "..", "~"}
        or not ("." in first or ":" in first or first == "localhost")
    )


def directory(path: Path, name: str) -> tuple[Source, tuple[str, ...]]:
    """What lies in a directory, and what of it is not looked at. ``name``: of the repository that a lone OCI layout is.

    Raises:
        RequestInvalidError: it cannot be read, or is nothing of the kind.
    """
    folder = Folder(path)
    for top in (BELOW, BELOW[1:], BELOW[2:], ()):
        if folder.directories(*top, "repositories") and folder.directories(*top, "blobs"):
            links = folder.links(*top, "repositories")
            return Distribution(folder, top), tuple(f"{name} is a link and is not followed" for name in links)
    if folder.has(MARK):
        return Layouts(folder, {_repository(name or path.resolve().name, is_given=bool(name)): ()}), ()
    places, notes = zot_places(folder)
    if not places:
        folder.close()
        raise RequestInvalidError(
            f"{path} holds nothing that is known: neither an OCI layout ({MARK}), nor zot's root (OCI layouts below it), nor"
            " distribution's (docker/registry/v2)"
        )
    return Layouts(folder, places), notes


def _repository(text: str, *, is_given: bool) -> names.Repository:
    try:
        return names.repository(text)
    except NameInvalidError as error:
        where = "" if is_given else "; name the repository by --name"
        raise RequestInvalidError(f"{text!r}: {error.message}{where}") from error
