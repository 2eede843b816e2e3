"""``http.accessControl`` decides as zot's documentation says, and never by what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.access.actions import Action
from holdfast.access.conditions import Facts
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.access.rights import Rights
from holdfast.config.access import AccessControl
from holdfast.errors import ConfigError

READ, CREATE, UPDATE, DELETE = Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE
CONTROL: dict[str, Any] = {
    "groups": {"makers": {"users": ["mara", "milo"]}},
    "repositories": {
        "**": {"defaultPolicy": ["read"], "anonymousPolicy": []},
        "team/**": {
            "policies": [
                {"users": ["carl"], "actions": ["read", "create", "update"]},
                {"groups": ["makers"], "actions": ["read", "create"]},
                {"users": ["dora"], "actions": ["read", "delete"]},
            ]
        },
        "team/public/*": {"anonymousPolicy": ["read"], "defaultPolicy": ["read", "create"]},
        "prod/**": {
            "policies": [
                {
                    "users": ["carl"],
                    "actions": ["create", "update"],
                    "conditions": [
                        {"expression": 'req.time < timestamp("2099-12-31T23:59:59Z")', "message": "it is over"},
                        {"expression": 'req.referenceType == "digest"', "message": "push by digest"},
                    ],
                }
            ]
        },
    },
    "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
}


def rights(control: dict[str, Any] | None = None, *, logins: bool = True) -> Rights:
    return Rights(AccessControl.model_validate(control or CONTROL), knows_somebody=logins)


def somebody(name: str, *groups: str) -> Identity:
    return Identity(name, Way.PASSWORD, frozenset(groups)) if name else ANONYMOUS


@pytest.mark.parametrize(
    ("name", "repository", "allowed"),
    [
        ("", "app", ""),
        ("", "team/app", ""),
        ("", "team/public/app", "read"),
        ("", "team/public/deep/app", ""),
        ("nina", "app", "read"),
        ("nina", "team/app", ""),
        ("nina", "team/public/app", "read create"),
        ("carl", "team/app", "read create update"),
        ("mara", "team/app", "read create"),
        ("dora", "team/app", "read delete"),
        ("carl", "team/public/app", "read create"),
        ("root", "team/app", "read create update delete"),
        ("root", "prod/app", "read create update delete"),
    ],
)
def test_the_longest_glob_decides_and_admins_everywhere(name: str, repository: str, allowed: str) -> None:
    found = [
        action.value
        for action in (READ, CREATE, UPDATE, DELETE)
        if rights().decide(somebody(name), action, repository, Facts()).allowed
    ]
    assert found == allowed.split()


def test_a_group_may_come_from_the_login_as_well() -> None:
    assert rights().decide(somebody("new", "makers"), CREATE, "team/app", Facts()).allowed
    assert not rights().decide(somebody("new", "other"), CREATE, "team/app", Facts()).allowed


def test_a_repository_that_no_glob_matches_is_the_admins_alone() -> None:
    only = {"repositories": {"a/**": {"defaultPolicy": ["read"]}}, "adminPolicy": CONTROL["adminPolicy"]}
    assert not rights(only).decide(somebody("carl"), READ, "b", Facts()).allowed
    assert rights(only).decide(somebody("root"), READ, "b", Facts()).allowed


def test_what_anybody_may_somebody_may_as_well() -> None:
    only = {
        "repositories": {"**": {"anonymousPolicy": ["read"], "policies": [{"users": ["x"], "actions": ["create"]}]}}
    }
    assert rights(only).decide(somebody("carl"), READ, "b", Facts()).allowed


def test_every_condition_must_hold_and_the_first_that_does_not_tells_why() -> None:
    def push(reference: str, when: float) -> tuple[bool, str]:
        verdict = rights().decide(somebody("carl"), CREATE, "prod/app", Facts(reference=reference, wall_seconds=when))
        return verdict.allowed, verdict.message

    digest = "sha256:" + "a" * 64
    assert push(digest, 1_800_000_000) == (True, "")
    assert push("v1", 1_800_000_000) == (False, "push by digest")
    assert push(digest, 4_200_000_000) == (False, "it is over")
    assert rights().could(somebody("carl"), CREATE, "prod/app")
    assert not rights().could(somebody("carl"), DELETE, "prod/app")


@pytest.mark.parametrize(
    "expression", ["req.nothing", "1", '"yes"', "req.user", "req.repository.nothing()", "1 / 0 == 1", "undefined == 1"]
)
def test_a_condition_that_cannot_be_told_does_not_hold(expression: str) -> None:
    policy = {"users": ["carl"], "actions": ["read"], "conditions": [{"expression": expression}]}
    assert (
        not rights({"repositories": {"**": {"policies": [policy]}}})
        .decide(somebody("carl"), READ, "a", Facts())
        .allowed
    )


@pytest.mark.parametrize(
    "expression",
    [
        'req.method == "PUT" && req.userAgent.startsWith("docker/")',
        'req.action == "read" && req.repository == "a/b"',
        'req.reference == "v1" && req.tag == "v1" && req.digest == "" && req.referenceType == "tag"',
        'req.user.name == "carl" && "makers" in req.user.groups',
        'req.auth.method == "htpasswd"',
        'req.client.ip == "192.0.2.7" && req.client.forwardedFor == "198.51.100.1"',
    ],
)
def test_conditions_see_the_request(expression: str) -> None:
    policy = {"users": ["carl"], "actions": ["read"], "conditions": [{"expression": expression}]}
    facts = Facts("PUT", "docker/27.0", "v1", "192.0.2.7", "198.51.100.1", 1_800_000_000)
    one = rights({"repositories": {"**": {"policies": [policy]}}})
    assert one.decide(somebody("carl", "makers"), READ, "a/b", facts).allowed


def test_what_is_no_expression_is_refused_with_its_place() -> None:
    policy = {"users": ["carl"], "actions": ["read"], "conditions": [{"expression": "req.repository +"}]}
    with pytest.raises(ConfigError) as refused:
        rights({"repositories": {"a/**": {"policies": [policy]}}})
    assert isinstance(refused.value.detail, list)
    assert (
        refused.value.detail[0]["path"]
        == 'http.accessControl.repositories["a/**"].policies[0].conditions[0].expression'
    )


def test_without_access_control_whoever_gets_in_may_do_everything() -> None:
    for logins, name, allowed in ((False, "", True), (True, "", False), (True, "carl", True)):
        open_to = Rights(None, knows_somebody=logins)
        assert open_to.decide(somebody(name), DELETE, "a", Facts()).allowed is allowed


def test_a_verdict_names_the_rule() -> None:
    verdict = rights().decide(somebody("mara"), CREATE, "team/app", Facts())
    assert verdict.rule == 'http.accessControl.repositories["team/**"].policies[1]'
    assert rights().decide(somebody("root"), DELETE, "x", Facts()).rule == "http.accessControl.adminPolicy"
    assert rights().decide(somebody("nina"), READ, "x", Facts()).rule == (
        'http.accessControl.repositories["**"].defaultPolicy'
    )
