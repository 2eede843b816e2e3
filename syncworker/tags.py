"""What a tag of a mirrored repository stands for: the upstream is asked as often as is right, and what is stored is served else.

The rules are those of ``holdfast.mirrors.freshness``; here they meet the upstream and the metadata.

Promises
    * A tag that is answered is stored: its manifest's bytes, its record, and the tag itself.
    * One check for each tag at a time, whoever asks; at most one in ``manifestCheckInterval``.
    * What was pushed here is served as it was pushed, and no upstream moves its tag: an acknowledged push is not undone.
    * A tag that is gone upstream is kept, and reported.

Never: fetches a blob.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from holdfast.errors import MissingError, UpstreamError, UpstreamMissingError, UpstreamUnavailableError
from holdfast.joined import Joined
from holdfast.mirrors import freshness
from holdfast.mirrors.freshness import Absent, Failed, Found, Verdict, Watched
from holdfast.rpc.sync import Resolved

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.mirrors.freshness import Answer, Decision, Rules
    from holdfast.names import Repository, Tag
    from syncworker.manifests import Manifests
    from syncworker.sources import Sources
    from syncworker.upstream.values import Fetched

    Key = tuple[Repository, Tag]

_log: Final = logging.getLogger("holdfast.sync")

_PATIENCE_SECONDS: Final = 60.0
_LIMIT: Final = 20_000
# What was pushed changes by a push only, and whoever misses it asks again in any case.
_PUSHED_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Known:
    """``error``: why the last check failed, for clients for whom nothing is stored."""

    watched: Watched = field(default_factory=Watched)
    error: UpstreamError | None = None


class Tags:
    """Shared by threads."""

    def __init__(self, repos: Repositories, manifests: Manifests, sources: Sources, clock: Clock) -> None:
        self._repos = repos
        self._manifests = manifests
        self._sources = sources
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._joined: Joined[Key, Resolved] = Joined(_PATIENCE_SECONDS)

    def resolve(self, repository: Repository, tag: Tag) -> Resolved:
        """What it stands for now.

        Raises:
            UpstreamMissingError: neither here nor upstream. UpstreamError: not here, and upstream cannot say. UnavailableError.
        """
        return self._joined.run((repository, tag), lambda: self._resolve(repository, tag))

    def _resolve(self, repository: Repository, tag: Tag) -> Resolved:
        rules = self._sources.rules_of(repository)
        if rules is None:
            raise UpstreamMissingError("no upstream fills this repository on demand", {"name": repository})
        stored = self._stored(repository, tag)
        if stored is not None and stored.origin == "pushed":
            return Resolved(stored.digest, fresh_seconds=_PUSHED_SECONDS)
        key = (repository, tag)
        known = self._recall(key, stored)
        watched, decision = freshness.ask(known.watched, rules, self._clock.monotonic())
        if decision.verdict is Verdict.CHECK:
            # Nothing here: the manifest itself is the answer, and one request enough.
            fetched, answer, error = self._fetch(key) if stored is None else self._look(key)
            now = self._clock.monotonic()
            watched, decision = freshness.answered(watched, rules, now, decision.token, answer)
            known = _Known(watched, error)
            self._remember(key, known)
            if decision.verdict is Verdict.FETCH:
                return self._have(key, known, decision, rules, fetched)
        elif decision.verdict is Verdict.FETCH:
            return self._have(key, known, decision, rules, None)
        return self._answer(key, known, decision)

    def _stored(self, repository: Repository, tag: Tag) -> ManifestRecord | None:
        try:
            return self._repos.manifest_by_tag(repository, tag)
        except MissingError:
            return None

    def _recall(self, key: Key, stored: ManifestRecord | None) -> _Known:
        with self._lock:
            known = self._known.get(key, _Known())
        if stored is None and known.watched.stored is not None:
            return replace(known, watched=freshness.forgotten(known.watched))
        if stored is not None and known.watched.stored != stored.digest:
            return replace(known, watched=freshness.fetched(known.watched, stored.digest))
        return known

    def _remember(self, key: Key, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            if len(self._known) > _LIMIT:
                self._known.popitem(last=False)

    def _look(self, key: Key) -> tuple[Fetched | None, Answer, UpstreamError | None]:
        repository, tag = key
        try:
            described = self._sources.ask(repository, lambda upstream, name: upstream.head(name, tag))
        except UpstreamError as error:
            return None, _failed(error), error
        return None, Found(described.digest), None

    def _fetch(self, key: Key) -> tuple[Fetched | None, Answer, UpstreamError | None]:
        repository, tag = key
        try:
            fetched = self._sources.ask(repository, lambda upstream, name: upstream.manifest(name, tag))
        except UpstreamError as error:
            return None, _failed(error), error
        return fetched, Found(fetched.digest), None

    def _have(self, key: Key, known: _Known, decision: Decision, rules: Rules, fetched: Fetched | None) -> Resolved:
        """Store what the tag stands for upstream, and set the tag."""
        (repository, tag), digest = key, decision.digest
        if digest is None:
            raise AssertionError("a decision to fetch names a digest")
        try:
            if fetched is None:
                fetched = self._sources.ask(repository, lambda upstream, name: upstream.manifest(name, digest))
        except UpstreamError as error:
            watched, decision = freshness.not_fetched(known.watched, rules, self._clock.monotonic(), _failure(error))
            known = _Known(watched, error)
            self._remember(key, known)
            return self._answer(key, known, decision)
        self._manifests.keep(repository, fetched, [tag])
        self._remember(key, _Known(freshness.fetched(known.watched, digest)))
        _log.info("fetched a tag", extra={"repository": repository, "tag": tag, "digest": str(digest)})
        return self._resolved(known.watched, decision)

    def _answer(self, key: Key, known: _Known, decision: Decision) -> Resolved:
        repository, tag = key
        named = {"repository": repository, "tag": tag}
        if decision.verdict.serves_stored:
            if decision.verdict is Verdict.STALE:
                _log.warning("served a tag that could not be checked", extra={**named, "reason": decision.warning})
            elif decision.verdict is Verdict.GONE:
                _log.warning("a tag is gone upstream and kept here", extra=named)
            return self._resolved(known.watched, decision)
        if known.error is not None:
            raise known.error
        if decision.verdict is Verdict.MISSING:
            raise UpstreamMissingError("no upstream of this repository has such a tag", {"tag": tag})
        raise UpstreamUnavailableError(
            "the upstream cannot be asked now", {"retryAfter": max(1, round(decision.retry_after_seconds))}
        )

    def _resolved(self, watched: Watched, decision: Decision) -> Resolved:
        if decision.digest is None:
            raise AssertionError("what is served has a digest")
        fresh_seconds = max(0.0, watched.quiet_until_seconds - self._clock.monotonic())
        return Resolved(decision.digest, decision.warning or "", fresh_seconds)


def _failed(error: UpstreamError) -> Answer:
    return Absent() if isinstance(error, UpstreamMissingError) else _failure(error)


def _failure(error: UpstreamError) -> Failed:
    told = error.retry_after_seconds if isinstance(error, UpstreamUnavailableError) else None
    return Failed(error.message, told)
