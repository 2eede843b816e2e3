"""``holdfast apikey``, ``robot`` and ``whoami``: on one machine, and over etcd with two gateways."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from tests.access.conftest import line, starting
from tests.access.guarded import basic
from tests.etcd_cluster import EtcdCluster
from tests.ops.cluster import Edge
from tests.serving import STOP_SECONDS, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.access.guarded import Guarded


def holdfast(*words: object, given: str = "", **environment: str) -> Result:
    """In this process: a dozen interpreters would take most of the time of these tests."""
    env = {"NO_COLOR": "1", "DOCKER_CONFIG": "/nonexistent"} | environment
    return CliRunner().invoke(app, list(map(str, words)), input=given, env=env)


def must(*words: object, given: str = "", **environment: str) -> str:
    done = holdfast(*words, given=given, **environment)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with starting(tmp_path_factory.mktemp("tools"), {"ann": "right"}, auth={"apikey": True}) as started:
        yield started


def test_a_key_is_made_listed_used_and_revoked_at_a_terminal(registry: Guarded, tmp_path: Path) -> None:
    login = (registry.host, "-u", "ann", "--password-stdin")
    made = must("apikey", "create", *login, "--scope", "team/**:pull", "--label", "ci", given="right\n")
    key = made.strip()
    assert registry.whoami(basic("ann", key), "team/app")["repositories"] == [{"name": "team/app", "may": ["read"]}]
    # From now on docker's own login is enough, as a script has it.
    auth = base64.b64encode(f"ann:{key}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    told = must("whoami", registry.host, "-r", "team/app", "-r", "other", DOCKER_CONFIG=str(tmp_path))
    assert told.splitlines() == [
        "ann, by apikey",
        "  limited    to the scopes of this key, robot or token",
        "  team/app  read",
        "  other  nothing",
    ]
    refused = holdfast("apikey", "ls", registry.host, DOCKER_CONFIG=str(tmp_path))
    assert (refused.exit_code, "not with a key" in refused.stderr) == (1, True)
    listed = json.loads(must("apikey", "ls", *login, "--json", given="right\n"))
    (key_id,) = [one["uuid"] for one in listed if one["label"] == "ci"]
    assert not listed[0]["expirationDate"].startswith("0001")
    shown = must("apikey", "ls", *login, given="right\n")
    assert key_id in shown
    assert key not in shown
    assert "revoked" in must(
        "apikey", "revoke", registry.host, key_id, "-u", "ann", "--password-stdin", given="right\n"
    )
    wait_for("the key to end", lambda: registry.status("GET", "/v2/", basic("ann", key)) == 401)


def test_an_operator_ends_a_key_that_was_found_somewhere(registry: Guarded) -> None:
    config = ("--config", registry.server.config)
    first, second = (registry.key(basic("ann", "right"), "**:*") for _ in range(2))
    assert "htpasswd:ann" in must("apikey", "end", first["uuid"], *config)
    assert second["uuid"] in must("apikey", "end", "-", *config, given=f"{second['apiKey']}\n")
    for made in (first, second):
        wait_for("it to end", lambda made=made: registry.status("GET", "/v2/", basic("ann", made["apiKey"])) == 401)
    for wrong in (first["uuid"], "../robots", "-"):
        assert holdfast("apikey", "end", wrong, *config, given="hfk_\n").exit_code == 1
    ended = [one["path"] for one in registry.audit() if one["method"] == "apikey end"]
    assert ended == [f"apikey:{made['uuid']}" for made in (first, second)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scope", "team/**:fly"), "no action"),
        (("--scope", "**:*", "--expires", "soon"), "no time to end"),
    ],
)
def test_a_wish_that_is_none_is_refused_with_the_reason(registry: Guarded, words: tuple[str, ...], told: str) -> None:
    done = holdfast("apikey", "create", registry.host, "-u", "ann", "--password-stdin", *words, given="right\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert told in done.stderr


def test_a_wrong_password_and_nobody_at_all_are_refused(registry: Guarded) -> None:
    wrong = holdfast("apikey", "ls", registry.host, "-u", "ann", "--password-stdin", given="wrong\n")
    assert (wrong.exit_code, "refuses (401)" in wrong.stderr) == (1, True)
    nobody = holdfast("apikey", "ls", registry.host)
    assert (nobody.exit_code, "--user" in nobody.stderr) == (1, True)
    assert must("whoami", registry.host).startswith("nobody in particular, by anonymous")


def test_a_robot_is_added_rotated_and_taken_away_and_the_audit_log_knows(registry: Guarded) -> None:
    config = ("--config", registry.server.config)
    secret = must("robot", "add", "team/ci", "--scope", "team/**:pull,push", *config).strip()
    robot = "robot$team+ci"
    told = registry.whoami(basic(robot, secret), "team/app", "other/app")
    assert (told["user"], told["by"]) == (robot, "robot")
    assert [one["may"] for one in told["repositories"]] == [["read", "create", "update"], []]
    again = holdfast("robot", "add", "team/ci", *config)
    assert (again.exit_code, "there already" in again.stderr, again.stdout) == (1, True, "")
    beyond = holdfast("robot", "add", "team/wide", "--scope", "**:pull", *config)
    assert (beyond.exit_code, "reaches beyond" in beyond.stderr) == (1, True)
    (listed,) = [one for one in json.loads(must("robot", "ls", *config, "--json")) if one["user"] == robot]
    assert (listed["scopes"], listed["expired"]) == (["team/**:pull,push"], False)
    shown = must("robot", "ls", "team", *config)
    assert robot in shown
    assert secret not in shown
    fresh = must("robot", "rotate", robot, *config).strip()
    wait_for("the old secret to end", lambda: registry.status("GET", "/v2/", basic(robot, secret)) == 401)
    wait_for("the new secret to count", lambda: registry.status("GET", "/v2/", basic(robot, fresh)) == 200)
    must("robot", "rm", "team/ci", *config)
    wait_for("the robot to be gone", lambda: registry.status("GET", "/v2/", basic(robot, fresh)) in {401, 429})
    for words in (("rm", "team/ci"), ("rotate", "team/ci")):
        assert holdfast("robot", *words, *config).exit_code == 1
    lines = [one for one in registry.audit() if one["method"].startswith("robot")]
    done = [(one["method"], one["path"], one["by"]) for one in lines]
    assert done == [(f"robot {what}", robot, "operator") for what in ("add", "rotate", "rm")]


def test_robots_of_a_registry_that_is_not_there_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"storage": {"rootDirectory": str(tmp_path / "none")}}))
    assert holdfast("robot", "ls", "--config", config).exit_code == 78
    assert not (tmp_path / "none").exists()


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[tuple[Path, list[Edge]]]:
    """Two gateways that share nothing but etcd; who asks for no image needs no storage node."""
    (tmp_path / "htpasswd").write_text(line("ann", "right"))
    etcd = EtcdCluster.start(tmp_path / "etcd")
    edges, processes = [Edge(free_port()), Edge(free_port())], []
    try:
        for edge in edges:
            settings = {
                "storage": {"rootDirectory": str(tmp_path / "unused")},
                "http": {
                    "address": "127.0.0.1",
                    "port": str(edge.port),
                    "auth": {"htpasswd": {"path": str(tmp_path / "htpasswd")}, "apikey": True},
                },
                "cluster": {"etcd": {"endpoints": etcd.urls}},
            }
            config = tmp_path / f"{edge.port}.json"
            config.write_text(json.dumps(settings))
            words = [sys.executable, "-m", "holdfast.cli", "gateway", str(config)]
            with (tmp_path / "log").open("ab") as log:
                processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        for edge in edges:
            wait_for("the gateways", lambda edge=edge: who(edge, None) == 200, 60)
        yield config, edges
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(STOP_SECONDS)
        etcd.stop()


def who(edge: Edge, login: dict[str, str] | None) -> int:
    try:
        return edge("GET", "/_holdfast/whoami", **(login or {}))[0]
    except OSError:
        return 0


def test_what_is_revoked_at_one_gateway_ends_at_the_other(gateways: tuple[Path, list[Edge]]) -> None:
    config, (one, other) = gateways
    ann = basic("ann", "right")
    status, _, body = one("POST", "/zot/auth/apikey", b'{"scopes": ["team/**:pull"]}', **ann)
    assert status == 201, body
    made = json.loads(body)
    key = basic("ann", made["apiKey"])
    robot = basic("robot$team+ci", must("robot", "add", "team/ci", "--config", config).strip())
    assert {who(edge, login) for edge in (one, other) for login in (key, robot)} == {200}
    assert one("DELETE", f"/zot/auth/apikey?id={made['uuid']}", **ann)[0] == 200
    must("robot", "rm", "team/ci", "--config", config)
    for login in (key, robot):
        wait_for("it to end everywhere", lambda login=login: {who(edge, login) for edge in (one, other)} == {401})
