"""The planner against a second implementation that is too simple to be fast: any repository, any policy, the same verdicts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import digest as digests
from holdfast.digest import Digest
from holdfast.retention.facts import TagFact
from holdfast.retention.keeping import PULL_LAG_SECONDS
from tests.unit.retention import worlds
from tests.unit.retention.shelf import DAY, HOUR, NOW, Shelf, manifests_gone, policies, tags_gone, tags_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


NOWHERE = digests.of(b"nowhere")
SECONDS = {"1h": HOUR, "24h": DAY, "720h": 30 * DAY}
DELAY = HOUR


def shelf_of(made: list[dict[str, Any]], counted: float | None) -> Shelf:
    shelf = Shelf(counted=counted)
    found: list[Digest] = []

    def named(number: int | None) -> Digest | None:
        return None if number is None else found[number] if 0 <= number < len(found) else NOWHERE

    for number, one in enumerate(made):
        children = [found[child] for child in one["children"]]
        ages = {"pushed": one["pushed"], "pulled": one["pulled"]}
        found.append(shelf.manifest(str(number), *children, subject=named(one["subject"]), **ages))
    taken = set()
    for number, one in enumerate(made):
        for tag in one["tags"]:
            name = f"sha256-{(named(tag) or NOWHERE).encoded}.sig" if isinstance(tag, int) else tag
            if name not in taken:
                taken.add(name)
                shelf.tag(name, found[number], pushed=one["pushed"])
    return shelf


class Judge:
    """Every question answered by going through everything."""

    def __init__(self, shelf: Shelf, policy: dict[str, Any]) -> None:
        self.shelf, self.policy = shelf, policy
        self.signed = {fact.tag: subject for fact in shelf.tags if (subject := self.attached_to(fact)) is not None}
        self.staying: set[Digest] = set()
        self.grow(self.for_tags_and_referrers)
        self.pool = [digest for digest in shelf.manifests if not self.subjects(digest) and digest not in self.staying]
        self.grow(self.for_no_tag)
        self.block()

    def attached_to(self, fact: TagFact) -> Digest | None:
        if not fact.tag.endswith(".sig"):
            return None
        known = [*self.shelf.manifests, NOWHERE]
        found = next(digest for digest in known if fact.tag == f"sha256-{digest.encoded}.sig")
        return None if found == fact.digest else found

    def subjects(self, digest: Digest) -> set[Digest]:
        own = self.shelf.manifests[digest].subject
        signed = {
            self.signed[fact.tag] for fact in self.shelf.tags if fact.digest == digest and fact.tag in self.signed
        }
        return signed | ({own} if own else set())

    def grow(self, is_kept: Callable[[Digest], bool]) -> None:
        while True:
            more = {digest for digest in self.shelf.manifests if is_kept(digest) or self.follows(digest)}
            if more <= self.staying:
                return
            self.staying |= more

    def block(self) -> None:
        """What goes has to go one after the other; what waits for itself stays."""
        self.tags = {fact.tag for fact in self.shelf.tags if self.tag_stays(fact)}
        tags, digests = {*self.tags}, {*self.staying}
        going = [*(fact for fact in self.shelf.tags if fact.tag not in tags), *(self.shelf.manifests.keys() - digests)]
        while gone := [step for step in going if not any(other in going for other in self.before(step))]:
            going = [step for step in going if step not in gone]
        self.tags |= {step.tag for step in going if isinstance(step, TagFact)}
        self.staying |= {step for step in going if isinstance(step, Digest)}

    def before(self, step: TagFact | Digest) -> list[TagFact | Digest]:
        if isinstance(step, TagFact):
            return [self.signed[step.tag]] if step.tag in self.signed else []
        parents = [fact.digest for fact in self.shelf.manifests.values() if step in fact.children]
        subject = self.shelf.manifests[step].subject
        return [*parents, *([subject] if subject else []), *(fact for fact in self.shelf.tags if fact.digest == step)]

    def follows(self, digest: Digest) -> bool:
        parents = [fact.digest for fact in self.shelf.manifests.values() if digest in fact.children]
        return not self.staying.isdisjoint([*parents, *self.subjects(digest)])

    def is_young(self, digest: Digest) -> bool:
        return NOW - self.shelf.manifests[digest].pushed_seconds < DELAY

    def for_tags_and_referrers(self, digest: Digest) -> bool:
        tags = [fact for fact in self.shelf.tags if fact.digest == digest and fact.tag not in self.signed]
        refers = bool(self.subjects(digest)) and (not self.policy["deleteReferrers"] or self.is_young(digest))
        return refers or any(self.keeps_tag(fact) for fact in tags)

    def for_no_tag(self, digest: Digest) -> bool:
        if digest not in self.pool:
            return False
        if not self.policy.get("deleteUntagged", True) or self.is_young(digest):
            return True
        rules = self.policy.get("keepUntagged")
        times = {one: self.times(one, self.shelf.manifests[one].pushed_seconds) for one in self.pool}
        return rules is not None and self.holds(rules, digest, times)

    def times(self, digest: Digest, pushed: float) -> tuple[float, float]:
        pulled = self.shelf.pulls.get(digest)
        return pushed, pulled.seconds if pulled else 0.0

    def tag_stays(self, fact: TagFact) -> bool:
        if fact.tag not in self.signed:
            return self.keeps_tag(fact)
        there = not self.policy["deleteReferrers"] or self.signed[fact.tag] in self.staying
        return there or self.is_young(fact.digest)

    def keeps_tag(self, fact: TagFact) -> bool:
        entries = self.policy.get("keepTags") or [{}]
        ordinary = [one for one in self.shelf.tags if one.tag not in self.signed]
        for number, entry in enumerate(entries):
            if not matches(entry, fact):
                continue
            pool = [one for one in ordinary if matches(entry, one)]
            alone = [one for one in pool if not any(matches(other, one) for other in entries[:number])]
            for some in (pool, alone):
                times = {one.tag: self.times(one.digest, one.pushed_seconds) for one in some}
                if fact in some and self.holds(entry, fact.tag, times):
                    return True
        return False

    def holds(self, rules: dict[str, Any], name: Any, times: dict[Any, tuple[float, float]]) -> bool:
        pushed, pulled = times[name]
        if not rules.keys() - {"patterns"}:
            return True
        if "pushedWithin" in rules and NOW - pushed < SECONDS[rules["pushedWithin"]]:
            return True
        if "pulledWithin" in rules:
            within = SECONDS[rules["pulledWithin"]]
            since = NOW if self.shelf.since is None else self.shelf.since
            if NOW - pulled < within + PULL_LAG_SECONDS or NOW - max(pushed, since) < within:
                return True
        better = sum((p, q, negated(n)) > (pushed, pulled, negated(name)) for n, (p, q) in times.items())
        if better < rules.get("mostRecentlyPushedCount", 0):
            return True
        better = sum((q, p, negated(n)) > (pulled, pushed, negated(name)) for n, (p, q) in times.items())
        count = rules.get("mostRecentlyPulledCount", 0)
        if better < count:
            return True
        is_older = self.shelf.since is None or pushed < self.shelf.since
        return is_older and sum(q > 0 for _, q in times.values()) < count


def negated(name: object) -> Iterable[int]:
    """The other way round: of equal ones the first by name counts as the latest."""
    return [*(-ord(letter) for letter in str(name)), 1]


def matches(entry: dict[str, Any], fact: TagFact) -> bool:
    patterns = entry.get("patterns")
    return not patterns or any(re.search(pattern, fact.tag) for pattern in patterns)


@settings(max_examples=100, deadline=None)
@given(worlds.manifests(), worlds.policies(), st.sampled_from([None, HOUR, 10_000 * DAY]))
def test_the_planner_and_the_judge_agree(made, policy, counted):
    shelf = shelf_of(made, counted)
    judge, planned = Judge(shelf, policy), shelf.plan(policies(policy))
    assert tags_left(planned) == judge.tags
    assert tags_gone(planned) == {fact.tag for fact in shelf.tags} - judge.tags
    assert manifests_gone(planned) == shelf.manifests.keys() - judge.staying


@settings(max_examples=50, deadline=None)
@given(worlds.manifests(), worlds.policies())
def test_what_is_left_is_left_again(made, policy):
    shelf = shelf_of(made, 10_000 * DAY)
    planned = shelf.plan(policies(policy))
    gone = manifests_gone(planned)
    shelf.manifests = {digest: fact for digest, fact in shelf.manifests.items() if digest not in gone}
    shelf.tags = [fact for fact in shelf.tags if fact.tag not in tags_gone(planned)]
    assert shelf.plan(policies(policy)).going == ()
    # And nothing that stays has lost anything.
    for fact in shelf.manifests.values():
        assert gone.isdisjoint(fact.children)
    assert gone.isdisjoint(fact.digest for fact in shelf.tags)
