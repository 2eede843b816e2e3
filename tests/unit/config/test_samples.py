"""Every sample loads unchanged; every sample broken in any one place is refused with that place's path."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import BaseModel

from holdfast.config import Settings, check, load
from holdfast.config.check import examine
from holdfast.config.shape import Kind, ListOf, NamesOf, Tagged, keys_of
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Tree = dict[str, Any]
Steps = tuple[str | int, ...]


def places(kind: Kind, node: Any, at: Steps = ()) -> Iterator[tuple[Steps, Kind, Any]]:
    """Every place of a sample with what may stand there. Spelling is the model's, as in faults."""
    if isinstance(kind, Tagged):
        kind = dict(kind.models)[node["name"]]
    yield at, kind, node
    if isinstance(kind, ListOf):
        for index, item in enumerate(node):
            yield from places(kind.item, item, (*at, index))
    elif isinstance(kind, NamesOf):
        for name, value in node.items():
            yield from places(kind.item, value, (*at, name))
    elif isinstance(kind, type):
        for key, value in node.items():
            spelling, inner = keys_of(kind)[key.lower()]
            yield from places(inner, value, (*at, spelling))


def path_of(steps: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def changed(tree: Tree, steps: Steps, change: Callable[[Any], Any]) -> Tree:
    """A copy with another value at one place."""
    copied: Any = copy.deepcopy(tree)
    node, found = copied, None
    for index, step in enumerate(steps):
        found = next(key for key in node if key.lower() == str(step).lower()) if isinstance(node, dict) else step
        if index + 1 < len(steps):
            node = node[found]
    if found is None:
        return dict(change(copied))
    node[found] = change(node[found])
    return dict(copied)


def paths(tree: Tree) -> set[str]:
    return {fault.path for fault in examine(tree).faults}


def scalars(tree: Tree) -> Iterator[tuple[Steps, Any]]:
    for steps, kind, value in places(Settings, tree):
        if kind is None:
            yield steps, value


def annotation(steps: Steps) -> str:
    """How the model declares the setting at this place, as text."""
    kind: Kind = Settings
    declared = ""
    for step in steps:
        if isinstance(kind, Tagged):
            return ""
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            info = next(i for name, i in kind.model_fields.items() if (i.alias or name) == step)
            declared, kind = repr(info), keys_of(kind)[str(step).lower()][1]
        elif isinstance(kind, ListOf | NamesOf):
            kind = kind.item
    return declared


def test_a_sample_is_valid(sample: Path) -> None:
    assert check(sample).faults == ()


def test_a_sample_says_the_same_as_json_and_as_yaml(sample: Path, tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(tree), encoding="utf-8")
    assert load(tmp_path / "a.yaml") == load(tmp_path / "a.json") == load(sample)


@pytest.mark.parametrize("respell", [str.lower, str.upper, str.swapcase])
def test_the_case_of_keys_does_not_count(tree: Tree, respell: Callable[[str], str]) -> None:
    def respelled(kind: Kind, node: Any) -> Any:
        if isinstance(kind, Tagged):
            kind = dict(kind.models)[node["name"]]
        if isinstance(kind, ListOf):
            return [respelled(kind.item, item) for item in node]
        if isinstance(kind, NamesOf):
            return {name: respelled(kind.item, value) for name, value in node.items()}
        if isinstance(kind, type):
            return {
                (respell(key) if not (key == "name" and "driver" in kind.__name__.lower()) else key): respelled(
                    keys_of(kind)[key.lower()][1], value
                )
                for key, value in node.items()
            }
        return node

    assert examine(respelled(Settings, tree)).settings == examine(tree).settings


def test_an_unknown_key_is_refused_in_every_object(tree: Tree) -> None:
    objects = [steps for steps, kind, _ in places(Settings, tree) if isinstance(kind, type)]
    assert objects
    for steps in objects:
        broken = changed(tree, steps, lambda node: {**node, "zzUnknown": 1})
        assert paths(broken) == {path_of((*steps, "zzUnknown"))}


def test_another_type_is_refused_at_every_scalar(tree: Tree) -> None:
    for steps, _ in scalars(tree):
        assert path_of(steps) in paths(changed(tree, steps, lambda _: {"wrong": 1}))
        assert path_of(steps) in paths(changed(tree, steps, lambda _: ["wrong", "wrong"]))


def test_text_is_refused_where_a_number_or_a_flag_stands(tree: Tree) -> None:
    for steps, value in scalars(tree):
        if isinstance(value, bool | int) and "Text" not in annotation(steps) and "Address" not in annotation(steps):
            assert path_of(steps) in paths(changed(tree, steps, lambda _: "banana"))


def test_a_scalar_is_refused_in_place_of_every_object(tree: Tree) -> None:
    for steps, kind, _ in places(Settings, tree):
        if isinstance(kind, type | NamesOf) and steps:
            assert path_of(steps) in paths(changed(tree, steps, lambda _: 7))


def test_a_bad_duration_is_refused_wherever_a_duration_stands(tree: Tree) -> None:
    for steps, _ in scalars(tree):
        if "Duration" in annotation(steps):
            assert paths(changed(tree, steps, lambda _: "1 hour")) == {path_of(steps)}


def test_a_bad_glob_is_refused_wherever_a_glob_stands(tree: Tree) -> None:
    for steps, _ in scalars(tree):
        if steps[-1] == "prefix" or steps[-2:-1] == ("repositories",):
            assert paths(changed(tree, steps, lambda _: "a[b")) == {path_of(steps)}
    for steps, kind, _ in places(Settings, tree):
        if isinstance(kind, NamesOf) and steps[-1] == "repositories":
            assert path_of((*steps, "x{y")) in paths(changed(tree, steps, lambda node: {**node, "x{y": {}}))


def test_a_port_out_of_range_is_refused(tree: Tree) -> None:
    for port in (-1, 65536, "99999", "http", 80.5):
        broken = copy.deepcopy(tree)
        broken["http"]["port"] = port
        assert "http.port" in paths(broken)


def test_a_store_inside_another_is_refused(tree: Tree) -> None:
    storage = next(value for key, value in tree.items() if key.lower() == "storage")
    root = next((value for key, value in storage.items() if key.lower() == "rootdirectory"), "")
    stores = {}
    if not root or "storageDriver" in storage:
        # A store on the local disk is apart from any in an object store, so two local ones are needed.
        root = "/elsewhere"
        stores["/zz"] = {"rootDirectory": root}
    for nested in ("in", "in/../in/", "./in"):
        stores["/zy"] = {"rootDirectory": f"{root}/{nested}"}
        broken = changed(tree, ("storage",), lambda node: {**node, "subPaths": node.get("subPaths", {}) | stores})
        assert "storage.subPaths./zy.rootDirectory" in paths(broken)


def test_all_faults_are_reported_at_once(tree: Tree) -> None:
    broken, expected = tree, set()
    for steps, kind, _ in list(places(Settings, tree)):
        if isinstance(kind, type):
            broken = changed(broken, steps, lambda node: {**node, "zzUnknown": 1})
            expected.add(path_of((*steps, "zzUnknown")))
        elif kind is None and "Duration" in annotation(steps):
            broken = changed(broken, steps, lambda _: "never")
            expected.add(path_of(steps))
    broken = changed(broken, ("http",), lambda node: {**node, "port": "x"})
    assert paths(broken) == expected | {"http.port"}


def test_a_refused_sample_raises_with_all_faults(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text(json.dumps({**tree, "zzOne": 1, "zzTwo": 2}), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert isinstance(raised.value.detail, list)
    assert [entry["path"] for entry in raised.value.detail] == ["zzOne", "zzTwo"]
    assert all(entry["message"] and entry["remedy"] for entry in raised.value.detail)
