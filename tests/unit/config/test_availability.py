"""What is configured but not there yet is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.config import Effect, Settings, defaults, parse, unavailable
from holdfast.config.availability import FEATURES
from holdfast.config.shape import ListOf, NamesOf, keys_of


def lacking(**extra: Any) -> dict[str, Effect]:
    storage = {"rootDirectory": "/data", **extra.pop("storage", {})}
    return {feature.path: feature.effect for feature in unavailable(parse({"storage": storage, **extra}))}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.path)
def test_every_path_of_the_table_leads_to_a_setting(feature: Any) -> None:
    kind: Any = Settings
    for step in feature.path.split("."):
        if isinstance(kind, NamesOf | ListOf):
            assert step == "*"
            kind = kind.item
        else:
            spelling, kind = keys_of(kind)[step.lower()]
            assert spelling == step
    assert feature.remedy
    assert feature.path in str(feature)


@pytest.mark.parametrize("driver", [{"name": "local"}, {"name": "redis", "url": "redis://r"}])
def test_sessions_are_kept_wherever_they_can_be_configured(driver: dict[str, str]) -> None:
    assert lacking(http={"auth": {"sessionDriver": driver}}) == {}


def test_the_defaults_ask_for_nothing_that_is_missing() -> None:
    assert unavailable(defaults()) == []


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"cluster": {"members": ["a:1"], "hashKey": "k" * 16, "tls": {"cacert": "c"}}}, "cluster.tls"),
    ],
)
def test_what_protects_is_refused(extra: dict[str, Any], path: str) -> None:
    assert lacking(**extra)[path] is Effect.PROTECTS


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        (
            {"storage": {"storageDriver": {"name": "s3", "bucket": "b"}, "dedupe": False, "redirectBlobURL": True}},
            "storage.redirectBlobURL",
        ),
        ({"storage": {"cacheDriver": {"name": "redis"}, "remoteCache": True}}, "storage.cacheDriver"),
        (
            {
                "storage": {
                    "subPaths": {"/a": {"storageDriver": {"name": "s3", "bucket": "b"}, "redirectBlobURL": True}}
                }
            },
            "storage.subPaths.*.redirectBlobURL",
        ),
        ({"cluster": {"members": ["a:1"], "hashKey": "k" * 16}}, "cluster.members"),
        ({"cluster": {"members": ["a:1"], "hashKey": "k" * 16}}, "cluster.hashKey"),
    ],
)
def test_what_would_put_data_elsewhere_is_refused(extra: dict[str, Any], path: str) -> None:
    assert lacking(**extra)[path] is Effect.MISLEADS


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"scheduler": {"numWorkers": 3}}, "scheduler.numWorkers"),
        ({"extensions": {"search": {"cve": {}}}}, "extensions.search"),
    ],
)
def test_what_only_adds_is_not_refused(extra: dict[str, Any], path: str) -> None:
    assert lacking(**extra) == {path: Effect.ADDS}


@pytest.mark.parametrize(
    "extra",
    [
        {"extensions": {"search": {"enable": False}, "metrics": {"enable": "false"}}},
        {"storage": {"gc": False, "remoteCache": False, "subPaths": {}}},
        {"storage": {"subPaths": {"/a": {"rootDirectory": "/b", "dedupe": True, "commit": True, "maxRepos": 3}}}},
        {"http": {"auth": {"apikey": False, "failDelay": 0, "htpasswd": {"path": ""}}, "externalUrl": ""}},
        {"http": {"compat": ["docker2s2"], "realm": "zot", "sparseManifests": True, "idleTimeout": "5s"}},
        {
            "storage": {
                "dedupe": True,
                "commit": True,
                "fastRestart": True,
                "uploadExpiry": "1h",
                "maxRepos": 3,
                "quotas": {"a/**": "1GB"},
                "retention": {"dryRun": True, "policies": [{"repositories": ["**"]}]},
            }
        },
        {"cluster": {"etcd": {"endpoints": "http://127.0.0.1:2379"}, "insecure": True, "node": {"zone": "z"}}},
        {"extensions": {"metrics": {}}, "http": {"accessControl": {"metrics": {"anonymousPolicy": "read"}}}},
        {"extensions": {}, "log": {"level": "debug", "output": "/dev/null", "format": "text"}},
    ],
)
def test_what_is_off_or_there_is_not_reported(extra: dict[str, Any]) -> None:
    assert lacking(**extra) == {}


def test_a_feature_that_has_arrived_is_no_longer_reported() -> None:
    settings = parse({"storage": {"rootDirectory": "/d"}, "extensions": {"search": {}}})
    assert unavailable(settings)
    arrived = tuple(replace(feature, available=True) for feature in FEATURES)
    assert unavailable(settings, arrived) == []
