"""An upstream: one entry of ``extensions.sync.registries``, its URLs asked in their order.

    what a URL answers          what is done
    unavailable                 again after a pause, a few times; then the next URL. One that is down is left alone for a while
    throttled                   again when it says, if that is soon; else it is left alone until then, and the next URL is asked
    missing, denied, wrong      the next URL

The error that is raised in the end is the one that leaves most open: unavailable (throttled before down) before wrong before denied
before missing. So "missing" means that every URL was asked and none has it; nobody may take a tag for gone for less.

A URL that gave wrong bytes for a digest is asked for that digest after all others, for a while.

Never: the same request to two URLs at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast import digest as digests
from holdfast.errors import (
    UpstreamDeniedError,
    UpstreamError,
    UpstreamMissingError,
    UpstreamThrottledError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from holdfast.replicas.remembered import Remembered
from syncworker.upstream.blobs import BlobStream, Resumption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest, Hasher
    from holdfast.names import Repository, Tag
    from syncworker.upstream.ledger import Ledger
    from syncworker.upstream.pace import Mark, Retry, Time
    from syncworker.upstream.parts import Part
    from syncworker.upstream.place import Origin
    from syncworker.upstream.registry import Reference, Registry
    from syncworker.upstream.values import Descriptor, Fetched

Result = TypeVar("Result")

_log: Final = logging.getLogger("syncworker.upstream")
_DOWN_SECONDS: Final = 30.0
_DISTRUST_SECONDS: Final = 600.0
_DISTRUST_LIMIT: Final = 10_000
# From what leaves least open to what leaves most.
_SEVERITY: Final = (
    UpstreamError,
    UpstreamMissingError,
    UpstreamDeniedError,
    UpstreamWrongError,
    UpstreamUnavailableError,
    UpstreamThrottledError,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One URL, the mark that tells whether it is left alone, and what it has answered lately."""

    registry: Registry
    mark: Mark
    ledger: Ledger


