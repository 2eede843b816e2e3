"""Which tags and manifests of a repository stay, which go, and by which rule. The semantics: ``holdfast.retention``.

Promises: equal facts give an equal plan, whoever asks (a preview and what then happens are the same). What stays keeps what it
references, and what refers to it. ``Plan.going`` is in an order in which each step finds done what it depends on: tags before their
manifest, an index before its children, a subject before what refers to it.

Never: I/O, a clock.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.retention.keeping import Candidate, Moment, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.names import Tag
    from holdfast.retention.facts import Facts, TagFact
    from holdfast.retention.policies import Policy, Terms

NO_MATCH: Final = "matches none of keepTags"
NO_RULE: Final = "meets no rule of keepTags"
UNTOUCHED: Final = "no policy takes anything from it"
CIRCLE: Final = "refers to itself in a circle"
YOUNG: Final = "younger than the delay"

# A fraction of a millisecond's worth of them.
_STEP: Final = 32
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``tag`` None: the manifest itself. ``subjects``: what has to be gone by then, or it stays after all."""

    tag: Tag | None
    digest: Digest
    stays: bool
    rule: str
    subjects: tuple[Digest, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it goes only after a collector has seen it so for the delay: all but tags that are judged by keepTags."""
        return not self.stays and (self.tag is None or bool(self.subjects))


@dataclass(frozen=True, slots=True)
class Plan:
    """Tags by name, then manifests that no tag names once this is carried out, by digest."""

    verdicts: tuple[Verdict, ...]
    going: tuple[Verdict, ...]


def _without_rest() -> None:
    """For who is in nobody's way."""


def plan(
    facts: Facts,
    terms: Terms | None,
    now_seconds: float,
    rest: Callable[[], object] = _without_rest,
    *,
    is_doubted: bool = False,
) -> Plan:
    """``terms`` None: everything stays. ``rest`` is called between small steps. ``is_doubted``: now may be any time, so what a rule
    about ages could keep stays.
    """
    if terms is None:
        return Plan(tuple(Verdict(fact.tag, fact.digest, stays=True, rule=UNTOUCHED) for fact in facts.tags), ())
    moment = Moment(now_seconds, facts.pulls_since_seconds, is_doubted)
    verdicts = list(_rested(_Judge(facts, terms, moment, rest).verdicts(), rest))
    going = _in_order(facts, [verdict for verdict in verdicts if not verdict.stays], rest)
    done = set(map(_step, going))
    circular = [n for n, verdict in enumerate(verdicts) if not verdict.stays and _step(verdict) not in done]
    for number in circular:
        verdicts[number] = replace(verdicts[number], stays=True, rule=CIRCLE, subjects=())
    return Plan(tuple(verdicts), tuple(going))


class _Judge:
    """Of one repository, once."""

    def __init__(self, facts: Facts, terms: Terms, moment: Moment, rest: Callable[[], object]) -> None:
        self._facts = facts
        self._policy: Policy = terms.policy
        self._moment = moment
        self._rest = rest
        self._old_before_seconds = moment.now_seconds - terms.delay_seconds
        self._ordinary: list[TagFact] = []
        self._attached: dict[Tag, Digest] = {}
        self._subjects: dict[Digest, set[Digest]] = defaultdict(set)
        self._referrers: dict[Digest, list[Digest]] = defaultdict(list)
        # Manifests that stay, with the rule; what is left over goes.
        self._stays: dict[Digest, str] = {}
        self._sort_out()
        self._tag_rules = dict(self._kept_tags())
        self._settle()

    def verdicts(self) -> Iterator[Verdict]:
        """Tags, then what no tag that stays names."""
        tagged = set()
        for fact in self._facts.tags:
            verdict = self._of_tag(fact)
            if verdict.stays:
                tagged.add(fact.digest)
            yield verdict
        for digest in self._facts.manifests:
            if digest not in tagged:
                yield self._of_manifest(digest)

    def _of_tag(self, fact: TagFact) -> Verdict:
        subject = self._attached.get(fact.tag)
        if subject is not None:
            return self._of_attached(fact, subject)
        rule = self._tag_rules.get(fact.tag)
        return Verdict(fact.tag, fact.digest, stays=rule is not None, rule=rule or self._refusal(fact.tag))

    def _of_attached(self, fact: TagFact, subject: Digest) -> Verdict:
        label = self._policy.label
        if not self._policy.delete_referrers:
            rule = f"{label}: no deleteReferrers"
        elif subject in self._stays:
            rule = f"refers to {subject}"
        elif self._is_young(fact.digest):
            rule = YOUNG
        else:
            return Verdict(fact.tag, fact.digest, stays=False, rule=f"{label}: deleteReferrers", subjects=(subject,))
        return Verdict(fact.tag, fact.digest, stays=True, rule=rule)

    def _of_manifest(self, digest: Digest) -> Verdict:
        if digest in self._stays:
            return Verdict(None, digest, stays=True, rule=self._stays[digest])
        reason = "deleteReferrers" if digest in self._subjects else "deleteUntagged"
        subject = self._facts.manifests[digest].subject
        subjects = () if subject is None else (subject,)
        return Verdict(None, digest, stays=False, rule=f"{self._policy.label}: {reason}", subjects=subjects)

    def _sort_out(self) -> None:
        """Who refers to whom, by a record or by the form of a tag."""
        for fact in _rested(self._facts.tags, self._rest):
            subject = self._facts.subject_of_tag(fact)
            if subject is None:
                self._ordinary.append(fact)
            else:
                self._attached[fact.tag] = subject
                self._subjects[fact.digest].add(subject)
        for manifest in _rested(self._facts.manifests.values(), self._rest):
            if manifest.subject is not None:
                self._subjects[manifest.digest].add(manifest.subject)
        for digest, subjects in self._subjects.items():
            for subject in subjects:
                self._referrers[subject].append(digest)

    def _kept_tags(self) -> Iterator[tuple[Tag, str]]:
        if not self._policy.keep_tags:
            for fact in self._ordinary:
                yield fact.tag, f"{self._policy.label}: no keepTags"
        pulled = self._facts.pulled
        rest = self._ordinary
        for number, entry in enumerate(self._policy.keep_tags):
            matched = [fact for fact in _rested(self._ordinary, self._rest) if entry.covers(fact.tag)]
            names = {fact.tag for fact in matched}
            first = [fact for fact in rest if fact.tag in names]
            rest = [fact for fact in rest if fact.tag not in names]
            for pool in (matched, first):
                rested = _rested(pool, self._rest)
                candidates = [Candidate(f.tag, f.pushed_seconds, pulled(f.digest).seconds) for f in rested]
                for tag, rule in _rested(kept(entry.keep, candidates, self._moment), self._rest):
                    yield tag, f"{self._policy.label}.keepTags[{number}]: {rule}"

    def _refusal(self, tag: Tag) -> str:
        matches = any(entry.covers(tag) for entry in self._policy.keep_tags)
        return f"{self._policy.label}: {NO_RULE if matches else NO_MATCH}"

    def _settle(self) -> None:
        """Which manifests stay: what is kept for itself, and all that follows from it."""
        policy, manifests = self._policy, self._facts.manifests
        for fact in _rested(self._ordinary, self._rest):
            if fact.tag in self._tag_rules:
                self._keep(fact.digest, "a tag that stays names it")
        referring = [digest for digest in manifests if digest in self._subjects]
        self._keep_some(referring, None if policy.delete_referrers else f"{policy.label}: no deleteReferrers")
        untagged = [digest for digest in manifests if digest not in self._subjects and digest not in self._stays]
        self._keep_some(untagged, None if policy.delete_untagged else f"{policy.label}: no deleteUntagged")
        if policy.keep_untagged is not None:
            candidates = self._candidates(untagged)
            for digest, rule in _rested(kept(policy.keep_untagged, candidates, self._moment), self._rest):
                self._keep(digest, f"{policy.label}.keepUntagged: {rule}")

    def _keep_some(self, digests: Iterable[Digest], rule: str | None) -> None:
        """All of them by this rule; None: those that are young."""
        for digest in _rested(digests, self._rest):
            if rule is not None:
                self._keep(digest, rule)
            elif self._is_young(digest):
                self._keep(digest, YOUNG)

    def _candidates(self, digests: Iterable[Digest]) -> list[Candidate[Digest]]:
        facts = self._facts
        rested = _rested(digests, self._rest)
        return [Candidate(d, facts.manifests[d].pushed_seconds, facts.pulled(d).seconds) for d in rested]

    def _keep(self, digest: Digest, rule: str) -> None:
        """With what it references, and what refers to it."""
        pending = [(digest, rule)]
        while pending:
            digest, rule = pending.pop()
            fact = self._facts.manifests.get(digest)
            if fact is None or digest in self._stays:
                continue
            self._stays[digest] = rule
            pending += [(child, f"part of {digest}") for child in fact.children]
            pending += [(referrer, f"refers to {digest}") for referrer in self._referrers.get(digest, ())]

    def _is_young(self, digest: Digest) -> bool:
        return self._facts.manifests[digest].pushed_seconds > self._old_before_seconds


def _step(verdict: Verdict) -> Tag | Digest:
    return verdict.tag or verdict.digest


def _rested(things: Iterable[Thing], rest: Callable[[], object]) -> Iterator[Thing]:
    """The same, with a rest now and then."""
    for number, thing in enumerate(things):
        if number % _STEP == 0:
            rest()
        yield thing


def _in_order(facts: Facts, going: Sequence[Verdict], rest: Callable[[], object]) -> list[Verdict]:
    """Those that can go one after the other: tags can claim to be attached to each other, and then neither is the first."""
    steps = {_step(verdict): verdict for verdict in going}
    sorter: TopologicalSorter[Tag | Digest] = TopologicalSorter(dict.fromkeys(steps, ()))
    for verdict in _rested(going, rest):
        if verdict.tag is None:
            for child in facts.manifests[verdict.digest].children:
                if child in steps:
                    sorter.add(child, verdict.digest)
        elif verdict.digest in steps:
            sorter.add(verdict.digest, verdict.tag)
        for subject in verdict.subjects:
            if subject in steps:
                sorter.add(_step(verdict), subject)
    with contextlib.suppress(CycleError):
        sorter.prepare()
    ordered: list[Verdict] = []
    while ready := sorter.get_ready():
        for key in _rested(ready, rest):
            ordered.append(steps[key])
            sorter.done(key)
    return ordered
