"""API keys and robots at the door: what a key proves, when it ends, and what is counted."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.access.apikeys import ApiKeys, OwnKeys
from gateway.access.gate import Caller, Gate
from gateway.access.guesses import Guesses
from gateway.access.options import AccessOptions
from gateway.access.robots import Robots
from gateway.access.throttle import Throttle
from gateway.access.tokens import Tokens
from gateway.access.uses import REFRESH_SECONDS, Uses
from gateway.access.ways import Proven, Standing, Standings, Ways
from holdfast.access.actions import Action
from holdfast.access.identity import Identity, Way
from holdfast.access.keytext import digest_of, new_key, new_robot_secret
from holdfast.access.rights import Rights
from holdfast.access.robots import RobotName
from holdfast.access.scopes import Scope
from holdfast.clock import ManualClock
from holdfast.config import Settings
from holdfast.config.access import AccessControl
from holdfast.errors import (
    ConfigError,
    DeniedError,
    LoginNeededError,
    LoginRefusedError,
    MissingError,
    TooManyLoginsError,
)
from holdfast.meta.apikeys import ApiKeyBook
from holdfast.meta.robots import Robot, RobotBook
from holdfast.meta.signing import SigningKeys
from holdfast.meta.uses import UseTimes
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME = "192.0.2.1"
CI = RobotName("team", "ci")
RULES = AccessControl.model_validate(
    {
        "repositories": {
            "team/**": {"policies": [{"users": ["ann", CI.user], "actions": ["read", "create"]}]},
            "other/**": {"policies": [{"users": ["ann", CI.user], "actions": ["read"]}], "defaultPolicy": ["read"]},
        }
    }
)


@dataclass
class People:
    """Accounts with one password each; removed ones are nobody."""

    word: str = "htpasswd"
    passwords: dict[str, str] = field(default_factory=lambda: {"ann": "right", "bob": "builder"})

    def check(self, user: str, password: str, address: str) -> Proven | None:
        if self.passwords.get(user) != password:
            raise LoginRefusedError("no")
        return self.proven(user)

    def standing(self, name: str) -> Standing | None:
        password = self.passwords.get(name)
        return None if password is None else Standing(password, self.proven(name))

    def proven(self, user: str) -> Proven:
        return Proven(Identity(user, Way.PASSWORD), account=f"htpasswd:{user}")


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    people: People = field(default_factory=People)
    waits: list[None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock.advance(1000)
        self.store = MemoryStore(self.clock)
        self.book = ApiKeyBook(self.store, lambda: os.urandom(16))
        self.robots = RobotBook(self.store, lambda: os.urandom(16))
        self.times = UseTimes(self.store)
        self.uses = Uses(self.times, self.clock)
        self.own = OwnKeys(self.book, self.times, str, self.clock)
        self.gate, self.tokens = self.gateway()
        self.ann = self.people.proven("ann")

    def gateway(self) -> tuple[Gate, Tokens]:
        """A gateway of its own, over the same metadata."""
        guesses = Guesses(Throttle(self.clock, limit=3), self.clock, lambda: self.waits.append(None))
        keys = ApiKeys(self.book, Standings((self.people,)), guesses, self.uses, self.clock)
        robots = Robots(self.robots, guesses, self.uses, self.clock)
        passwords = (keys, robots, self.people)
        signing = SigningKeys(self.store, lambda: os.urandom(16), lambda: os.urandom(32), self.clock)
        tokens = Tokens(signing, Standings(passwords), self.clock)
        return Gate(Rights(RULES, knows_somebody=True), Ways(passwords, (keys, tokens))), tokens

    def key(self, *scopes: str, ends: float = 0.0) -> tuple[str, str]:
        """Id and text of a key of ann's."""
        made, text = self.own.make(self.ann, "ci", scopes, ends, "curl")
        return made.key_id, text

    def robot(self, scopes: Sequence[str], ends: float = 0.0) -> str:
        secret, now = new_robot_secret(os.urandom), self.clock.wall()
        self.robots.add(Robot(CI, tuple(scopes), digest_of(secret), now, now, ends))
        return secret

    def may(self, proven: Proven, repository: str) -> list[str]:
        caller = Caller(proven)
        asked = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE)
        return [action.value for action in asked if self.gate.may(caller, action, repository)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_allows_its_scopes_and_no_more_than_its_owner_may(world: World) -> None:
    _, text = world.key("team/**:pull,delete", "other/**:pull,push")
    proven = world.gate.login("ann", text, HOME)
    assert (proven.identity.name, proven.identity.way) == ("ann", Way.API_KEY)
    assert world.may(proven, "team/app") == ["read"]
    assert world.may(proven, "other/app") == ["read"]
    assert world.may(proven, "third/app") == []
    assert world.may(world.ann, "team/app") == ["read", "create"]


def test_a_key_counts_as_a_bearer_token_too(world: World) -> None:
    _, text = world.key("team/**:pull")
    caller = world.gate.who(f"Bearer {text}", Caller().facts)
    assert (caller.identity.name, caller.proven.account[:7]) == ("ann", "apikey:")
    with pytest.raises(LoginRefusedError):
        world.gate.who(f"Bearer {new_key(os.urandom).text}", Caller().facts)


def test_the_catalog_names_what_a_key_may_read_and_no_more(world: World) -> None:
    _, text = world.key("team/**:pull")
    caller = Caller(world.gate.login("ann", text, HOME))
    assert world.gate.lists(caller, "team/app")
    assert not world.gate.lists(caller, "other/app")
    assert world.gate.lists(Caller(world.ann), "other/app")


def test_a_key_is_its_owners_and_nobody_elses_password(world: World) -> None:
    _, text = world.key("**:*")
    with pytest.raises(LoginRefusedError):
        world.gate.login("bob", text, HOME)
    assert world.gate.login("ann", text, HOME).identity.name == "ann"


def test_a_key_ends_with_its_owner_and_by_its_age(world: World) -> None:
    _, lasting = world.key("**:*")
    _, short = world.key("**:*", ends=world.clock.wall() + 60)
    assert world.gate.login("ann", short, HOME)
    world.clock.advance(60)
    with pytest.raises(LoginRefusedError):
        world.gate.login("ann", short, HOME)
    assert world.gate.login("ann", lasting, HOME)
    del world.people.passwords["ann"]
    with pytest.raises(LoginRefusedError):
        world.gate.login("ann", lasting, HOME)


def test_a_revoked_key_ends_at_every_gateway_within_two_seconds_with_its_tokens(world: World) -> None:
    key_id, text = world.key("team/**:pull")
    other, tokens = world.gateway()
    proven = other.login("ann", text, HOME)
    access, refresh = tokens.access(proven, [Scope("repository", "team/app", ("pull",))]), tokens.refresh(proven)
    assert tokens.read(access).identity.name == "ann"
    world.own.revoke(world.ann, key_id)
    world.clock.advance(1.9)
    with pytest.raises(LoginRefusedError):
        other.login("ann", text, HOME)
    with pytest.raises(LoginRefusedError):
        tokens.read(access)
    with pytest.raises(LoginRefusedError):
        tokens.owner_of_refresh(refresh)


def test_a_token_got_by_a_key_allows_no_more_than_the_key(world: World) -> None:
    _, text = world.key("team/**:pull")
    proven = world.gate.login("ann", text, HOME)
    asked = [Scope("repository", "team/app", ("pull", "push")), Scope("repository", "other/app", ("pull",))]
    assert world.gate.granted(proven, asked) == (Scope("repository", "team/app", ("pull",)),)
    # A token that says more, as one of a wider scope would: the key's own limits still hold.
    wide = world.tokens.read(world.tokens.access(proven, asked))
    assert world.may(wide, "team/app") == ["read"]
    assert world.may(wide, "other/app") == []
    again = world.tokens.owner_of_refresh(world.tokens.refresh(proven))
    assert world.gate.granted(again, asked) == (Scope("repository", "team/app", ("pull",)),)


def test_neither_a_key_nor_a_token_nor_a_robot_nor_nobody_makes_keys(world: World) -> None:
    _, text = world.key("**:*")
    by_key = world.gate.login("ann", text, HOME)
    by_token = world.tokens.read(world.tokens.access(world.ann, ()))
    robot = world.gate.login(CI.user, world.robot([]), HOME)
    for proven in (by_key, by_token, robot, world.tokens.owner_of_refresh(world.tokens.refresh(by_key))):
        with pytest.raises(DeniedError):
            world.own.make(proven, "", ["**:*"], 0.0, "")
        with pytest.raises(DeniedError):
            world.own.of(proven)
    with pytest.raises(LoginNeededError):
        world.own.make(Proven(), "", ["**:*"], 0.0, "")
    with pytest.raises(DeniedError):
        world.own.make(Proven(Identity("eve", Way.TOKEN)), "", [], 0.0, "")


def test_nobody_revokes_anothers_key(world: World) -> None:
    key_id, text = world.key("**:*")
    with pytest.raises(MissingError):
        world.own.revoke(world.people.proven("bob"), key_id)
    with pytest.raises(MissingError):
        world.own.revoke(world.ann, "../robots/x")
    assert world.gate.login("ann", text, HOME)


def test_no_text_of_a_key_is_in_the_metadata_or_in_what_may_be_logged(world: World) -> None:
    key_id, text = world.key("**:*")
    secret = world.robot(["team/**:pull"])
    stored = b"".join(entry.key + entry.value for entry in world.store.range(b"\0", b"\xff", 1000).entries)
    for part in (text, text.rpartition("_")[2][:20], secret, secret[4:24]):
        assert part.encode() not in stored
    assert digest_of(text).hex() not in repr(world.book.find(key_id))
    assert str(digest_of(text)) not in repr(world.book.find(key_id))


def test_guesses_are_counted_and_then_not_looked_at_but_what_works_goes_on(world: World) -> None:
    _, at_work = world.key("**:*")
    _, unused = world.key("**:*")
    assert world.gate.login("ann", at_work, HOME)
    for _ in range(3):
        with pytest.raises(LoginRefusedError):
            world.gate.login("ann", new_key(os.urandom).text, HOME)
    assert len(world.waits) == 3
    with pytest.raises(TooManyLoginsError):
        world.gate.login("ann", unused, HOME)
    assert world.gate.login("ann", at_work, HOME)
    assert world.gate.login("ann", unused, "192.0.2.2")


def test_a_robot_has_its_scopes_whatever_the_rules_say_and_nothing_outside(world: World) -> None:
    secret = world.robot(["team/**:pull,push,delete"])
    proven = world.gate.login(CI.user, secret, HOME)
    assert (proven.identity.name, proven.identity.way) == ("robot$team+ci", Way.ROBOT)
    assert world.may(proven, "team/app") == ["read", "create", "update", "delete"]
    # The rules name it, and their default is for everybody who is logged in: still not below its namespace.
    assert world.may(proven, "other/app") == []
    asked = [Scope("repository", "team/app", ("pull", "delete")), Scope("repository", "other/app", ("pull",))]
    granted = world.gate.granted(proven, asked)
    assert granted == (Scope("repository", "team/app", ("pull", "delete")),)
    assert world.may(world.tokens.read(world.tokens.access(proven, granted)), "team/app") == ["read", "delete"]


def test_a_robot_without_scopes_has_what_the_rules_give_to_its_name(world: World) -> None:
    proven = world.gate.login(CI.user, world.robot([]), HOME)
    assert world.may(proven, "team/app") == ["read", "create"]
    assert world.may(proven, "other/app") == []


def test_a_robot_ends_by_its_age_by_rotation_and_when_it_is_taken_away(world: World) -> None:
    secret = world.robot(["team/**:pull"], ends=world.clock.wall() + 600)
    other, tokens = world.gateway()
    refresh = tokens.refresh(other.login(CI.user, secret, HOME))
    fresh = new_robot_secret(os.urandom)
    world.robots.rotate(CI, digest_of(fresh), world.clock.wall(), None)
    world.clock.advance(1.9)
    for refused in (lambda: other.login(CI.user, secret, HOME), lambda: tokens.owner_of_refresh(refresh)):
        with pytest.raises(LoginRefusedError):
            refused()
    assert other.login(CI.user, fresh, HOME)
    world.clock.advance(600)
    with pytest.raises(LoginRefusedError):
        other.login(CI.user, fresh, "192.0.2.9")
    world.robots.rotate(CI, digest_of(fresh), world.clock.wall(), 0.0)
    world.clock.advance(1.9)
    assert other.login(CI.user, fresh, HOME)
    world.robots.remove(CI)
    world.clock.advance(1.9)
    with pytest.raises(LoginRefusedError):
        other.login(CI.user, fresh, "192.0.2.9")


def test_no_other_way_is_asked_about_a_robots_name(world: World) -> None:
    world.people.passwords["robot$team+ci"] = world.people.passwords["robot$"] = "x"
    for user in ("robot$team+ci", "robot$"):
        with pytest.raises(LoginRefusedError):
            world.gate.login(user, "x", HOME)


def test_a_use_is_written_once_a_minute_whatever_the_number_of_requests(world: World) -> None:
    key_id, text = world.key("**:*")
    found = world.book.find(key_id)
    assert found is not None
    world.gate.login("ann", text, HOME)
    world.uses.flush()
    first = world.times.read([found.place])
    assert first == {found.place: world.clock.wall()}
    transactions = world.store.transactions
    for _ in range(100):
        world.clock.advance(REFRESH_SECONDS / 101)
        world.gate.login("ann", text, HOME)
        world.uses.flush()
    assert (world.times.read([found.place]), world.store.transactions) == (first, transactions)
    world.clock.advance(1)
    world.gate.login("ann", text, HOME)
    world.uses.flush()
    assert world.times.read([found.place]) == {found.place: world.clock.wall()}
    assert [used for _, used in world.own.of(world.ann)] == [world.clock.wall()]


def test_keys_without_any_way_to_log_in_are_refused_at_the_start() -> None:
    settings = Settings.model_validate({"http": {"auth": {"apikey": True}}})
    with pytest.raises(ConfigError) as refused:
        AccessOptions.of(settings)
    assert [fault["path"] for fault in refused.value.detail] == ["http.auth.apikey"]


def test_metadata_that_is_away_loses_a_time_and_nothing_else(world: World) -> None:
    _, text = world.key("**:*")
    world.gate.login("ann", text, HOME)
    world.store.fail_txn(1, "down")
    world.uses.flush()
    assert world.gate.login("ann", text, HOME)
