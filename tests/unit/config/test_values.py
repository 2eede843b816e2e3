"""Patterns, and what may be shown of a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.config import Settings
from holdfast.config.check import examine
from holdfast.config.faults import REMEDIES, json_path, printable
from holdfast.config.shape import keys_of
from holdfast.patterns.expressions import regex_problem
from holdfast.patterns.globs import glob_problem

GOOD_GLOBS = ["", "**", "a/*", "infra/{a,b}/**", "{a,{b,c}}", "[a-z]?", "[^a]", "[!a]", r"\[x\]", r"[\]]", "a]", r"\{"]
BAD_GLOBS = ["[", "a[", "[]", "[^]", "[]a]", "{", "{a", "}", "a}", "{a}}", "\\", "[a\\", r"[\]"]


@pytest.mark.parametrize("pattern", GOOD_GLOBS)
def test_a_balanced_glob_compiles(pattern: str) -> None:
    assert glob_problem(pattern) is None


@pytest.mark.parametrize("pattern", BAD_GLOBS)
def test_an_unbalanced_glob_does_not(pattern: str) -> None:
    assert glob_problem(pattern)


def test_expressions_are_judged_by_compiling_them() -> None:
    assert regex_problem(r".*-(amd64|arm64)$") is None
    assert regex_problem("[[a]") is None
    for pattern in ("(", "*", "a{1001}", "(" * 5000):
        assert regex_problem(pattern)


def secret_places(kind: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all settings that are declared secret, through objects and drivers."""
    found = []
    for spelling, inner in keys_of(kind).values():
        info = next(i for i in kind.model_fields.values() if i.alias == spelling)
        if "SecretStr" in repr(info.annotation):
            found.append((*at, spelling))
        for model in dict(getattr(inner, "models", ())).values():
            found += secret_places(model, (*at, spelling))
        single = getattr(inner, "item", inner)
        if isinstance(single, type):
            found += secret_places(single, (*at, spelling))
    return found


def test_no_fault_shows_a_secret() -> None:
    places = secret_places(Settings)
    assert {place[-1] for place in places} >= {
        "secretkey",
        "password",
        "clientsecret",
        "hashKey",
        "headers",
        "accountkey",
    }
    marker = "hunter2"
    s3 = {"name": "s3", "secretkey": [marker], "accesskey": {marker: marker}, "bucket": {}}
    azure = {"name": "azure", "accountkey": [marker], "credentials": {"secret": [marker]}}
    url = f"redis://u:{marker}@h"
    redis = {"name": "redis", "url": [url], "password": [marker], "db": url}
    credentials = {"password": [marker], "token": [marker]}
    sink = {"type": "http", "headers": {"Authorization": [marker]}, "credentials": credentials}
    login = {"openid": {"providers": {"oidc": {"clientsecret": [marker]}}}}
    config = {
        "storage": {
            "rootDirectory": "/d",
            "storageDriver": s3,
            "cacheDriver": redis,
            "subPaths": {"/a": {"storageDriver": azure}},
        },
        "http": {"externalUrl": f"ftp://user:{marker}@host", "auth": login},
        "cluster": {"members": ["a:1"], "hashKey": marker},
        "extensions": {"events": {"sinks": [sink]}},
    }
    report = examine(config)
    assert len(report.faults) >= 12
    assert marker not in json.dumps([fault.as_json() for fault in report.faults])


def test_settings_do_not_print_their_secrets() -> None:
    config = {
        "storage": {"rootDirectory": "/d", "cacheDriver": {"name": "redis", "url": "redis://u:hunter2@h"}},
        "cluster": {"members": ["a:1"], "hashKey": "hunter2hunter2ab"},
    }
    settings = examine(config).settings
    assert settings is not None
    assert settings.cluster is not None
    assert settings.cluster.hash_key is not None
    assert settings.cluster.hash_key.get_secret_value() == "hunter2hunter2ab"
    assert "hunter2" not in repr(settings) + settings.model_dump_json(by_alias=True)


def test_a_mistyped_value_is_shown() -> None:
    (fault,) = examine({"storage": {"rootDirectory": "/d", "gcDelay": "1 hour"}}).faults
    assert '"1 hour"' in fault.message
    assert fault.remedy == REMEDIES["duration"]


def test_nothing_shown_can_steer_a_terminal() -> None:
    report = examine({"storage": {"rootDirectory": "/d", "gcDelay": "\x1b[2J"}, "\x1b]0;x\x07": 1, "k" * 5000: 2})
    text = "".join(str(fault) for fault in report.faults)
    assert text.isprintable()
    assert len(text) < 3000
    assert printable("a\nb") == "a\ufffdb"


def test_paths_are_readable() -> None:
    assert json_path(("storage", "subPaths", "/a", "rootDirectory")) == "storage.subPaths./a.rootDirectory"
    assert json_path(("http", "compat", 0)) == "http.compat[0]"
    assert json_path(()) == "$"
