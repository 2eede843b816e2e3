"""Fetches that are over, and whose end nobody wrote down: their keys go.

A worker that dies between storing a blob and ending its fetch leaves the key behind, and nobody would look at it again: whoever
asks for the blob next is served what is stored. So it is with an upload that was dropped when nobody had asked for it for long.

Promises
    * What can be gone on with stays: a fetch goes only when its storage node says that it does not know the upload, or when it
      names none. A node that does not answer says nothing.
    * A fetch that a living worker holds is that worker's to end; this one's own goes if no flight of it is in the air.

Never: drops an upload, or asks an upstream.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError, UploadUnknownError
from holdfast.rpc.node import UploadKey
from syncworker.aloft import OWNER, PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from holdfast.meta.fetches import Fetch, Fetches
    from syncworker.upstream.pace import Pause

_log: Final = logging.getLogger("holdfast.sync")

_EVERY_SECONDS: Final = 300.0


class Leftovers:
    """``ask`` looks for an upload and raises as ``ReplicaWriter.state``; ``is_flying``: this process fetches it."""

    def __init__(
        self, fetches: Fetches, ask: Callable[[UploadKey], object], is_flying: Callable[[Digest], bool]
    ) -> None:
        self._fetches = fetches
        self._ask = ask
        self._is_flying = is_flying

    def keep_tidy(self, pause: Pause) -> None:
        """Until ``pause`` returns something true: the process is about to end."""
        while not pause(_EVERY_SECONDS):
            try:
                self.round()
            except UnavailableError as error:
                _log.warning(
                    "fetches could not be tidied up; the next round tries again", extra={"reason": error.message}
                )

    def round(self) -> int:
        """How many went. Raises UnavailableError: the metadata did not answer."""
        return sum(self._is_over(fetch) and self._fetches.end(fetch) for fetch in self._fetches.unattended())

    def _is_over(self, fetch: Fetch) -> bool:
        if self._is_flying(fetch.digest):
            return False
        if not fetch.upload_id:
            return True
        try:
            self._ask(UploadKey(fetch.upload_id, OWNER, PRINCIPAL))
        except UploadUnknownError:
            return True
        except UnavailableError:
            return False
        return False
