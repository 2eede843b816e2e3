from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from holdfast.errors import ConfigError, UpstreamUnavailableError
from syncworker.upstream.credentials import Credentials, CredentialsFile, DockerConfig, InOrder, Listed
from syncworker.upstream.programs import CredentialProgram
from tests.serving import wait_for


def docker_config(directory: Path, **members: object) -> DockerConfig:
    path = directory / "config.json"
    path.write_text(json.dumps(members))
    return DockerConfig(path, lambda name: helper(directory, name))


def helper(directory: Path, name: str, seconds: float = 30.0) -> CredentialProgram:
    return CredentialProgram(name, {"PATH": f"{directory}:{os.environ['PATH']}"}, seconds)


def install(directory: Path, name: str, script: str) -> None:
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_zots_file_is_read_by_host_and_anew_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text('{"registry.example:5000": {"username": "u", "password": "one"}}')
    source = CredentialsFile(path)
    assert source.login("registry.example:5000") == Credentials("u", "one")
    assert source.login("registry.example") is None
    path.write_text('{"registry.example:5000": {"username": "u", "password": "two"}}')
    assert source.login("registry.example:5000") == Credentials("u", "two")


def test_docker_hub_is_found_under_all_its_names() -> None:
    login = Credentials("u", "p")
    for name in ("registry-1.docker.io", "index.docker.io", "docker.io", "https://index.docker.io/v1/"):
        assert Listed({name: login}).login("registry-1.docker.io") == login
    assert Listed({"docker.io": login}).login("quay.io") is None


def test_dockers_file_holds_logins_in_several_forms(tmp_path: Path) -> None:
    source = docker_config(
        tmp_path,
        auths={
            "https://one.example/v1/": {"auth": b64("u:p:w")},
            "two.example": {"username": "u", "password": "p"},
            "three.example": {"auth": b64("<token>:"), "identitytoken": "it"},
            "four.example": {},
        },
    )
    assert source.login("one.example") == Credentials("u", "p:w")
    assert source.login("two.example") == Credentials("u", "p")
    found = source.login("three.example")
    assert found is not None
    assert found.identity_token == "it"
    assert source.login("four.example") is None
    assert source.login("five.example") is None


def test_a_file_of_dockers_that_is_not_there_has_no_logins_and_a_broken_one_is_told(tmp_path: Path) -> None:
    source = DockerConfig(tmp_path / "none.json", lambda name: helper(tmp_path, name))
    assert source.login("one.example") is None
    (tmp_path / "none.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        source.login("one.example")


def test_a_helper_is_asked_for_its_host_only(tmp_path: Path) -> None:
    install(
        tmp_path, "mine", 'read host; printf \'{"ServerURL":"%s","Username":"%s","Secret":"s"}\' "$host" "$host-$1"'
    )
    source = docker_config(tmp_path, credHelpers={"one.example": "mine"}, auths={"two.example": {"auth": b64("u:p")}})
    assert source.login("one.example") == Credentials("one.example-get", "s")
    assert source.login("two.example") == Credentials("u", "p")


def test_a_helper_that_hands_out_an_identity_token(tmp_path: Path) -> None:
    install(tmp_path, "mine", 'printf \'{"ServerURL":"x","Username":"<token>","Secret":"it"}\'')
    assert helper(tmp_path, "mine").login("one.example") == Credentials("", identity_token="it")


def test_a_helper_that_knows_no_login_lets_the_next_source_answer(tmp_path: Path) -> None:
    install(tmp_path, "mine", "echo credentials not found in native keychain; exit 1")
    source = docker_config(tmp_path, credsStore="mine", auths={"one.example": {"auth": b64("u:p")}})
    assert source.login("one.example") == Credentials("u", "p")
    assert InOrder([helper(tmp_path, "mine"), Listed({"h": Credentials("v")})]).login("h") == Credentials("v")


def test_a_helper_that_fails_may_succeed_later_and_its_words_are_not_shown(tmp_path: Path) -> None:
    install(tmp_path, "mine", "echo s3cret; echo s3cret >&2; exit 2")
    with pytest.raises(UpstreamUnavailableError) as caught:
        helper(tmp_path, "mine").login("one.example")
    assert "s3cret" not in str(caught.value)


def test_a_helper_that_hangs_is_ended(tmp_path: Path) -> None:
    install(tmp_path, "mine", "exec sleep 600")
    with pytest.raises(UpstreamUnavailableError, match="nothing"):
        helper(tmp_path, "mine", 0.2).login("one.example")


def test_a_helper_that_leaves_somebody_behind_on_its_output_is_ended_with_them(tmp_path: Path) -> None:
    install(tmp_path, "mine", f"sleep 600 & echo $! > {tmp_path}/pid; exit 0")
    with pytest.raises(UpstreamUnavailableError, match="nothing"):
        helper(tmp_path, "mine", 0.5).login("one.example")
    left = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    wait_for("the one left behind to end", lambda: not left.exists() or left.read_text().split()[2] == "Z")


def test_a_helper_that_never_stops_talking_is_ended(tmp_path: Path) -> None:
    install(tmp_path, "mine", "while :; do echo 0123456789012345678901234567890123456789; done")
    with pytest.raises(ConfigError, match="docker-credential-mine"):
        helper(tmp_path, "mine").login("one.example")


def test_a_helper_that_does_not_read_what_it_is_asked_is_heard_all_the_same(tmp_path: Path) -> None:
    install(tmp_path, "mine", 'exec <&-; printf \'{"Username":"u","Secret":"s"}\'')
    assert helper(tmp_path, "mine").login("one.example") == Credentials("u", "s")


def test_a_helper_sees_no_environment_but_the_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_OURS", "x")
    install(tmp_path, "mine", 'printf \'{"Username":"[%s]","Secret":"s"}\' "$A_SECRET_OF_OURS"')
    assert helper(tmp_path, "mine").login("h") == Credentials("[]", "s")


@pytest.mark.parametrize("answer", ["", "null", "[]", '{"Username": "u"}', '{"Username": 1, "Secret": "s"}'])
def test_a_program_that_is_no_helper_is_told(tmp_path: Path, answer: str) -> None:
    install(tmp_path, "mine", f"printf '%s' '{answer}'")
    with pytest.raises(ConfigError, match="docker-credential-mine"):
        helper(tmp_path, "mine").login("h")


@pytest.mark.parametrize("name", ["../../bin/sh", "", "a b", "x;y", "absent-one"])
def test_a_helper_of_an_odd_name_is_never_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        helper(tmp_path, name).login("h")


def test_secrets_are_not_in_what_is_shown() -> None:
    assert "s3cret" not in repr(Credentials("u", "s3cret", "s3cret"))
