"""``http.accessControl``, decided: the longest glob that matches a repository gives its policies (zot's rules).

    policies of that glob      by user or group, each with its conditions
    its defaultPolicy          everybody who is logged in
    its anonymousPolicy        everybody
    adminPolicy                its users and groups, in every repository

Promises
  * Nothing is allowed that no rule allows; a repository that no glob matches is the admins' alone.
  * The answer depends on names and on the request, never on what is stored: what is forbidden and what is missing look the same.
  * A verdict names the rule that decided, in the words of the configuration file.

Without ``accessControl`` whoever gets in may do everything; while there are logins, nobody gets in without one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.access.actions import Action
from holdfast.access.conditions import Condition, Facts
from holdfast.errors import ConfigError
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.access.identity import Identity
    from holdfast.config.access import AccessControl, RepositoryPolicy
    from holdfast.config.access import Condition as ConditionText
    from holdfast.config.access import Policy as PolicyText

_AT: Final = "http.accessControl"
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``rule``: what decided. ``message``: what the operator wrote for whom a condition refuses; "" if nothing."""

    allowed: bool
    rule: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Policy:
    rule: str
    users: frozenset[str]
    groups: frozenset[str]
    actions: frozenset[Action]
    conditions: tuple[Condition, ...] = ()

    def is_for(self, identity: Identity, groups: frozenset[str]) -> bool:
        return identity.name in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class _Rules:
    rule: str
    glob: Glob
    policies: tuple[_Policy, ...]
    default: frozenset[Action]
    anonymous: frozenset[Action]


_OPEN: Final = Verdict(allowed=True, rule="no http.accessControl: whoever gets in may do everything")
_UNASKED: Final = Verdict(allowed=False, rule="no http.accessControl: nobody asked for it")
_SHUT: Final = Verdict(allowed=False, rule="no http.accessControl: nobody gets in without logging in")


