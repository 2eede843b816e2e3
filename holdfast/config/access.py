"""``http.accessControl``: who may do what where.

Promises: repository globs and group names keep their spelling and compare without case, as in zot. CEL conditions stay
text here; whoever evaluates them compiles them.

Never: decides a request.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from holdfast.config.casemap import CaseMap
from holdfast.config.scalars import Globbed, Listed, Named, Text, one_of
from holdfast.config.section import Section, field

Action = Annotated[
    Text, AfterValidator(one_of("read", "create", "update", "delete", "detectManifestCollision", exact=True))
]


class Condition(Section):
    """A further condition of a policy."""

    expression: Text = field("", "CEL expression that must be true.")
    message: Text = field("", "Reason told to whom it refuses.")


class Policy(Section):
    """What some users and groups may do."""

    users: Listed[Text] = field((), "Users it is for.")
    groups: Listed[Text] = field((), "Groups it is for.")
    actions: Listed[Action] = field((), "read, create, update (overwrite a tag), delete, detectManifestCollision.")
    conditions: Listed[Condition] = field((), "All must hold.")


class RepositoryPolicy(Section):
    """Policies of the repositories that a glob matches; the longest glob wins."""

    policies: Listed[Policy] = field((), "By user and group.")
    default_policy: Listed[Action] = field((), "What everybody who is logged in may do.")
    anonymous_policy: Listed[Action] = field((), "What everybody may do.")


class Group(Section):
    """Users who share policies."""

    users: Listed[Text] = field((), "Members.")


class MetricsAccess(Section):
    """Who may read the metrics."""

    users: Listed[Text] = field((), "Users who may.")
    anonymous_policy: Listed[Action] = field((), 'With "read", everybody may.')


class AccessControl(Section):
    """Who may do what where. Without this block everybody who gets in may do everything."""

    repositories: Globbed[RepositoryPolicy] = field(CaseMap, "Policies by glob of repositories.")
    admin_policy: Policy | None = field(None, "Overrides the policies of repositories.")
    groups: Named[Group] = field(CaseMap, "Groups by name.")
    metrics: MetricsAccess | None = field(None, "Who may read the metrics.")

    @property
    def needs_logins(self) -> bool:
        """Whether any rule is for somebody who must be known, or none is for anybody."""
        known = any(p.default_policy or p.policies for p in self.repositories.values())
        admin = self.admin_policy is not None and bool(self.admin_policy.model_fields_set)
        scrapers = self.metrics is not None and bool(self.metrics.users)
        return known or admin or scrapers or not self.anonymous

    @property
    def anonymous(self) -> bool:
        """Whether any rule is for everybody."""
        scrape = self.metrics is not None and bool(self.metrics.anonymous_policy)
        return scrape or any(p.anonymous_policy for p in self.repositories.values())
