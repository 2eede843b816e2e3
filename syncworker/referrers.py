"""What refers to a manifest of a mirrored repository: signatures, attestations, bills of material.

Promises
    * What an upstream lists, by its referrers API or by the fallback tag, is stored when this returns: manifests, with
      ``origin=upstream``, not their blobs. Whoever lists afterwards finds it, also when the upstream is away.
    * The upstream is asked at most once in ``manifestCheckInterval`` for each subject, one caller at a time; for a few seconds not
      again after it had none, and for a growing hold after it failed. Meanwhile what is stored is the answer, with a warning after
      a failure. Without anything stored of the subject a failure is an error: "none" would be a claim.
    * What is gone upstream stays.

Never: fetches blobs; judges signatures.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamError, UpstreamMissingError, UpstreamWrongError
from holdfast.joined import Joined
from holdfast.mirrors.freshness import Failed, Rules, warning_of
from holdfast.rpc.sync import Listed
from syncworker.upstream.values import fallback_tag

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from syncworker.manifests import Manifests
    from syncworker.sources import Sources
    from syncworker.tags import Tags
    from syncworker.upstream.values import Descriptor

    Key = tuple[Repository, Digest]

_log: Final = logging.getLogger("holdfast.sync")

_PATIENCE_SECONDS: Final = 80.0
_LIMIT: Final = 20_000
# An image has a handful. Whoever attaches thousands to one does not make a client wait for all of them.
_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class _Known:
    """Until when nobody asks, and what is said meanwhile."""

    quiet_until_seconds: float
    failures: int = 0
    error: UpstreamError | None = None


class Referrers:
    """Shared by threads."""

    def __init__(self, repos: Repositories, manifests: Manifests, tags: Tags, sources: Sources, clock: Clock) -> None:
        self._repos = repos
        self._manifests = manifests
        self._tags = tags
        self._sources = sources
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._joined: Joined[Key, Listed] = Joined(_PATIENCE_SECONDS)

    def have(self, repository: Repository, subject: Digest) -> Listed:
        """See to it that they are stored.

        Raises:
            UpstreamMissingError: no upstream is asked for this repository. UpstreamError: nothing is known of the subject here, and
            the upstream cannot say. UnavailableError.
        """
        return self._joined.run((repository, subject), lambda: self._have((repository, subject)))

    def stored(self, repository: Repository, subject: Digest) -> list[Digest]:
        """Those that are here."""
        return self._repos.referrers(repository, subject)

    def _have(self, key: Key) -> Listed:
        rules = self._sources.rules_of(key[0])
        if rules is None:
            raise UpstreamMissingError("no upstream fills this repository on demand", {"name": key[0]})
        known = self._recall(key)
        if known is None or known.quiet_until_seconds <= self._clock.monotonic():
            known = self._ask(key, rules, known.failures if known else 0)
            self._remember(key, known)
        fresh_seconds = max(0.0, known.quiet_until_seconds - self._clock.monotonic())
        if known.error is None:
            return Listed(fresh_seconds=fresh_seconds)
        self._require_some(key, known.error)
        return Listed(warning_of(Failed.of(known.error)), fresh_seconds)

    def _require_some(self, key: Key, error: UpstreamError) -> None:
        repository, subject = key
        if not self._repos.manifests(repository, [subject]) and not self._repos.referrers(repository, subject):
            raise error.with_traceback(None)

    def _ask(self, key: Key, rules: Rules, failures: int) -> _Known:
        repository, subject = key
        listed: tuple[Descriptor, ...] = ()
        try:
            listed = self._sources.ask(repository, lambda upstream, name: upstream.referrers(name, subject) or None)
            self._store(key, listed)
        except UpstreamMissingError:
            pass  # none refers to it
        except UpstreamError as error:
            _log.warning(
                "referrers could not be asked for",
                extra={"repository": repository, "digest": str(subject), "reason": error.message},
            )
            held_seconds = rules.hold_seconds(Failed.of(error), failures + 1)
            return _Known(self._clock.monotonic() + held_seconds, failures + 1, error.with_traceback(None))
        interval_seconds = rules.check_interval_seconds
        if not listed:
            interval_seconds = max(interval_seconds, rules.negative_seconds)
        return _Known(self._clock.monotonic() + interval_seconds)

    def _store(self, key: Key, listed: tuple[Descriptor, ...]) -> None:
        repository, subject = key
        if len(listed) > _MOST:
            _log.warning(
                "an upstream lists more referrers than are fetched",
                extra={"repository": repository, "digest": str(subject), "listed": len(listed), "fetched": _MOST},
            )
        for one in listed[:_MOST]:
            try:
                self._manifests.attach(repository, one.digest)
            except (UpstreamMissingError, UpstreamWrongError) as error:
                # A list may name what was deleted since; the others are no worse for it.
                _log.warning(
                    "a referrer that an upstream lists cannot be had",
                    extra={"repository": repository, "digest": str(one.digest), "reason": error.message},
                )
        linked = set(self._repos.referrers(repository, subject))
        if any(one.digest not in linked for one in listed[:_MOST]):
            # Some do not say themselves to what they refer: then the fallback tag does, here as there.
            with contextlib.suppress(UpstreamMissingError):
                self._tags.resolve(repository, fallback_tag(subject))

    def _recall(self, key: Key) -> _Known | None:
        with self._lock:
            return self._known.get(key)

    def _remember(self, key: Key, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            if len(self._known) > _LIMIT:
                self._known.popitem(last=False)