class Rights:
    """Compiled once. ``knows_somebody``: whether there is any way to log in."""

    def __init__(self, control: AccessControl | None, *, knows_somebody: bool) -> None:
        """Raises ConfigError: a condition does not compile."""
        self._is_open = control is None
        self._needs_login = knows_somebody
        self._rules: tuple[_Rules, ...] = ()
        self._admins: _Policy | None = None
        # Which groups a user is in, and which rules a repository has: asked at every request, changed by none.
        self._groups: dict[str, frozenset[str]] = {}
        self._rules_of: Callable[[str], _Rules | None] = functools.lru_cache(_REMEMBERED)(self._matching)
        self._verdict: Callable[[Identity, Action, str], Verdict | None] = functools.lru_cache(_REMEMBERED)(self._fixed)
        if control is not None:
            rules = [_rules(glob, control.repositories[glob]) for glob in control.repositories]
            # The longest glob first; equal lengths by their text, so that the order in the file decides nothing.
            self._rules = tuple(sorted(rules, key=lambda one: (-len(one.glob.text), one.glob.text)))
            self._admins = _policy(f"{_AT}.adminPolicy", control.admin_policy) if control.admin_policy else None
            users = {user for name in control.groups for user in control.groups[name].users}
            self._groups = {
                user: frozenset(name for name in control.groups if user in control.groups[name].users) for user in users
            }

    @property
    def serves_anybody(self) -> bool:
        """Whether somebody who is not logged in may do anything at all."""
        return (self._is_open and not self._needs_login) or any(rules.anonymous for rules in self._rules)

    def groups_of(self, identity: Identity) -> frozenset[str]:
        if identity.is_anonymous:
            return frozenset()
        own = self._groups.get(identity.name)
        return identity.groups if own is None else identity.groups | own

    def decide(self, identity: Identity, action: Action, repository: str, facts: Facts) -> Verdict:
        """Whether it may be done now."""
        return self._verdict(identity, action, repository) or self._decide(identity, action, repository, facts)

    def could(self, identity: Identity, action: Action, repository: str) -> bool:
        """Whether some request of this kind would be allowed: conditions are taken to hold."""
        return self._decide(identity, action, repository, None).allowed

    def _fixed(self, identity: Identity, action: Action, repository: str) -> Verdict | None:
        """What is decided whatever else a request says; None: there are conditions."""
        applying = self._applying(self._rules_of(repository), identity, self.groups_of(identity), action)
        if any(policy.conditions for policy in applying):
            return None
        return self._decide(identity, action, repository, None)

    def _decide(self, identity: Identity, action: Action, repository: str, facts: Facts | None) -> Verdict:
        if action is Action.DETECT_COLLISION and self._is_open:
            return _UNASKED
        if self._is_open:
            return _SHUT if self._needs_login and identity.is_anonymous else _OPEN
        groups = self.groups_of(identity)
        rules = self._rules_of(repository)
        refused = Verdict(allowed=False, rule=f"{rules.rule} allows it to nobody like that" if rules else "no rule")
        for verdict in self._verdicts(rules, identity, groups, action, repository, facts):
            if verdict.allowed:
                return verdict
            refused = verdict
        return refused

    def _matching(self, repository: str) -> _Rules | None:
        return next((rules for rules in self._rules if rules.glob.matches(repository)), None)

    def _verdicts(
        self,
        rules: _Rules | None,
        identity: Identity,
        groups: frozenset[str],
        action: Action,
        repository: str,
        facts: Facts | None,
    ) -> Iterator[Verdict]:
        for policy in self._applying(rules, identity, groups, action):
            yield _judged(policy, identity, groups, action, repository, facts)
        if rules is not None and action in rules.default and not identity.is_anonymous:
            yield Verdict(allowed=True, rule=f"{rules.rule}.defaultPolicy")
        if rules is not None and action in rules.anonymous:
            yield Verdict(allowed=True, rule=f"{rules.rule}.anonymousPolicy")

    def _applying(
        self, rules: _Rules | None, identity: Identity, groups: frozenset[str], action: Action
    ) -> Iterator[_Policy]:
        if identity.is_anonymous:
            return
        policies: Sequence[_Policy] = rules.policies if rules is not None else ()
        for policy in (*policies, *((self._admins,) if self._admins else ())):
            if action in policy.actions and policy.is_for(identity, groups):
                yield policy


def _judged(
    policy: _Policy, identity: Identity, groups: frozenset[str], action: Action, repository: str, facts: Facts | None
) -> Verdict:
    if facts is None or not policy.conditions:
        return Verdict(allowed=True, rule=policy.rule)
    values = facts.values(identity, groups, action, repository)
    for number, condition in enumerate(policy.conditions):
        if not condition.holds(values):
            return Verdict(allowed=False, rule=f"{policy.rule}.conditions[{number}]", message=condition.message)
    return Verdict(allowed=True, rule=policy.rule)


def _rules(glob: str, policy: RepositoryPolicy) -> _Rules:
    rule = f'{_AT}.repositories["{glob}"]'
    return _Rules(
        rule,
        Glob(glob),
        tuple(_policy(f"{rule}.policies[{number}]", one) for number, one in enumerate(policy.policies)),
        _actions(policy.default_policy),
        _actions(policy.anonymous_policy),
    )


def _policy(rule: str, text: PolicyText) -> _Policy:
    return _Policy(
        rule,
        frozenset(text.users),
        frozenset(text.groups),
        _actions(text.actions),
        tuple(_condition(f"{rule}.conditions[{number}]", one) for number, one in enumerate(text.conditions)),
    )


def _condition(rule: str, text: ConditionText) -> Condition:
    try:
        return Condition(text.expression, text.message)
    except ConfigError as error:
        fault = {"path": f"{rule}.expression", "message": error.message, "remedy": "write it as CEL, over req"}
        raise ConfigError("a condition of http.accessControl is no expression", [fault]) from error


def _actions(words: Iterable[str]) -> frozenset[Action]:
    return frozenset(map(Action, words))
