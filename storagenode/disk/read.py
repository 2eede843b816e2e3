"""Reading a stored copy, in messages of about 1 MiB.

A whole read is verified on the way and its last message is withheld until the digest is confirmed, so that wrong bytes never look
complete. A ranged read checks the size only. A copy found wrong is reported through ``corrupt`` before the error is raised.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.errors import CorruptError
from holdfast.rpc.methods import RAW_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest


def span(descriptor: int, offset_bytes: int, end_bytes: int, corrupt: Callable[[str], None]) -> Iterator[bytes]:
    """Bytes from ``offset_bytes`` to ``end_bytes``. Raises CorruptError if the file ends before, or the disk cannot read it."""
    while offset_bytes < end_bytes:
        try:
            data = os.pread(descriptor, min(RAW_MESSAGE_BYTES, end_bytes - offset_bytes), offset_bytes)
        except OSError as error:
            reason = f"the disk cannot read it: {error.strerror}"
            corrupt(reason)
            raise CorruptError(f"the copy is in quarantine now: {reason}") from error
        if not data:
            corrupt("it is shorter than it was")
            raise CorruptError("the copy is shorter than it was; it is in quarantine now")
        offset_bytes += len(data)
        yield data


def verified(descriptor: int, digest: Digest, size_bytes: int, corrupt: Callable[[str], None]) -> Iterator[bytes]:
    """All bytes; the last message only if they are the bytes of ``digest``."""
    hasher = digests.algorithm(digest.algorithm).new()
    held = b""
    for data in span(descriptor, 0, size_bytes, corrupt):
        if held:
            yield held
        hasher.update(data)
        held = data
    if hasher.hexdigest() != digest.encoded:
        corrupt("the bytes have another digest")
        raise CorruptError(
            "the copy's bytes are not those of its digest; it is in quarantine now", {"digest": str(digest)}
        )
    if held:
        yield held
