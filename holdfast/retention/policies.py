"""The policies of a configuration, and which of them is a repository's.

Invariants: a policy's ``label`` is its path below ``storage``, so that an operator finds the rule that decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.patterns.expressions import Expression
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.config.storage import KeepUntagged, Retention, RetentionPolicy, Storage, Store
    from holdfast.durations import Duration
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Keep:
    """Rules of which one is enough. None and 0: there is no such rule."""

    pulled_within_seconds: float | None = None
    pushed_within_seconds: float | None = None
    most_recently_pushed: int = 0
    most_recently_pulled: int = 0

    @property
    def has_rules(self) -> bool:
        return self.uses_time or self.most_recently_pushed + self.most_recently_pulled > 0

    @property
    def uses_time(self) -> bool:
        """Whether it keeps anything for its age."""
        return self.pulled_within_seconds is not None or self.pushed_within_seconds is not None

    @property
    def uses_pulls(self) -> bool:
        return self.pulled_within_seconds is not None or self.most_recently_pulled > 0


@dataclass(frozen=True, slots=True)
class KeepTags:
    """``keep``, for the tags that one of ``patterns`` is found in; for all of them where there is none."""

    keep: Keep = Keep()
    patterns: tuple[Expression, ...] = ()

    def covers(self, tag: str) -> bool:
        return not self.patterns or any(pattern.found_in(tag) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Policy:
    """``keep_untagged`` None: there is nothing that keeps what has no tag."""

    label: str
    repositories: tuple[Glob, ...] = ()
    delete_referrers: bool = False
    delete_untagged: bool = True
    keep_tags: tuple[KeepTags, ...] = ()
    keep_untagged: Keep | None = None

    def covers(self, repository: str) -> bool:
        return not self.repositories or any(glob.matches(repository) for glob in self.repositories)

    @property
    def rules(self) -> tuple[Keep, ...]:
        return (*(entry.keep for entry in self.keep_tags), *([self.keep_untagged] if self.keep_untagged else []))

    @property
    def uses_pulls(self) -> bool:
        return any(keep.uses_pulls for keep in self.rules)

    @property
    def uses_time(self) -> bool:
        return any(keep.uses_time for keep in self.rules)

    @property
    def is_idle(self) -> bool:
        """Whether it keeps everything."""
        return not (self.keep_tags or self.delete_untagged or self.delete_referrers)


@dataclass(frozen=True, slots=True)
class Terms:
    """For one repository. ``delay_seconds``: the age that what has no tag, or no subject any more, has to have."""

    policy: Policy
    delay_seconds: float
    is_dry_run: bool = False


# zot: "By default, if no retention policies are defined, all untagged manifests are deleted". Not here: what is only pulled by its
# digest, as clusters do through a cache, would be gone an hour later without anybody having asked for that.
NO_POLICY: Final = Policy("no policy", delete_untagged=False)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one store has configured."""

    policies: tuple[Policy, ...]
    delay_seconds: float
    is_dry_run: bool = False

    def terms(self, repository: Repository) -> Terms | None:
        policy = next((policy for policy in self.policies if policy.covers(repository)), None)
        if policy is None or policy.is_idle:
            return None
        return Terms(policy, self.delay_seconds, self.is_dry_run)


@dataclass(frozen=True, slots=True)
class Policies:
    """Those of all stores. ``shelves`` by route, "" for the top."""

    shelves: Mapping[str, Shelf]
    _by_route: dict[str, Shelf] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError: there is nothing for the top."""
        if "" not in self.shelves:
            raise ValueError("repositories that are below no route have policies too")
        by_route = {route.lower().strip("/"): shelf for route, shelf in self.shelves.items()}
        longest_first = sorted(by_route.items(), key=lambda item: len(item[0]), reverse=True)
        object.__setattr__(self, "_by_route", dict(longest_first))

    @classmethod
    def of(cls, storage: Storage) -> Policies:
        """A sub-store whose retention and gc are both not spoken of keeps everything, as zot does, which collects nothing there."""
        shelves = {"": _shelf(storage, "retention")}
        for route, store in storage.sub_paths.items():
            is_spoken_of = store.gc or "retention" in store.model_fields_set
            shelves[route] = _shelf(store, f"subPaths.{route}.retention") if is_spoken_of else Shelf((), 0.0)
        return cls(shelves)

    @classmethod
    def none(cls, delay_seconds: float) -> Policies:
        """Where nobody has configured any."""
        return cls({"": Shelf((NO_POLICY,), delay_seconds)})

    def terms(self, repository: Repository) -> Terms | None:
        """None: everything stays."""
        below = f"{repository}/"
        shelf = next(shelf for route, shelf in self._by_route.items() if not route or below.startswith(f"{route}/"))
        return shelf.terms(repository)

    def uses_time(self, repository: Repository) -> bool:
        """Whether anything of it is judged by its age."""
        terms = self.terms(repository)
        return terms is not None and terms.policy.uses_time

    def use_pulls(self, repository: Repository) -> bool:
        """Whether anybody will ask when its manifests were pulled."""
        terms = self.terms(repository)
        return terms is not None and terms.policy.uses_pulls


def _shelf(store: Store, path: str) -> Shelf:
    retention: Retention = store.retention
    policies = tuple(_policy(policy, f"{path}.policies[{n}]") for n, policy in enumerate(retention.policies))
    return Shelf(policies or (NO_POLICY,), store.retention_delay.seconds, retention.dry_run)


def _policy(policy: RetentionPolicy, label: str) -> Policy:
    return Policy(
        label,
        tuple(map(Glob, policy.repositories)),
        policy.delete_referrers,
        policy.delete_untagged,
        tuple(KeepTags(_keep(entry), tuple(map(Expression, entry.patterns))) for entry in policy.keep_tags),
        _keep(policy.keep_untagged) if policy.keep_untagged is not None else None,
    )


def _keep(keep: KeepUntagged) -> Keep:
    return Keep(
        _seconds(keep.pulled_within),
        _seconds(keep.pushed_within),
        keep.most_recently_pushed_count,
        keep.most_recently_pulled_count,
    )


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else duration.seconds
