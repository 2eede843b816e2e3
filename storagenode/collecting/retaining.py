"""A pass over all repositories: what retention lets go is removed, before links and blobs are collected. Whoever does it: two at
once only do it twice.

Promises
  * What goes is what ``holdfast.retention.planner`` says of the repository, as ``holdfast retention preview`` shows it; each of it
    only if nothing about it has changed since (``holdfast.meta.retiring``). Tags go at once.
  * A manifest goes only after this process has seen it so for the delay, unchanged, by its own monotonic clock: a wall clock that
    jumps takes nothing that was just untagged, and a digest that a tag has left stays for the delay at least. A collector that was
    restarted only waits longer.
  * One repository at a time is in memory; nothing is held that a push or pull waits for.
  * One line in the log for everything that goes, or would (``storagenode.collecting.deletions``).

A repository that cannot be read is told and left as it is; the others go on.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError
from holdfast.meta.retiring import TAGS_AT_ONCE
from holdfast.retention.planner import plan

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

    GoesOn = Callable[[], bool]

_LOG: Final = logging.getLogger("holdfast.retention")


@dataclass(slots=True)
class Retained:
    """What came of it. ``kept``: was due, and something about it had changed. ``waiting``: goes when the delay is over, which is in
    ``next_due_seconds`` for the first of them.
    """

    tags: int = 0
    manifests: int = 0
    kept: int = 0
    waiting: int = 0
    repositories: int = 0
    next_due_seconds: float = math.inf


class Retaining:
    """For one thread."""

    def __init__(
        self,
        standing: Standing,
        retiring: Retiring,
        since: PullsSince,
        policies: Policies,
        deletions: Deletions,
        marks: Marks,
    ) -> None:
        self._standing = standing
        self._retiring = retiring
        self._since = since
        self._policies = policies
        self._deletions = deletions
        self._marks = marks

    def cycle(self, now_seconds: float, goes_on: GoesOn) -> Retained:
        """``now_seconds`` by the wall. Raises MetadataUnavailableError, OutcomeUnknownError: the next one goes on."""
        found = Retained()
        self._marks.begin()
        for repository in self._standing.repositories():
            if not goes_on():
                return found  # the marks stay as the last whole walk left them
            terms = self._policies.terms(repository)
            if terms is not None:
                self._repository(repository, terms, now_seconds, goes_on, found)
        self._marks.end()
        self._since.tidy(self._policies.use_pulls)
        return found

    def _repository(
        self, repository: Repository, terms: Terms, now_seconds: float, goes_on: GoesOn, found: Retained
    ) -> None:
        found.repositories += 1
        if terms.policy.uses_pulls:
            self._since.begin(repository, now_seconds)
        try:
            facts = self._standing.of(repository)
        except CorruptError as error:
            _LOG.error("a repository cannot be read", extra={"repository": repository, "reason": error.message})
            return
        if facts is None:
            _LOG.warning("a repository is too large for retention", extra={"repository": repository})
            return
        going = plan(facts, terms, now_seconds).going
        if terms.is_dry_run:
            for verdict in going:
                self._deletions.tell(repository, verdict, is_dry_run=True)
            return
        for tag, revision in facts.dead_tags:
            self._retiring.dead_tag(repository, tag, revision)
        _Pass(self._retiring, self._deletions, facts, found).carry_out(self._due(facts, going, terms, found), goes_on)

    def _due(self, facts: Facts, going: Sequence[Verdict], terms: Terms, found: Retained) -> list[Verdict]:
        due = []
        for verdict in going:
            if verdict.waits:
                fact = facts.manifests[verdict.digest]
                stamp = f"{fact.revision}.{fact.link_revision}"
                age_seconds = self._marks.see(f"{facts.repository}//{verdict.digest}", stamp)
                if age_seconds is None or age_seconds < terms.delay_seconds:
                    found.waiting += 1
                    left_seconds = terms.delay_seconds - (age_seconds or 0.0)
                    found.next_due_seconds = min(found.next_due_seconds, left_seconds)
                    continue
            due.append(verdict)
        return due


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
        if verdict.tag is None:
            self._found.manifests += 1
        else:
            self._found.tags += 1
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
