"""From a file or a mapping to ``Settings``, with everything that is wrong at once.

Promises: all faults of all kinds are found in one go: a value that is refused is set aside, what is left is judged by the
rules, and a finding that may only be there because of what was set aside is left out. Nothing but ``ConfigError`` is raised.

Invariants: a report holds settings if and only if it holds no fault.

Never: fails on a file that is merely odd; oddities are warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from holdfast.config.faults import Fault, Steps, json_path, located
from holdfast.config.rules import RULES
from holdfast.config.settings import Settings
from holdfast.config.shape import Pairs, Shaper
from holdfast.config.source import SourceError, read_tree
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Each round sets aside every value that was refused; more than two are not known to happen.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    settings: Settings | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]

    def __post_init__(self) -> None:
        if (self.settings is None) is not bool(self.faults):
            raise ValueError("a report holds settings if and only if it holds no fault")


def check(path: Path, instead: Mapping[str, Any] | None = None) -> Report:
    """What is wrong with this file; an unreadable one is a fault as well. ``instead``: see ``load``."""
    try:
        tree = read_tree(path)
    except SourceError as error:
        return Report(None, (Fault(json_path(()), error.message, error.remedy),), ())
    return examine(tree, instead)


def load(path: Path, instead: Mapping[str, Any] | None = None) -> Settings:
    """The settings in this file, with those of ``instead`` (objects in objects, keys as the models spell them) in their place.

    Raises:
        ConfigError: anything is wrong; ``detail`` lists every fault.
    """
    return _settings(check(path, instead), f"the configuration {path}")


def parse(data: Mapping[str, Any]) -> Settings:
    """The settings in a mapping, by the same rules as those in a file.

    Raises:
        ConfigError: anything is wrong; ``detail`` lists every fault.
    """
    return _settings(examine(data), "the configuration")


def defaults() -> Settings:
    """What ``holdfast serve`` runs on when no file is named."""
    storage = {"rootDirectory": "./data"}
    return parse({"storage": storage, "http": {"address": "127.0.0.1", "port": 5000}, "log": {"level": "info"}})


def _settings(report: Report, what: str) -> Settings:
    if report.settings is None:
        lines = "; ".join(str(fault) for fault in report.faults)
        raise ConfigError(f"{what} is refused: {lines}", [fault.as_json() for fault in report.faults])
    return report.settings


def examine(tree: Any, instead: Mapping[str, Any] | None = None) -> Report:
    """What is wrong with a tree as ``source`` reads it, or with a mapping. ``instead``: see ``load``."""
    if not isinstance(tree, Pairs | dict) or not tree:
        what = "no object" if tree else "empty"
        remedy = 'write an object with at least "storage" and its "rootDirectory"'
        return Report(None, (Fault(json_path(()), what, remedy),), ())
    shaper = Shaper()
    data = _overlaid(shaper.shape(Settings, tree), instead or {})
    settings, refused = _validated(data)
    faults = [*shaper.faults, *refused.values()]
    warnings: list[Fault] = []
    blamed = [*shaper.blamed, *refused]
    for rule in RULES:
        for finding in rule(settings):
            if not any(finding.doubtful(steps) for steps in blamed):
                (warnings if finding.warning else faults).append(finding.fault())
    return Report(None if faults else settings, tuple(faults), tuple(warnings))


def _overlaid(under: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    """What is no object is left to the models to refuse."""
    if not isinstance(under, dict):
        return under if under is not None else dict(over)
    merged = dict(under)
    for key, value in over.items():
        merged[key] = _overlaid(merged.get(key), value) if isinstance(value, dict) else value
    return merged


def _validated(data: dict[str, Any]) -> tuple[Settings, dict[Steps, Fault]]:
    """The settings that are left when every refused value is set aside, and what was refused."""
    refused: dict[Steps, Fault] = {}
    for _ in range(_ROUNDS):
        try:
            return Settings.model_validate(data), refused
        except ValidationError as error:
            found = located(error, data)
            refused |= found
            data = _without(data, (), {_nearest_key(steps) for steps in found})
    raise AssertionError("setting refused values aside does not come to an end")


def _nearest_key(steps: Steps) -> Steps:
    """The nearest key of an object at or above a place: dropping an item of a list would move the others."""
    while steps and isinstance(steps[-1], int):
        steps = steps[:-1]
    return steps


def _without(node: Any, at: Steps, dropped: set[Steps]) -> Any:
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if (*at, key) not in dropped}
        return {key: _without(value, (*at, key), dropped) for key, value in kept.items()}
    if isinstance(node, list):
        return [_without(value, (*at, index), dropped) for index, value in enumerate(node)]
    return node
