"""What a tag of a mirrored repository stands for: the upstream is asked as often as is right, and what is stored is served else.

The rules are those of ``holdfast.mirrors.freshness``; here they meet the upstream and the metadata.

Promises
    * A tag that is answered is stored: its manifest's bytes, its record, and the tag itself.
    * One check for each tag at a time, whoever asks; at most one in ``manifestCheckInterval``.
    * What was pushed here is served as it was pushed, and no upstream moves its tag: an acknowledged push is not undone.
    * A tag that is gone upstream is kept, and reported.
    * A tag that the configuration leaves out, and an image that ought to be signed and is not,
      do not come; what is stored is served.

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
from holdfast.mirrors.selection import is_attached
from holdfast.rpc.sync import Resolved
from syncworker.metrics import SILENT, Counter

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.mirrors.freshness import Answer, Decision, Rules
    from holdfast.names import Repository, Tag
    from syncworker.manifests import Manifests
    from syncworker.metrics import Metrics
    from syncworker.signatures import Signatures
    from syncworker.sources import Source, Sources
    from syncworker.upstream.values import Descriptor, Fetched

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

    def __init__(
        self,
        repos: Repositories,
        manifests: Manifests,
        sources: Sources,
        signatures: Signatures,
        clock: Clock,
        metrics: Metrics = SILENT,
    ) -> None:
        self._repos = repos
        self._manifests = manifests
        self._sources = sources
        self._signatures = signatures
        self._clock = clock
        self._metrics = metrics
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
        if not self._sources.selects(repository, tag):
            return _left_out(tag, stored)
        key = (repository, tag)
        known = self._recall(key, stored)
        watched, decision = freshness.ask(known.watched, rules, self._clock.monotonic())
        if decision.verdict is Verdict.CHECK:
            # Nothing here: the manifest itself is the answer, and one request enough.
            fetched, answer, error = self._fetch(key) if stored is None else self._look(key, stored)
            now = self._clock.monotonic()
            watched, decision = freshness.answered(watched, rules, now, decision.token, answer)
            known = _Known(watched, error)
            self._remember(key, known)
            if decision.verdict is Verdict.FETCH:
                return self._have(key, known, decision, rules, fetched)
            self._metrics.add(Counter.TAGS_CHECKED)
        elif decision.verdict is Verdict.FETCH:
            return self._have(key, known, decision, rules, None)
        else:
            self._metrics.add(Counter.TAGS_HIT)
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

    def _look(self, key: Key, stored: ManifestRecord) -> tuple[Fetched | None, Answer, UpstreamError | None]:
        repository, tag = key

        def look(source: Source) -> Descriptor | None:
            described = source.upstream.head(source.name, tag)
            if described is not None and described.digest != stored.digest and not is_attached(tag):
                self._signatures.require(source, repository, described.digest)
            return described

        try:
            described = self._sources.ask_for_tag(repository, tag, look)
        except UpstreamError as error:
            return None, _failed(error), error
        return None, Found(described.digest), None

    def _fetch(self, key: Key) -> tuple[Fetched | None, Answer, UpstreamError | None]:
        try:
            fetched = self._asked(key, key[1])
        except UpstreamError as error:
            return None, _failed(error), error
        return fetched, Found(fetched.digest), None

    def _asked(self, key: Key, reference: Tag | Digest) -> Fetched:
        """The manifest from upstream, by the tag or by the digest that it was found to stand for."""
        repository, tag = key

        def fetch(source: Source) -> Fetched | None:
            fetched = source.upstream.manifest(source.name, reference)
            if fetched is None or is_attached(tag):
                return fetched
            return self._signatures.admit(source, repository, fetched)

        return self._sources.ask_for_tag(repository, tag, fetch)

    def _have(self, key: Key, known: _Known, decision: Decision, rules: Rules, fetched: Fetched | None) -> Resolved:
        """Store what the tag stands for upstream, and set the tag."""
        (repository, tag), digest = key, decision.digest
        if digest is None:
            raise AssertionError("a decision to fetch names a digest")
        try:
            if fetched is None:
                fetched = self._asked(key, digest)
        except UpstreamError as error:
            watched, decision = freshness.not_fetched(known.watched, rules, self._clock.monotonic(), Failed.of(error))
            known = _Known(watched, error)
            self._remember(key, known)
            return self._answer(key, known, decision)
        self._manifests.keep(repository, fetched, [tag])
        self._metrics.add(Counter.TAGS_FETCHED)
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
                reason = known.error.message if known.error else ""
                _log.warning("a tag is gone upstream and kept here", extra={**named, "reason": reason})
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


def _left_out(tag: Tag, stored: ManifestRecord | None) -> Resolved:
    """The configuration mirrors no such tag: what came before it said so, or by a push, is served."""
    if stored is None:
        raise UpstreamMissingError(
            "the configuration leaves this tag of the mirrored repository out", {"tag": tag, "reason": "content.tags"}
        )
    return Resolved(stored.digest, fresh_seconds=_PUSHED_SECONDS)


def _failed(error: UpstreamError) -> Answer:
    return Absent() if isinstance(error, UpstreamMissingError) else Failed.of(error)
