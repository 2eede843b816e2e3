"""From files to settings: both formats, weak typing, limits, defaults."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.config import Report, Settings, check, defaults, load, parse
from holdfast.config.shape import DEEPEST, keys_of
from holdfast.config.source import LARGEST_BYTES
from holdfast.durations import seconds
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Written = Callable[..., Path]

BASE: dict[str, Any] = {"storage": {"rootDirectory": "/data"}}
ETCD: dict[str, Any] = {"etcd": {"endpoints": "http://127.0.0.1:2379"}}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(content: str | bytes, name: str = "config.json") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def only_fault(path: Path) -> tuple[str, str]:
    (fault,) = check(path).faults
    return fault.path, fault.message


def test_defaults_are_a_registry_on_loopback() -> None:
    settings = defaults()
    assert (settings.http.address, settings.http.port) == ("127.0.0.1", 5000)
    assert settings.storage.root_directory == "./data"
    assert settings.log.level == "info"
    assert settings.http.auth is None


def test_a_file_without_a_port_listens_where_zot_does() -> None:
    assert parse(BASE).http.port == 8080


def test_one_file_does_for_nodes_that_differ_in_what_is_given_instead(written: Written) -> None:
    path = written(json.dumps(BASE | {"cluster": ETCD | {"insecure": True, "node": {"zone": "a", "weight": 3}}}))
    settings = load(path, {"cluster": {"node": {"listen": "0.0.0.0:5100", "advertise": "store-1:5100", "zone": "b"}}})
    assert settings.cluster is not None
    node = settings.cluster.node
    assert (node.listen, node.advertised, node.zone, node.weight) == ("0.0.0.0:5100", "store-1:5100", "b", 3)
    assert settings.cluster.etcd is not None


def test_what_is_given_instead_is_judged_like_the_file(written: Written) -> None:
    path = written(json.dumps(BASE | {"cluster": ETCD | {"insecure": True}}))
    for node, at in (({"listen": "0.0.0.0:5100"}, "advertise"), ({"zone": "no zone"}, "zone")):
        (fault,) = check(path, {"cluster": {"node": node}}).faults
        assert fault.path == f"cluster.node.{at}"


def test_settings_cannot_be_changed() -> None:
    settings = defaults()
    with pytest.raises(ValidationError):
        settings.http.port = 1
    with pytest.raises(TypeError):
        settings.storage.sub_paths["/a"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("extra", "read", "expected"),
    [
        ({"storage": {"dedupe": "true"}}, lambda s: s.storage.dedupe, True),
        ({"storage": {"dedupe": "F"}}, lambda s: s.storage.dedupe, False),
        ({"storage": {"dedupe": 1}}, lambda s: s.storage.dedupe, True),
        ({"storage": {"dedupe": ""}}, lambda s: s.storage.dedupe, False),
        ({"storage": {"maxRepos": "10"}}, lambda s: s.storage.max_repos, 10),
        ({"storage": {"maxRepos": "0x10"}}, lambda s: s.storage.max_repos, 16),
        ({"storage": {"maxRepos": True}}, lambda s: s.storage.max_repos, 1),
        ({"storage": {"maxRepos": 3.0}}, lambda s: s.storage.max_repos, 3),
        ({"storage": {"gcDelay": 1_000_000_000}}, lambda s: s.storage.gc_delay, seconds(1)),
        ({"storage": {"freeSpaceReserve": 4096}}, lambda s: s.storage.free_space_reserve.bytes_of(10**9), 4096),
        ({"storage": {"freeSpaceReserve": "1%"}}, lambda s: s.storage.free_space_reserve.bytes_of(10**9), 10**7),
        ({"http": {"port": 5000}}, lambda s: s.http.port, 5000),
        ({"http": {"port": ""}}, lambda s: s.http.port, 8080),
        ({"http": {"realm": 8080}}, lambda s: s.http.realm, "8080"),
        ({"http": {"realm": 1.5}}, lambda s: s.http.realm, "1.5"),
        ({"http": {"realm": True}}, lambda s: s.http.realm, "1"),
        ({"http": {"compat": "docker2s2"}}, lambda s: s.http.compat, ("docker2s2",)),
        ({"http": {"compat": []}}, lambda s: s.http.compat, ()),
        ({"cluster": {**ETCD, "staleReadSeconds": 90}}, lambda s: s.cluster.stale_read_seconds, seconds(90)),
        ({"cluster": {**ETCD, "staleReadSeconds": "90"}}, lambda s: s.cluster.stale_read_seconds, seconds(90)),
        ({"cluster": {**ETCD, "staleReadSeconds": "1m30s"}}, lambda s: s.cluster.stale_read_seconds, seconds(90)),
        ({"cluster": ETCD}, lambda s: s.cluster.stale_read_seconds, seconds(60)),
        ({"cluster": ETCD}, lambda s: s.cluster.etcd.endpoints, ("http://127.0.0.1:2379",)),
        ({"cluster": ETCD}, lambda s: (s.cluster.etcd.prefix, s.cluster.etcd.quota), ("holdfast/", 2 << 30)),
        ({"cluster": ETCD}, lambda s: s.cluster.etcd.request_timeout, seconds(5)),
        ({"cluster": ETCD}, lambda s: s.cluster.node.data_directory("/data"), "/data/node"),
        ({"cluster": {**ETCD, "node": {"dataDir": "/d"}}}, lambda s: s.cluster.node.data_directory("/data"), "/d"),
        ({"cluster": ETCD}, lambda s: (s.cluster.node.advertised, s.cluster.node.zone), ("127.0.0.1:5100", "default")),
        ({"cluster": {**ETCD, "node": {"advertise": "127.0.0.2:1"}}}, lambda s: s.cluster.node.advertised, "127.0.0.2:1"),
        ({"cluster": ETCD}, lambda s: (s.cluster.node.weight, s.cluster.node.repair_bandwidth), (None, None)),
        ({"cluster": {**ETCD, "node": {"repairBandwidth": "1MiB"}}}, lambda s: s.cluster.node.repair_bandwidth, 1 << 20),
        ({"http": {"tls": None}}, lambda s: s.http.tls, None),
        ({"log": {"level": "WARNING"}}, lambda s: s.log.level, "warning"),
        ({"extensions": {"lint": {"mandatoryAnnotations": "a"}}}, lambda s: s.extensions.lint.mandatory_annotations, ("a",)),
        ({"extensions": {"events": {"sinks": {"type": "http", "address": "a"}}}}, lambda s: len(s.extensions.events.sinks), 1),
        ({"extensions": {"metrics": {}}}, lambda s: s.extensions.runs("metrics"), True),
        ({"extensions": {"metrics": {"prometheus": {}}}}, lambda s: s.extensions.runs("metrics"), True),
        ({"extensions": {"metrics": {"enable": "false"}}}, lambda s: s.extensions.runs("metrics"), False),
        ({}, lambda s: s.extensions.runs("metrics"), False),
        ({}, lambda s: (s.extensions.scrubbing.round_seconds, s.extensions.scrubbing.bandwidth), (7 * 86_400.0, 20 << 20)),
        ({"extensions": {"scrub": {}}}, lambda s: s.extensions.scrubbing.round_seconds, 86_400.0),
        ({"extensions": {"scrub": {"interval": "1s"}}}, lambda s: s.extensions.scrubbing.round_seconds, 7200.0),
        ({"extensions": {"scrub": {"enable": False, "interval": "3h"}}}, lambda s: s.extensions.scrubbing.round_seconds, 0.0),
        ({"extensions": {"scrub": {"bandwidth": "1MiB"}}}, lambda s: s.extensions.scrubbing.bandwidth, 1 << 20),
    ],
)  # fmt: skip
def test_scalars_are_typed_weakly(extra: dict[str, Any], read: Callable[[Any], Any], expected: object) -> None:
    settings = parse({**extra, "storage": {**BASE["storage"], **extra.get("storage", {})}})
    assert read(settings) == expected


@pytest.mark.parametrize("value", ["yes", "on", "tRue", "2", [], {}])
def test_other_words_are_no_flags(value: object) -> None:
    with pytest.raises(ConfigError, match=r"storage\.dedupe"):
        parse({"storage": {"rootDirectory": "/d", "dedupe": value}})


@pytest.mark.parametrize("value", ["ten", 1.5, "1.0", 2**63, "9" * 5000, [], float("nan"), float("inf")])
def test_other_values_are_no_numbers(value: object) -> None:
    with pytest.raises(ConfigError, match=r"storage\.maxRepos"):
        parse({"storage": {"rootDirectory": "/d", "maxRepos": value}})


def test_names_of_the_users_own_keep_their_spelling_and_compare_without_case() -> None:
    control = {"groups": {"Team-A": {"users": "x"}}, "repositories": {"Infra/**": {"anonymousPolicy": "read"}}}
    settings = parse({**BASE, "HTTP": {"ACCESSCONTROL": control}})
    access = settings.http.access_control
    assert access is not None
    assert list(access.groups) == ["Team-A"]
    assert access.groups["team-a"].users == ("x",)
    assert "INFRA/**" in access.repositories
    assert "other" not in access.repositories
    assert access.groups == {"TEAM-a": access.groups["Team-A"]}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"storage": {"rootDirectory": "/a", "rootDirectory": "/b"}}', "storage.rootDirectory"),
        ('{"storage": {"rootDirectory": "/a", "ROOTDIRECTORY": "/b"}}', "storage.ROOTDIRECTORY"),
        ('{"storage": {"rootDirectory": "/a", "rootDirectory": null}}', "storage.rootDirectory"),
        (
            '{"storage": {"rootDirectory": "/a", "subPaths": {"/x": {"rootDirectory": "/b"}, "/X": {}}}}',
            "storage.subPaths./X",
        ),
    ],
)
def test_a_key_given_twice_is_refused(written: Written, text: str, path: str) -> None:
    for name in ("a.json", "a.yaml"):
        found, message = only_fault(written(text, name))
        assert found == path
        assert "twice" in message


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as raised:
        parse({"storage": {"rootDirectory": "/d", "dedup": True}})
    assert raised.value.detail == [
        {"path": "storage.dedup", "message": 'unknown key "dedup"', "remedy": 'did you mean "dedupe"?'}
    ]


def test_an_unknown_extension_is_read_as_whatever_it_is(written: Written) -> None:
    as_json = load(written(json.dumps(BASE), "config"))
    assert as_json == load(written("storage:\n  rootDirectory: /data\n", "config.conf"))


@pytest.mark.parametrize(
    ("content", "name", "part"),
    [
        (b"", "a.json", "not JSON"),
        (b"", "a.yaml", "empty"),
        (b"{}", "a.json", "empty"),
        (b"[]", "a.json", "empty"),
        (b"[1]", "a.json", "no object"),
        (b'"text"', "a.json", "no object"),
        (b'{"a": ', "a.json", "line 1, column 7"),
        (b'{"a": NaN}', "a.json", "NaN"),
        (b'{"a": %s}' % (b"9" * 5000), "a.json", "too many digits"),
        (b'{"a": \xff}', "a.json", "not UTF-8"),
        (b"a: [1", "a.yaml", "line"),
        (b"a: \x00", "a.yaml", "characters"),
        (b"a: &x 1\nb: *x", "a.yaml", "alias"),
        (b"a: !!python/object/apply:os.system [ls]", "a.yaml", "tag"),
        (b"a: !env HOME", "a.yaml", "tag"),
        (b"a: 1\n---\nb: 2", "a.yaml", "second document"),
        (b"? [a]\n: 1", "a.yaml", "key"),
        (b"[" * 100_000, "a.json", "nested"),
        (b"[" * 100_000, "a.yaml", "nesting"),
        (b"[" * 100_000, "a.conf", "nesting"),
        (b"{" * 100_000, "a.yaml", "nesting"),
    ],
)
def test_what_cannot_be_read_is_one_fault_of_the_file(written: Written, content: bytes, name: str, part: str) -> None:
    path, message = only_fault(written(content, name))
    assert path == "$"
    assert part in message


def test_too_large_a_file_is_not_read(written: Written) -> None:
    assert "larger" in only_fault(written(b" " * (LARGEST_BYTES + 1)))[1]


def test_a_missing_file_and_a_directory_are_faults(tmp_path: Path) -> None:
    assert "cannot be read" in only_fault(tmp_path / "none.json")[1]
    assert "cannot be read" in only_fault(tmp_path)[1]


def test_a_mark_of_byte_order_is_no_fault(written: Written) -> None:
    assert check(written(b"\xef\xbb\xbf" + json.dumps(BASE).encode())).faults == ()


def test_yaml_makes_nothing_of_words_dates_and_times(written: Written) -> None:
    text = "storage: {rootDirectory: 2001-01-01}\nhttp: {realm: yes, port: '05000'}\ndistSpecVersion: 1.1.1\n"
    settings = load(written(text, "a.yaml"))
    assert settings.storage.root_directory == "2001-01-01"
    assert settings.http.realm == "yes"


def test_deep_nesting_below_a_known_key_is_refused() -> None:
    deep: Any = "x"
    for _ in range(DEEPEST * 20):
        deep = [deep]
    with pytest.raises(ConfigError):
        parse({**BASE, "http": {"compat": deep}})


def test_a_report_holds_settings_exactly_when_it_holds_no_fault() -> None:
    with pytest.raises(ValueError):
        Report(None, (), ())


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, 60.0),
        ({"idleTimeout": "5s"}, 5.0),
        ({"idleTimeout": 0}, 3600.0),
        ({"readTimeout": "2m"}, 120.0),
        ({"readTimeout": "2m", "writeTimeout": "3m"}, 180.0),
        ({"readTimeout": "-1s", "writeTimeout": "3m"}, 3600.0),
        ({"readTimeout": "100h"}, 3600.0),
        ({"readTimeout": "2m", "idleTimeout": "5s"}, 5.0),
    ],
)
def test_time_outs_are_for_progress(keys: dict[str, Any], expected: float) -> None:
    assert parse({**BASE, "http": keys}).http.progress_timeout_seconds == expected


@pytest.mark.parametrize(
    ("keys", "workers", "transfers"),
    [({}, 8, 192), ({"threads": 16}, 8, 7), ({"threads": 10}, 8, 1), ({"workers": 3, "maxTransfers": 5}, 3, 5)],
)
def test_threads_are_left_for_short_requests(keys: dict[str, Any], workers: int, transfers: int) -> None:
    http = parse({**BASE, "http": keys}).http
    assert http.worker_count(64) == workers
    assert http.worker_count(1) == min(workers, 1 if http.workers is None else workers)
    assert http.transfer_limit == transfers < http.threads - 8


def test_what_zot_derives_is_derived() -> None:
    driver = {"name": "s3", "bucket": "b", "regionendpoint": "localhost:1"}
    cache = {"name": "dynamodb"}
    storage = parse({"storage": {"storageDriver": driver, "cacheDriver": cache, "gcDelay": "2h"}}).storage
    assert storage.uses_remote_cache
    assert storage.retention_delay == seconds(7200)
    assert storage.storage_driver is not None
    assert getattr(storage.storage_driver, "path_style", None) is True
    stores = parse({"storage": {"rootDirectory": "/a", "subPaths": {"/b": {"rootDirectory": "/c"}}}}).storage.stores
    assert {route: (store.gc, store.dedupe) for route, store in stores.items()} == {
        "": (True, True),
        "/b": (False, False),
    }


KEYS = sorted(
    {spelling for spelling, _ in keys_of(Settings).values()} | {"rootDirectory", "name", "sync", "zz", "auth"}
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["s3", "redis", "1h"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_no_mapping_raises_anything_but_config_error(data: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):
        parse(data)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from([".json", ".yaml", ""]))
def test_no_file_raises_anything_but_config_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load(path)


def _schema_shaped(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Objects with known keys at every level, so that fuzzing reaches the models and the rules behind them."""
    from holdfast.config.shape import ListOf, NamesOf, Tagged  # noqa: PLC0415 - only this strategy needs them

    if kind is None or depth > 5:
        return VALUES
    if isinstance(kind, ListOf):
        return st.lists(_schema_shaped(kind.item, depth + 1), max_size=2)
    if isinstance(kind, NamesOf):
        return st.dictionaries(
            st.sampled_from(["/a", "/a/b", "**", "a{"]), _schema_shaped(kind.item, depth + 1), max_size=2
        )
    if isinstance(kind, Tagged):
        name, model = kind.models[0]
        return _schema_shaped(model, depth + 1).map(lambda made: {**made, "name": name})
    return st.fixed_dictionaries(
        {},
        optional={
            key: st.deferred(lambda i=inner: _schema_shaped(i, depth + 1)) for key, inner in keys_of(kind).values()
        },
    )


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(_schema_shaped(Settings))
def test_no_object_of_the_right_shape_raises_anything_but_config_error(data: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):
        parse(data)


def test_an_object_with_an_odd_name_where_a_text_belongs_is_a_fault_like_any_other() -> None:
    oidc = {"audiences": {"name": []}}
    with pytest.raises(ConfigError, match=r"http\.auth\.bearer\.oidc\[0\]\.audiences"):
        parse({"storage": {"rootDirectory": "/d"}, "http": {"auth": {"bearer": {"oidc": [oidc]}}}})


def test_a_glob_that_cannot_be_read_is_told_at_its_place_whatever_it_names() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"storage": {"rootDirectory": "/data", "quotas": {"a{": 5}}})
    assert [fault["path"] for fault in caught.value.detail] == ["storage.quotas.a{"]
