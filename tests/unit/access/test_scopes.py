"""Scopes of tokens."""

from __future__ import annotations

import pytest

from holdfast.access.actions import Action
from holdfast.access.scopes import Grant, Scope, granted, needed, parse


def test_several_scopes_in_one_text_and_in_several() -> None:
    assert parse(["repository:a/b:pull,push repository:c:pull", "registry:catalog:*"]) == (
        Scope("repository", "a/b", ("pull", "push")),
        Scope("repository", "c", ("pull",)),
        Scope("registry", "catalog", ("*",)),
    )


def test_a_name_may_hold_a_port_and_a_kind_a_class() -> None:
    assert parse(["repository:host.example:5000/a:pull", "repository(plugin):a:pull"]) == (
        Scope("repository", "host.example:5000/a", ("pull",)),
        Scope("repository", "a", ("pull",)),
    )


@pytest.mark.parametrize("text", ["", "repository", "repository:", "repository:a", "repository::pull", ":::", "x"])
def test_what_is_malformed_asks_for_nothing(text: str) -> None:
    assert parse([text]) == ()


def test_thousands_of_scopes_are_not_looked_at() -> None:
    assert len(parse(["repository:a:pull " * 10_000])) == 64


def test_less_than_asked_is_granted_where_less_is_allowed() -> None:
    def could(action: Action, repository: str) -> bool:
        return repository == "a" and action in {Action.READ, Action.CREATE}

    asked = parse(["repository:a:pull,push,delete,dance repository:b:pull repository:a:* registry:catalog:*"])
    assert [str(one) for one in granted(asked, could)] == [
        "repository:a:pull,push",
        "repository:a:pull,push",
        "registry:catalog:*",
    ]


def test_a_grant_allows_what_it_names_and_nothing_else() -> None:
    grant = Grant(parse(["repository:a:pull,push"]))
    assert [action.value for action in Action if grant.allows(action, "a")] == ["read", "create", "update"]
    assert not any(grant.allows(action, "a/b") for action in Action)
    assert Grant.of_claims([one.as_claim() for one in grant.scopes]) == grant


def test_whoever_must_push_is_told_to_ask_for_pull_as_well() -> None:
    assert str(needed(Action.UPDATE, "a")) == "repository:a:pull,push"
    assert str(needed(Action.READ, "a")) == "repository:a:pull"