class Upstream:
    """Asks a registry and its mirrors. Shared by threads."""

    def __init__(self, lines: Sequence[Line], retry: Retry, time: Time) -> None:
        if not lines:
            raise ValueError("an upstream has at least one URL")
        self._lines = tuple(lines)
        self._retry = retry
        self._time = time
        self._distrusted: Remembered[tuple[Origin, Digest], bool] = Remembered(
            time.clock, _DISTRUST_SECONDS, _DISTRUST_LIMIT
        )

    @property
    def name(self) -> str:
        """Of the first URL's host, for logs and metrics."""
        return self._lines[0].registry.home.authority

    @property
    def lines(self) -> tuple[Line, ...]:
        """In the order in which they are asked."""
        return self._lines

    def head(self, repository: Repository, reference: Reference) -> Descriptor | None:
        """What a tag or digest stands for; None when no URL has it.

        Raises:
            UpstreamError: some URL could not be asked, or none gave an answer that can be used.
        """
        try:
            return self.ask(lambda registry: registry.head(repository, reference))
        except UpstreamMissingError:
            return None

    def manifest(self, repository: Repository, reference: Reference, if_digest: Digest | None = None) -> Fetched | None:
        """A manifest, verified; None when it still is the one with the digest ``if_digest``.

        Raises:
            UpstreamMissingError: no URL has it.
            UpstreamError: some URL could not be asked, or none gave an answer that can be used.
        """
        return self.ask(lambda registry: registry.manifest(repository, reference, if_digest))

    def blob(
        self,
        repository: Repository,
        digest: Digest,
        offset_bytes: int = 0,
        *,
        size_bytes: int | None = None,
        hasher: Hasher | None = None,
        verify: bool = True,
    ) -> BlobStream:
        """A blob's bytes from ``offset_bytes`` on. Other lengths than ``size_bytes`` are refused, if it is given.

        With ``verify`` the digest is compared here, for which ``hasher`` must have seen the bytes before the offset; without a
        hasher that is possible from offset 0 only. A receiver that hashes, as storage nodes do, saves that work by
        ``verify=False``. ``BlobStream.is_checked`` tells which it is.

        Raises:
            UpstreamError: as :meth:`manifest`.
        """
        if verify and hasher is None and offset_bytes == 0:
            hasher = digests.algorithm(digest.algorithm).new()

        def reopen(at_bytes: int) -> Part:
            return self.ask(lambda registry: registry.part(repository, digest, at_bytes), digest)

        resumption = Resumption(reopen, self._retry, self._time)
        return BlobStream(
            digest, reopen(offset_bytes), offset_bytes, size_bytes, hasher if verify else None, resumption
        )

    def distrust(self, stream: BlobStream) -> bool:
        """The bytes of a stream turned out to be wrong. Whether there is a URL that had no part in it."""
        for home in stream.homes:
            self._distrusted.put((home, stream.digest), value=True)
            _log.error(
                "a URL of an upstream gave wrong bytes, and is asked for them last from now on",
                extra={"upstream": home.authority, "digest": str(stream.digest)},
            )
        return any(not self._distrusts(line, stream.digest) for line in self._lines)

    def _distrusts(self, line: Line, digest: Digest) -> bool:
        return self._distrusted.get((line.registry.home, digest)) is not None

    def tags(self, repository: Repository) -> tuple[Tag, ...]:
        """All tags of a repository; raises as :meth:`manifest`."""
        return self.ask(lambda registry: registry.tags(repository))

    def catalog(self) -> tuple[Repository, ...]:
        """All repositories; raises as :meth:`manifest`. Many registries have no catalog, or keep it to themselves."""
        return self.ask(lambda registry: registry.catalog())

    def referrers(self, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to ``subject``; raises as :meth:`manifest`."""
        return self.ask(lambda registry: registry.referrers(repository, subject))

    def close(self) -> None:
        """Close idle connections; those that streams hold are closed with the streams."""
        for line in self._lines:
            line.registry.close()

    def ask(self, question: Callable[[Registry], Result], digest: Digest | None = None) -> Result:
        """The first answer that can be used; raises as :meth:`manifest`. ``digest``: of a blob, for which some URLs may be trusted
        less than others.
        """
        errors: list[UpstreamError] = []
        lines = self._lines
        if digest is not None and len(lines) > 1:
            lines = tuple(sorted(lines, key=lambda line: self._distrusts(line, digest)))
        for line in lines:
            try:
                return self._ask_one(line, question)
            except UpstreamError as error:
                errors.append(error)
                if not isinstance(error, UpstreamMissingError):
                    _log.warning(
                        "upstream gave no answer that can be used",
                        extra={"upstream": line.registry.home.authority, "reason": str(error)},
                    )
        try:
            raise max(errors, key=severity)
        finally:
            # An error that its own frame holds on to lives until the collector comes, and with it the socket it tells of.
            errors.clear()

    def _ask_one(self, line: Line, question: Callable[[Registry], Result]) -> Result:
        left_seconds = line.mark.left_seconds()
        if left_seconds:
            authority = line.registry.home.authority
            kind = UpstreamThrottledError if line.mark.is_throttled else UpstreamUnavailableError
            why = "as it asked for" if line.mark.is_throttled else "after it failed"
            raise kind(
                f"{authority} is left alone for another {left_seconds:.0f} s, {why}",
                {"upstream": authority, "retryAfter": max(1, round(left_seconds))},
            )
        failures = 0
        while True:
            try:
                result = question(line.registry)
            except UpstreamUnavailableError as error:
                line.ledger.failed(error.message)
                failures += 1
                pause_seconds = self._pause_seconds(error, failures)
                if pause_seconds is None:
                    self._mark(line, error)
                    raise
                self._time.pause(pause_seconds)
            except UpstreamMissingError:
                line.ledger.succeeded()
                raise
            except UpstreamError as error:
                line.ledger.failed(error.message)
                raise
            else:
                line.mark.clear()
                line.ledger.succeeded()
                return result

    def _pause_seconds(self, error: UpstreamUnavailableError, failures: int) -> float | None:
        """Before the next try; None when there is none."""
        return self._retry.next_pause_seconds(failures, told_seconds(error), self._time.die)

    def _mark(self, line: Line, error: UpstreamUnavailableError) -> None:
        told = told_seconds(error)
        is_down = isinstance(error.detail, dict) and error.detail.get("down") is True
        if told or is_down:
            throttled = isinstance(error, UpstreamThrottledError)
            line.mark.set(max(told, _DOWN_SECONDS if is_down else 0.0), throttled=throttled)


def told_seconds(error: UpstreamError) -> float:
    """What its Retry-After said; 0 without one."""
    value = error.detail.get("retryAfter") if isinstance(error.detail, dict) else None
    return float(value) if isinstance(value, int) else 0.0


def severity(error: UpstreamError) -> int:
    """How much an error leaves open; the higher, the more (see the module)."""
    return max(rank for rank, kind in enumerate(_SEVERITY) if isinstance(error, kind))
