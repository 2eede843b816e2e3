"""``holdfast user`` and ``holdfast access explain``."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from holdfast.access.htpasswd import parse
from holdfast.access.passwords import fits

if TYPE_CHECKING:
    from pathlib import Path


def holdfast(*words: object, given: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "holdfast.cli", *map(str, words)]
    return subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=60)


def test_a_user_is_added_gets_another_password_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    assert holdfast("user", "add", file, "ann", "--password-stdin", given="first\n").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert fits("first", parse(file.read_text()).hashes["ann"])
    again = holdfast("user", "add", file, "ann", "--password-stdin", given="x\n")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert holdfast("user", "passwd", file, "ann", "--password-stdin", given="second\n").returncode == 0
    assert fits("second", parse(file.read_text()).hashes["ann"])
    assert holdfast("user", "rm", file, "ann").returncode == 0
    assert parse(file.read_text()).hashes == {}
    for words in (("rm", file, "ann"), ("passwd", file, "ann", "--password-stdin")):
        absent = holdfast("user", *words, given="x\n")
        assert (absent.returncode, "not in" in absent.stderr) == (1, True)


def test_other_lines_and_the_mode_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    old = "# staff\n\nbob:$apr1$abc$def\n  odd line\n"
    file.write_text(old)
    file.chmod(0o640)
    assert holdfast("user", "add", file, "ann", "--password-stdin", given="first\n").returncode == 0
    assert file.read_text().startswith(old)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["htpasswd"]
    shown = holdfast("user", "ls", file)
    assert "ann" in shown.stdout
    assert "line 3 (bob) is left out: an MD5 hash" in shown.stdout
    assert "$" not in shown.stdout
    told = json.loads(holdfast("user", "ls", file, "--json").stdout)
    assert told["users"] == [{"user": "ann", "hash": "bcrypt"}]
    assert [one["line"] for one in told["problems"]] == [3, 4]


@pytest.mark.parametrize("name", ["", "a:b", " ann", "#ann", "a\nb"])
def test_a_name_that_the_file_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    refused = holdfast("user", "add", tmp_path / "htpasswd", name, "--password-stdin", given="x\n")
    assert refused.returncode == 1
    assert not (tmp_path / "htpasswd").exists()


@pytest.mark.parametrize("password", ["", "x" * 73])
def test_a_password_that_would_be_cut_is_refused(tmp_path: Path, password: str) -> None:
    refused = holdfast("user", "add", tmp_path / "htpasswd", "ann", "--password-stdin", given=f"{password}\n")
    assert (refused.returncode, "72 bytes" in refused.stderr) == (1, True)


def test_changes_at_once_lose_nobody(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda n: holdfast("user", "add", file, f"u{n}", "--password-stdin", given="x\n"), range(6))
        assert {one.returncode for one in done} == {0}
    assert len(parse(file.read_text()).hashes) == 6


def test_the_rule_that_decides_is_told(tmp_path: Path) -> None:
    policy = {
        "groups": ["makers"],
        "actions": ["create"],
        "conditions": [{"expression": 'req.referenceType == "digest"', "message": "push by digest"}],
    }
    rules = {
        "groups": {"makers": {"users": ["ann"]}},
        "repositories": {"team/**": {"policies": [policy], "anonymousPolicy": ["read"]}},
    }
    file = tmp_path / "config.json"
    http = {"auth": {"htpasswd": {"path": "x"}}, "accessControl": rules}
    config = {"storage": {"rootDirectory": str(tmp_path)}, "http": http}
    file.write_text(json.dumps(config))
    refused = holdfast("access", "explain", file, "ann", "create", "team/app", "--reference", "v1")
    assert refused.returncode == 1
    assert 'decided by  http.accessControl.repositories["team/**"].policies[0].conditions[0]' in refused.stdout
    assert "push by digest" in refused.stdout
    assert "in groups   makers" in refused.stdout
    digest = "sha256:" + "0" * 64
    allowed = holdfast("access", "explain", file, "ann", "create", "team/app", "--reference", digest, "--json")
    assert (allowed.returncode, json.loads(allowed.stdout)["allowed"]) == (0, True)
    assert holdfast("access", "explain", file, "-", "read", "team/app").returncode == 0
    assert holdfast("access", "explain", file, "-", "delete", "team/app").returncode == 1
    policy["groups"] = ["builders"]
    file.write_text(json.dumps(config))
    member = holdfast(
        "access",
        "explain",
        file,
        "eve",
        "create",
        "team/app",
        "--group",
        "cn=builders,ou=g,dc=x",
        "--reference",
        digest,
    )
    assert (member.returncode, "in groups   builders, cn=builders,ou=g,dc=x" in member.stdout) == (0, True)
    assert holdfast("access", "explain", file, "ann", "dance", "team/app").returncode == 2
    assert holdfast("access", "explain", file, "ann", "read", "UPPER").returncode == 1
    policy["conditions"] = [{"expression": "req."}]
    file.write_text(json.dumps(config))
    assert holdfast("access", "explain", file, "ann", "read", "team/app").returncode == 78
