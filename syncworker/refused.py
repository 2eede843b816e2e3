"""What upstreams have just refused, so that clients that ask again do not make them refuse again.

    missing    for a few seconds: it may be pushed there at any moment
    wrong      for half a minute: bytes that do not have their digest are a fault that people mend

Promises: nothing is remembered of an upstream that could not be asked.

Never: remembers tags; ``tags`` does, by the rules of ``holdfast.mirrors.freshness``.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamMissingError, UpstreamWrongError
from holdfast.replicas.remembered import Remembered
from syncworker.signatures import UnsignedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.names import Repository

_log: Final = logging.getLogger("holdfast.sync")

_MISSING_SECONDS: Final = 5.0
_WRONG_SECONDS: Final = 30.0
_LIMIT: Final = 10_000


class Refused:
    """Of manifests, or of blobs. Shared by threads."""

    def __init__(self, clock: Clock) -> None:
        self._missing: Remembered[tuple[Repository, Digest], UpstreamMissingError] = Remembered(
            clock, _MISSING_SECONDS, _LIMIT
        )
        self._wrong: Remembered[tuple[Repository, Digest], UpstreamWrongError] = Remembered(
            clock, _WRONG_SECONDS, _LIMIT
        )

    @contextlib.contextmanager
    def remembering(self, repository: Repository, digest: Digest) -> Iterator[None]:
        """Around the asking.

        Raises:
            UpstreamMissingError, UpstreamWrongError: so it was a moment ago, and nobody is asked.
        """
        key = (repository, digest)
        missing, wrong = self._missing.get(key), self._wrong.get(key)
        # Errors are raised anew: one that is raised again gathers the frames of everybody who raised it.
        if missing is not None:
            raise UpstreamMissingError(missing.message, missing.detail)
        if wrong is not None:
            raise UpstreamWrongError(wrong.message, wrong.detail)
        try:
            yield
        except UnsignedError:
            raise  # whether it may come depends on what is stored by then
        except UpstreamMissingError as error:
            self._missing.put(key, UpstreamMissingError(error.message, error.detail))
            raise
        except UpstreamWrongError as error:
            self._wrong.put(key, UpstreamWrongError(error.message, error.detail))
            _log.error(
                "an upstream's answer cannot be used; nothing of it is kept",
                extra={"repository": repository, "digest": str(digest), "reason": error.message},
            )
            raise
