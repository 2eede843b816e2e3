"""A pass over all repositories: what retention lets go is removed, before links and blobs are collected. Whoever does it: two at
once only do it twice.

Promises
  * What goes is what ``holdfast.retention.planner`` says of the repository, as ``holdfast retention preview`` shows it; each of it
    only if nothing about it has changed since (``holdfast.meta.retiring``). Tags go at once.
  * Nothing goes for its age while the wall clock may be wrong (``storagenode.collecting.steadiness``). Since when pulls are counted
    is not noted then either, nor while the clock is behind what the repository holds: it would count as long ago once it is right.
  * A manifest goes only after this process has seen it so for the delay, unchanged, by its own monotonic clock: a wall clock that
    jumps takes nothing that was just untagged, and a digest that a tag has left stays for the delay at least. A collector that was
    restarted only waits longer.
  * One repository at a time is in memory; nothing is held that a push or pull waits for.
  * One line in the log for everything that goes, or would (``storagenode.collecting.deletions``).

A repository that cannot be read is told and left as it is; the others go on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError
from holdfast.meta.retiring import TAGS_AT_ONCE
from holdfast.retention.planner import plan
from storagenode.collecting.pending import Pending, Thing, is_due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.pulls import PullsSince
    from holdfast.meta.retiring import Retiring
    from holdfast.meta.standing import Standing
    from holdfast.names import Repository, Tag
    from holdfast.retention.facts import Facts, TagFact
    from holdfast.retention.planner import Verdict
    from holdfast.retention.policies import Policies, Terms
    from storagenode.collecting.deletions import Deletions
    from storagenode.collecting.marks import Marks
    from storagenode.collecting.steadiness import Now

    GoesOn = Callable[[], bool]

_LOG: Final = logging.getLogger("holdfast.retention")


@dataclass(slots=True)
class Retained:
    """What came of it; of a dry run, what would, and ``left``: who would not link a digest any more. ``kept``: was due, and
    something about it had changed.
    """

    tags: int = 0
    manifests: int = 0
    manifest_bytes: int = 0
    kept: int = 0
    repositories: int = 0
    pending: Pending = field(default_factory=Pending)
    left: dict[Digest, set[Repository]] = field(default_factory=dict)


def _every(_repository: Repository) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scope:
    """``is_mine``: the repositories that are looked after; in others everything stays."""

    policies: Policies
    is_mine: Callable[[Repository], bool] = _every


class Retaining:
    """For one thread."""

    def __init__(
        self,
        standing: Standing,
        retiring: Retiring,
        since: PullsSince,
        scope: Scope,
        deletions: Deletions,
        marks: Marks,
    ) -> None:
        self._standing = standing
        self._retiring = retiring
        self._since = since
        self._scope = scope
        self._deletions = deletions
        self._marks = marks

    def cycle(self, now: Now, goes_on: GoesOn) -> Retained:
        """Raises MetadataUnavailableError, OutcomeUnknownError: the next one goes on."""
        found = Retained()
        self._marks.begin()
        for repository, terms in self._judged():
            if not goes_on():
                return found  # the marks stay as the last whole walk left them
            facts = self._facts(repository, found, goes_on)
            if facts is None:
                continue
            if terms.policy.uses_pulls and facts.pulls_since_seconds is None:
                self._count_pulls(facts, terms, now)
            self._carry_out(facts, terms, now, goes_on, found)
        self._marks.end()
        self._since.tidy(self._scope.policies.use_pulls)
        return found

    def foresee(self, now: Now, goes_on: GoesOn) -> Retained:
        """What a cycle would do now. Changes nothing, not even what is remembered. Raises MetadataUnavailableError."""
        found = Retained()
        for repository, terms in self._judged():
            if not goes_on():
                break
            facts = self._facts(repository, found, goes_on)
            if facts is None or terms.is_dry_run:
                continue
            going = _planned(facts, terms, now, goes_on, found)
            for verdict in self._due(facts, going, terms, found, is_noted=False):
                _count(verdict, facts, found)
                if verdict.tag is None:
                    found.left.setdefault(verdict.digest, set()).add(repository)
        return found

    def _judged(self) -> Iterator[tuple[Repository, Terms]]:
        for repository in filter(self._scope.is_mine, self._standing.repositories()):
            terms = self._scope.policies.terms(repository)
            if terms is not None:
                yield repository, terms

    def _facts(self, repository: Repository, found: Retained, goes_on: GoesOn) -> Facts | None:
        found.repositories += 1
        try:
            facts = self._standing.of(repository, goes_on)  # each question is a rest
        except CorruptError as error:
            _LOG.error("a repository cannot be read", extra={"repository": repository, "reason": error.message})
            return None
        if facts is None:
            _LOG.warning("a repository is too large for retention", extra={"repository": repository})
        return facts

    def _count_pulls(self, facts: Facts, terms: Terms, now: Now) -> None:
        """From now on, which none of the facts knows yet: to them they begin to be counted now."""
        if now.is_behind(facts.latest_seconds):
            _LOG.warning("the wall clock is behind what was pushed", extra={"repository": facts.repository})
        elif not (now.is_doubted and terms.policy.uses_time):
            self._since.begin(facts.repository, now.wall_seconds)

    def _carry_out(self, facts: Facts, terms: Terms, now: Now, goes_on: GoesOn, found: Retained) -> None:
        going = _planned(facts, terms, now, goes_on, found)
        if terms.is_dry_run:
            for verdict in going:
                self._deletions.tell(facts.repository, verdict, is_dry_run=True)
            return
        for tag, revision in facts.dead_tags:
            self._retiring.dead_tag(facts.repository, tag, revision)
        due = self._due(facts, going, terms, found, is_noted=True)
        _Pass(self._retiring, self._deletions, facts, found).carry_out(due, goes_on)

    def _due(
        self, facts: Facts, going: Sequence[Verdict], terms: Terms, found: Retained, *, is_noted: bool
    ) -> list[Verdict]:
        due = []
        for verdict in going:
            if verdict.waits:
                fact = facts.manifests[verdict.digest]
                name, stamp = f"{facts.repository}//{verdict.digest}", f"{fact.revision}.{fact.link_revision}"
                thing = Thing(name, stamp, fact.size_bytes)
                if not is_due(thing, terms.delay_seconds, self._marks, found.pending, is_noted=is_noted):
                    continue
            due.append(verdict)
        return due


def _planned(facts: Facts, terms: Terms, now: Now, goes_on: GoesOn, found: Retained) -> Sequence[Verdict]:
    """What goes. What would as well if the clock were believed is counted as waiting for that."""
    if not (now.is_doubted and terms.policy.uses_time):
        return plan(facts, terms, now.wall_seconds, goes_on).going
    going = plan(facts, terms, now.wall_seconds, goes_on, is_doubted=True).going
    certain = {(verdict.tag, verdict.digest) for verdict in going}
    for verdict in plan(facts, terms, now.wall_seconds, goes_on).going:
        if (verdict.tag, verdict.digest) not in certain:
            size_bytes = facts.manifests[verdict.digest].size_bytes if verdict.tag is None else 0
            found.pending.add(size_bytes, now.doubt_seconds)
    return going


def _count(verdict: Verdict, facts: Facts, found: Retained) -> None:
    if verdict.tag is None:
        found.manifests += 1
        found.manifest_bytes += facts.manifests[verdict.digest].size_bytes
    else:
        found.tags += 1


class _Pass:
    """One repository's plan, carried out."""

    def __init__(self, retiring: Retiring, deletions: Deletions, facts: Facts, found: Retained) -> None:
        self._retiring = retiring
        self._deletions = deletions
        self._facts = facts
        self._found = found
        self._tags = {fact.tag: fact for fact in facts.tags}
        # Manifests that a tag names after all.
        self._named: set[Digest] = set()

    def carry_out(self, due: Sequence[Verdict], goes_on: GoesOn) -> None:
        for group in _grouped(due):
            if not goes_on():
                return
            self._step(group)

    def _step(self, group: Sequence[Verdict]) -> None:
        first = group[0]
        gone: set[Tag | Digest]
        if first.tag is None:
            is_gone = first.digest not in self._named and self._retiring.manifest(
                self._facts, self._facts.manifests[first.digest], first.subjects
            )
            gone = {first.digest} if is_gone else set()
        elif first.subjects:
            is_gone = self._retiring.tag(self._facts, self._tags[first.tag], first.subjects)
            gone = {first.tag} if is_gone else set()
        else:
            gone = set(self._retiring.tags(self._facts, self._facts_of(group)))
        for verdict in group:
            self._count(verdict, is_gone=(verdict.tag or verdict.digest) in gone)

    def _facts_of(self, group: Sequence[Verdict]) -> list[TagFact]:
        return [self._tags[verdict.tag] for verdict in group if verdict.tag is not None]

    def _count(self, verdict: Verdict, *, is_gone: bool) -> None:
        if not is_gone:
            self._found.kept += 1
            if verdict.tag is not None:
                self._named.add(verdict.digest)
            return
        _count(verdict, self._facts, self._found)
        self._deletions.tell(self._facts.repository, verdict, is_dry_run=False)


def _grouped(due: Sequence[Verdict]) -> Iterator[list[Verdict]]:
    """One at a time, but for tags that depend on nothing: many of them in one transaction."""
    group: list[Verdict] = []
    for verdict in due:
        if verdict.tag is not None and not verdict.subjects:
            group.append(verdict)
            if len(group) < TAGS_AT_ONCE:
                continue
            yield group
            group = []
            continue
        if group:
            yield group
            group = []
        yield [verdict]
    if group:
        yield group
