"""What is wrong with a configuration, and how pydantic's errors become that.

Promises: every fault has the JSON path of its place, a message and a remedy; one table gives the remedy for each kind of
error. Values are shown so that a typing mistake is seen at once, except where they may be secret.

Invariants: a value under a key that speaks of a password, secret, key or token, inside ``headers``, or that holds
``user:password@``, is never shown; objects and lists never are. What is shown is printable and short.

Never: decides what is wrong; the models and ``rules`` do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

Steps = tuple[str | int, ...]

_SECRET_KEY: Final = re.compile(
    r"pass(word|phrase)?|secret|access_?key|account_?key|hash_?key|encrypt_?key|private_?key|token$|^url$|^key$",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(r"://[^/\s]*@|PRIVATE KEY")
_LONGEST_SHOWN: Final = 60

REMEDIES: Final[Mapping[str, str]] = {
    "flag": "write true or false",
    "whole": "write a whole number, such as 10",
    "text": "write one text value, in quotes",
    "duration": 'write a Go duration, such as "1h30m", "45s" or "250ms"',
    "negative_duration": 'write a duration of zero or more, such as "1h"',
    "byte_size": 'write a number of bytes, or one with a unit, such as "64MiB"',
    "reserve": 'write an amount of bytes such as "256MiB", or a share such as "1%"',
    "too_small": "write a larger number, or leave the key out",
    "glob": "close every [ and {, and put a backslash before a bracket that is meant literally",
    "regex": "correct the expression; its syntax is that of RE2, as in Go",
    "platform": 'write os/architecture, or os/architecture/variant, such as "linux/amd64" or "linux/arm/v7"',
    "namespace": 'write the host as in names of images, such as "docker.io" or "registry.example.com:5000"',
    "port": "write a port from 0 to 65535; 0 lets the kernel choose",
    "address": 'write an IP address or a host name without scheme and port, such as "0.0.0.0"; the port has its own key',
    "positive_duration": 'write a duration above zero, such as "5s"',
    "seconds": 'write a number of seconds, or a duration such as "60s"; 0 for never',
    "host_port": 'write a host and a port, such as "10.0.0.5:5100" or "[fd00::5]:5100"',
    "cidr": 'write an address or a range whose bits behind the prefix are zero, such as "10.0.0.0/8" or "2001:db8::/32"',
    "label": "write 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit",
    "key_prefix": 'write a prefix that ends in a slash, such as "holdfast/"',
    "url": 'write a whole URL, such as "https://registry.example.com"',
    "time_window": 'write two times of day in UTC, such as "01:00-05:30"',
    "choice": "write one of those words",
    "model_type": "write an object: { ... }",
    "model_attributes_type": "write an object: { ... }",
    "mapping_type": "write an object: { ... }",
    "dict_type": "write an object: { ... }",
    "tuple_type": "write a list: [ ... ]",
    "extra_forbidden": "remove the key",
}
_MESSAGES: Final[Mapping[str, str]] = {
    "model_type": "no object",
    "model_attributes_type": "no object",
    "mapping_type": "no object",
    "dict_type": "no object",
    "tuple_type": "no list",
    "extra_forbidden": "an unknown key",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, or in a list of warnings one thing to know."""

    path: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.path}: {self.message} ({self.remedy})"


def json_path(steps: Sequence[str | int]) -> str:
    """``storage.subPaths./a.rootDirectory``, ``http.compat[0]``; ``$`` for the file as a whole."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step)}" if text else printable(step)
    return text or "$"


def printable(text: str) -> str:
    """Without control characters, which could steer a terminal, and not longer than a line."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text[: _LONGEST_SHOWN * 2])
    return clean if len(clean) <= _LONGEST_SHOWN else clean[: _LONGEST_SHOWN - 1] + "\u2026"


def is_secret(steps: Sequence[str | int]) -> bool:
    """Whether what stands at this place may be shown to nobody."""
    keys = [step for step in steps if isinstance(step, str)]
    return any(key.lower() == "headers" for key in keys) or any(_SECRET_KEY.search(key) for key in keys[-1:])


def shown(steps: Sequence[str | int], value: Any) -> str:
    """The value as a remark behind a message; empty where it must not or cannot be shown."""
    if isinstance(value, Mapping):
        return ": an object stands there"
    if isinstance(value, list | tuple):
        return ": a list stands there"
    if is_secret(steps) or not isinstance(value, str | int | float):
        return ""
    text = str(value) if not isinstance(value, bool) else str(value).lower()
    return "" if _SECRET_VALUE.search(text) else f': "{printable(text)}"'


def located(error: ValidationError, data: Mapping[str, Any]) -> dict[Steps, Fault]:
    """What pydantic found, as faults by the place in ``data`` that each blames."""
    found: dict[Steps, Fault] = {}
    for detail in error.errors(include_url=False):
        steps, kind = _steps(detail["loc"], data), detail["type"]
        message = _MESSAGES.get(kind, detail["msg"]) + shown(steps, detail["input"])
        found.setdefault(steps, Fault(json_path(steps), message, REMEDIES.get(kind, "correct the value")))
    return found


def _steps(loc: Sequence[str | int], data: Any) -> Steps:
    """``loc`` without what pydantic adds: the tag of a union's member, ``[key]``, the index of a value that is no list."""
    steps: list[str | int] = []
    for step in loc:
        if step == "[key]" and not (isinstance(data, Mapping) and step in data):
            continue
        if isinstance(data, Mapping) and step not in data and step == data.get("name"):
            continue
        if isinstance(step, int) and not isinstance(data, list):
            continue
        steps.append(step)
        if isinstance(data, Mapping):
            data = data.get(str(step))
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None
    return tuple(steps)
