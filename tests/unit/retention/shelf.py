"""A repository as retention sees it, made of a few words; and policies of a configuration's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast.config.storage import Storage
from holdfast.names import Repository, Tag
from holdfast.retention.facts import Facts, ManifestFact, Pulled, TagFact
from holdfast.retention.planner import plan
from holdfast.retention.policies import Policies

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.retention.planner import Plan

NOW = 1_700_000_000.0
HOUR, DAY = 3600.0, 86_400.0


def policies(*configured: dict[str, Any], delay: str = "1h", dry_run: bool = False) -> Policies:
    """As ``storage.retention.policies`` spells them."""
    retention = {"policies": list(configured), "delay": delay, "dryRun": dry_run}
    return Policies.of(Storage.model_validate({"retention": retention}))


class Shelf:
    """One repository. Ages in seconds; what has none was pushed long ago and never pulled."""

    def __init__(self, name: str = "infra/app", counted: float | None = 10_000 * DAY) -> None:
        """``counted``: for how long pulls have been counted."""
        self.name = Repository(name)
        self.manifests: dict[Digest, ManifestFact] = {}
        self.tags: list[TagFact] = []
        self.pulls: dict[Digest, Pulled] = {}
        self.since = None if counted is None else NOW - counted

    def manifest(
        self,
        name: str,
        *children: Digest,
        pushed: float = 1000 * DAY,
        pulled: float | None = None,
        subject: Digest | None = None,
    ) -> Digest:
        """An index if it has children."""
        digest = digests.of(name.encode())
        revision = len(self.manifests) + 1
        is_index = bool(children)
        self.manifests[digest] = ManifestFact(
            digest, 100, NOW - pushed, revision, revision, is_index, tuple(children), subject
        )
        if pulled is not None:
            self.pulls[digest] = Pulled(NOW - pulled, revision)
        return digest

    def tag(self, name: str, digest: Digest | None = None, *, pushed: float = 1000 * DAY, **about: Any) -> Digest:
        """Of an image of its own, if none is given."""
        if digest is None:
            digest = self.manifest(f"of {name}", pushed=pushed, **about)
        self.tags.append(TagFact(Tag(name), digest, NOW - pushed, len(self.tags) + 1))
        return digest

    @property
    def facts(self) -> Facts:
        return Facts(self.name, sorted(self.tags, key=lambda fact: fact.tag), self.manifests, self.pulls, self.since)

    def plan(self, made: Policies) -> Plan:
        return plan(self.facts, made.terms(self.name), NOW)


def tags_left(made: Plan) -> set[str]:
    return {str(verdict.tag) for verdict in made.verdicts if verdict.tag is not None and verdict.stays}


def tags_gone(made: Plan) -> set[str]:
    return {str(verdict.tag) for verdict in made.going if verdict.tag is not None}


def manifests_gone(made: Plan) -> set[Digest]:
    return {verdict.digest for verdict in made.going if verdict.tag is None}
