"""Texts of keys, their scopes, names of robots, and when a key ends."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.access.actions import Action
from holdfast.access.expiry import NEVER, parse_expiry
from holdfast.access.keyscopes import EVERYTHING, MOST_SCOPES, KeyScope, KeyScopes
from holdfast.access.keytext import digest_of, is_key_id, is_robot_secret, key_id_of, new_key, new_robot_secret
from holdfast.access.robots import RobotLimit, RobotName, of_path, of_user, require_below
from holdfast.errors import InputError, NameInvalidError, RequestInvalidError


def test_a_key_is_known_by_its_looks_and_no_letter_of_it_can_be_changed() -> None:
    made = new_key(os.urandom)
    assert made.text.startswith(f"hfk_{made.key_id}_")
    assert key_id_of(made.text) == made.key_id
    assert is_key_id(made.key_id)
    assert made.text not in repr(made)
    for place in range(len(made.text)):
        other = "0" if made.text[place] != "0" else "1"
        assert key_id_of(made.text[:place] + other + made.text[place + 1 :]) is None
    assert new_key(os.urandom).text != made.text


def test_a_key_holds_256_bits_whatever_they_are() -> None:
    least, most = new_key(lambda count: b"\0" * count).text, new_key(lambda count: b"\xff" * count).text
    assert len(least) == len(most) == len(new_key(os.urandom).text)
    assert key_id_of(least)
    assert key_id_of(most)
    assert digest_of(least) != digest_of(most)


def test_a_robots_secret_is_no_key_and_a_key_no_robots_secret() -> None:
    secret, key = new_robot_secret(os.urandom), new_key(os.urandom).text
    assert is_robot_secret(secret)
    assert key_id_of(secret) is None
    assert not is_robot_secret(key)


@given(st.text(max_size=80))
def test_no_other_text_is_taken_for_a_key(text: str) -> None:
    assert key_id_of(text) is None
    assert key_id_of(f"hfk_{text}") is None
    assert not is_robot_secret(text)


@pytest.mark.parametrize(
    ("text", "action", "repository", "allowed"),
    [
        ("team/**:read,create", Action.READ, "team/a/b", True),
        ("team/**:read,create", Action.CREATE, "team/a", True),
        ("team/**:read,create", Action.UPDATE, "team/a", False),
        ("team/**:read,create", Action.READ, "other/a", False),
        ("team/app:pull", Action.READ, "team/app", True),
        ("team/app:pull", Action.CREATE, "team/app", False),
        ("team/app:push", Action.UPDATE, "team/app", True),
        ("team/app:push", Action.READ, "team/app", False),
        ("repository:team/app:pull,push", Action.CREATE, "team/app", True),
        ("repository:team/app:pull,push", Action.DELETE, "team/app", False),
        ("repository:team/app:*", Action.DELETE, "team/app", True),
        ("team/app", Action.DELETE, "team/app", True),
        ("team/app", Action.READ, "team/app/more", False),
        # What keeps somebody from deleting goes with the right to delete.
        ("team/app:delete", Action.DETECT_COLLISION, "team/app", True),
        ("team/app:pull", Action.DETECT_COLLISION, "team/app", False),
        (EVERYTHING, Action.DELETE, "a/b/c", True),
    ],
)
def test_a_scope_allows_what_it_says(text: str, action: Action, repository: str, *, allowed: bool) -> None:
    assert KeyScopes.of([text]).allows(action, repository) is allowed


@pytest.mark.parametrize(
    "text",
    ["", "team/**:", "team/**:reed", "team/**:read,", ":pull", "repository::pull", "a[:pull", "a\nb:pull", "x" * 600],
)
def test_a_scope_that_is_none_is_refused_and_not_taken_for_another(text: str) -> None:
    with pytest.raises(RequestInvalidError):
        KeyScope(text)


def test_no_scopes_allow_nothing_and_too_many_are_refused() -> None:
    assert not KeyScopes().allows(Action.READ, "a")
    with pytest.raises(RequestInvalidError):
        KeyScopes.of([f"a{number}:pull" for number in range(MOST_SCOPES + 1)])


def test_a_robot_is_named_by_its_namespace_and_name() -> None:
    name = RobotName("team/apps", "ci.2")
    assert name.user == "robot$team/apps+ci.2"
    assert of_user(name.user) == of_path("team/apps/ci.2") == of_path(name.user) == name


@pytest.mark.parametrize(
    "text", ["ci", "Team/ci", "team/", "team/CI", "team/c i", "robot$team", "robot$+ci", "team//ci", "a/b:c"]
)
def test_a_name_that_is_no_robots_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        of_path(text)
    with pytest.raises((RequestInvalidError, NameInvalidError)):
        of_user(text)


@pytest.mark.parametrize("scope", ["team/**:pull", "team/app:push", "team/{a,b}:pull", "repository:team/app:pull"])
def test_scopes_below_the_namespace_are_taken(scope: str) -> None:
    require_below(RobotName("team", "ci"), KeyScopes.of([scope]))


@pytest.mark.parametrize("scope", ["**:pull", "team*/app:pull", "teams/**:pull", "{team,other}/**:pull", "team:pull"])
def test_scopes_beyond_the_namespace_are_refused(scope: str) -> None:
    with pytest.raises(RequestInvalidError):
        require_below(RobotName("team", "ci"), KeyScopes.of(["team/**:pull", scope]))


def test_a_robot_stays_in_its_namespace_whatever_its_scopes_say() -> None:
    for scopes in (None, KeyScopes.of([EVERYTHING])):
        limit = RobotLimit(RobotName("team", "ci"), scopes)
        assert limit.allows(Action.READ, "team/app")
        for beyond in ("team", "teams/app", "other", "other/team/app"):
            assert not limit.allows(Action.READ, beyond)
            assert not limit.lists(beyond)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("never", NEVER),
        ("90d", 1_000_000 + 90 * 86400),
        ("12h", 1_000_000 + 12 * 3600),
        ("1970-02-01", 31 * 86400),
        ("1970-02-01T01:00:00Z", 31 * 86400 + 3600),
        ("1970-02-01T01:00:00+01:00", 31 * 86400),
    ],
)
def test_an_end_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_expiry(text, 1_000_000) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0d", "-1h", "1970-01-02", "12", "1e9d", "99999999-01-01", "2027-13-01"])
def test_an_end_that_is_none_or_over_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalidError):
        parse_expiry(text, 1_000_000)
