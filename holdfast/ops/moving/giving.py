"""Files that become the bytes of uploads by a further name, so that nothing is copied: on one machine, on one file system.

    upload begun by the API ──▶ the file gets a name beside the upload ──▶ the node opens it there, hashes it ──▶ closed by the API

Promises: rights, quotas and the comparison with the digest are those of every push; only the bytes do not travel. Where the file
system does not allow it, they do. Whoever may not write to the node's own directory cannot have anything taken: no path is told to
the node.

Never: changes the file, or leaves the further name behind when the node did not take it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import HoldfastError, RequestInvalidError, UpstreamUnavailableError
from holdfast.ops import console
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.rpc.node import GivenPlace, LocalBlob, UploadState, Want

# Another file system; files of others, which the kernel protects; a file system without links. None of them will change.
_NEVER: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP})


class Taking(Protocol):
    """The node that takes files."""

    def offer_place(self, upload_id: str) -> GivenPlace | None: ...

    def adopt(self, upload_id: str) -> UploadState: ...

    def open_blob(self, want: Want) -> LocalBlob | None: ...


class Giving:
    """Shared by threads."""

    def __init__(self, node: Taking) -> None:
        self._node = node
        self._is_possible = True

    def give(self, descriptor: int, upload: str) -> bool:
        """Have an open file become all bytes of the upload with this address; False: send them.

        Raises:
            UpstreamUnavailableError: the node did not say whether it took it.
        """
        if not self._is_possible:
            return False
        upload_id = upload.partition("?")[0].rpartition("/")[2]
        place = self._placed(descriptor, upload_id)
        if place is None:
            return False
        try:
            self._node.adopt(upload_id)
        except RequestInvalidError:
            with contextlib.suppress(OSError):
                os.unlink(f"{place.directory}/{place.name}")  # noqa: PTH108 - a name, not a Path
            return False
        except HoldfastError as error:
            # Whether it took the file is not known. What is left of it ends with the upload.
            raise UpstreamUnavailableError(
                f"the storage node did not say whether it took a file: {error.message}"
            ) from error
        return True

    def open_blob(self, want: Want) -> LocalBlob | None:
        """The file of a blob; None: the node is not here. Raises MissingError, CorruptError, UnavailableError."""
        return self._node.open_blob(want)

    def _placed(self, descriptor: int, upload_id: str) -> GivenPlace | None:
        try:
            place = self._node.offer_place(upload_id)
        except HoldfastError:
            return None  # not this node's upload, or an older node
        if place is None or not self._linked(descriptor, place):
            return None
        return place

    def _linked(self, descriptor: int, place: GivenPlace) -> bool:
        try:
            directory = os.open(place.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return self._impossible("its directory cannot be entered from here")
        try:
            found = os.fstat(directory)
            if (found.st_dev, found.st_ino) != (place.device, place.inode):
                return self._impossible("it sees another file system")
            # By the descriptor: the name may lead elsewhere by now.
            os.link(f"/proc/self/fd/{descriptor}", place.name, dst_dir_fd=directory, follow_symlinks=True)
        except OSError as error:
            return self._impossible(error.strerror or str(error)) if error.errno in _NEVER else False
        finally:
            os.close(directory)
        return True

    def _impossible(self, why: str) -> bool:
        if self._is_possible:
            console.warn(f"no hard links ({why}); bytes are sent instead")
        self._is_possible = False
        return False


@contextlib.contextmanager
def reached(data: Path | None) -> Iterator[Giving | None]:
    """By the socket of the registry whose data directory this is; None: nothing is given.

    Raises:
        RequestInvalidError: no registry runs on it.
    """
    if data is None:
        yield None
        return
    socket = data.expanduser().absolute() / "run" / "node.sock"
    with contextlib.closing(GrpcNode(f"unix:{socket}", host_id=host_id())) as node:
        try:
            node.status()
        except HoldfastError as error:
            raise RequestInvalidError(
                f"--link {data}: no storage node answers there ({error.message}); it is storage.rootDirectory of a running"
                " `holdfast serve`"
            ) from error
        yield Giving(node)
