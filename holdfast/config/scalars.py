"""The kinds of single values, each with one validator.

Promises: scalars are typed weakly, as zot's loader (viper, mapstructure) does: ``"true"`` is a boolean, ``"10"`` a
number, ``8080`` a string where a string is due, and one value stands for a list of it. Everything else is refused with
an error type that ``faults`` has a remedy for.

Never: puts the offending value into a message; ``faults`` decides whether it may be shown.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from holdfast.addresses import UNIX, is_host, parse_host_port
from holdfast.certs.peer import is_label
from holdfast.config.casemap import CaseMap
from holdfast.durations import Duration, parse_bytes, parse_duration, seconds
from holdfast.networks import network
from holdfast.patterns.expressions import regex_problem
from holdfast.patterns.globs import glob_problem
from holdfast.patterns.platforms import parse as parse_platform

Item = TypeVar("Item")

# strconv.ParseBool's list; the empty string is false in mapstructure.
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
_HOST_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_TIME_WINDOW: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_LEVELS: Final = ("debug", "trace", "info", "warn", "warning", "error", "fatal", "panic")


def _refuse(kind: str, message: str) -> PydanticCustomError:
    # `message` is a template to pydantic: braces of ours would be read as placeholders, so it goes in as a parameter.
    return PydanticCustomError(kind, "{text}", {"text": message})


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise _refuse("flag", "neither true nor false")


def _whole(value: Any) -> int:
    if isinstance(value, int):
        return _in_64_bits(int(value))
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return _in_64_bits(int(value))
    if isinstance(value, str):
        try:
            return _in_64_bits(int(value, 0)) if value else 0
        except ValueError:
            pass
    raise _refuse("whole", "no whole number")


def _in_64_bits(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise _refuse("whole", "no whole number of at most 64 bits")
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return format(value, "f").rstrip("0").rstrip(".")
    raise _refuse("text", "no text")


def _duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, str | int):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise _refuse("duration", f"no duration: {error}") from error
    raise _refuse("duration", "no duration")


def _byte_size(value: Any) -> int:
    if isinstance(value, str | int):
        try:
            return parse_bytes(value)
        except ValueError as error:
            raise _refuse("byte_size", f"no amount of bytes: {error}") from error
    raise _refuse("byte_size", "no amount of bytes")


def at_least(lowest: int) -> Callable[[int], int]:
    """A validator that refuses smaller numbers."""

    def check(value: int) -> int:
        if value < lowest:
            raise _refuse("too_small", f"below the least that makes sense, {lowest}")
        return value

    return check


def _not_negative(value: Duration) -> Duration:
    if value.nanoseconds < 0:
        raise _refuse("negative_duration", "a negative duration")
    return value


def _positive(value: Duration) -> Duration:
    if value.nanoseconds <= 0:
        raise _refuse("positive_duration", "no duration above zero")
    return value


def _seconds(value: Any) -> Any:
    # The key names its unit, so a bare number counts in it; Go's nanoseconds would surprise.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9:
        return seconds(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return seconds(int(value))
    if isinstance(value, str | Duration):
        return value
    raise _refuse("seconds", "no number of seconds")


def _host_port(value: str) -> str:
    try:
        parse_host_port(value)
    except ValueError as error:
        raise _refuse("host_port", f"no host:port: {error}") from error
    return value


def _listen(value: str) -> str:
    if value.startswith(f"{UNIX}/"):
        return value
    return _host_port(value)


def _label(value: str) -> str:
    if not is_label(value):
        raise _refuse("label", "no name for this")
    return value


def _key_prefix(value: str) -> str:
    if not value.endswith("/") or not value.strip("/") or not value.isascii() or not value.isprintable():
        raise _refuse("key_prefix", "no prefix of keys")
    return value


def _glob(value: str) -> str:
    if problem := glob_problem(value):
        raise _refuse("glob", f"a glob that {problem}")
    return value


def _platform(value: str) -> str:
    try:
        parse_platform(value)
    except ValueError as error:
        raise _refuse("platform", "no platform") from error
    return value


def _namespace(value: str) -> str:
    # What containerd sends in ?ns=: the host of an image's name, with a port where it has one.
    if not value.strip() or urlsplit(f"//{value}").netloc != value or "@" in value or any(map(str.isspace, value)):
        raise _refuse("namespace", "no host of a registry")
    return value


def _token_host(value: str) -> str:
    host = value.strip().lower().removesuffix(".")
    if not is_host(host):
        raise _refuse("token_host", "no host name: a scheme, a port, a path or a wildcard does not belong here")
    return host


def _cidr(value: str) -> str:
    try:
        network(value)
    except ValueError as error:
        raise _refuse("cidr", "no range of addresses, or one with bits behind its prefix") from error
    return value


def _regex(value: str) -> str:
    if problem := regex_problem(value):
        raise _refuse("regex", f"a regular expression that {problem}")
    return value


def _port(value: Any) -> int:
    # zot reads text in base ten, whatever it starts with, and takes the empty text for "not said".
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if value == "":
        return 8080
    if not _DECIMAL.fullmatch(text) or int(text) > 65535:
        raise _refuse("port", "no port: not a number from 0 to 65535")
    return int(text)


def _address(value: str) -> str:
    host = value.removeprefix("[").removesuffix("]") if value.startswith("[") else value
    if not host:
        return host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        numeric = re.fullmatch(r"[0-9.]+", host) is not None
        if numeric or len(host) > 253 or not all(map(_HOST_LABEL.fullmatch, host.removesuffix(".").split("."))):
            raise _refuse("address", "neither an IP address nor a host name") from None
    return host


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = not value or (parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        raise _refuse("url", "no http or https URL")
    return value


def _time_window(value: str) -> str:
    match = _TIME_WINDOW.fullmatch(value.strip())
    if value and (match is None or (int(match[1]), match[2]) == (int(match[3]), match[4])):
        raise _refuse("time_window", "no daily window of two different times")
    return value


def one_of(*choices: str, exact: bool = False) -> Callable[[str], str]:
    """A validator that takes these words, in any case unless ``exact``, and gives them back as listed here."""
    spelled = {choice if exact else choice.lower(): choice for choice in choices}

    def check(value: str) -> str:
        folded = value if exact else value.lower()
        if folded not in spelled:
            raise _refuse("choice", f"none of {', '.join(filter(None, choices))}")
        return spelled[folded]

    return check


def _listed(value: Any) -> Any:
    # mapstructure: a single value stands for a list of one, an empty object for an empty list.
    if isinstance(value, list | tuple):
        return value
    return [] if value == {} else [value]


Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, AfterValidator(at_least(0))]
Positive = Annotated[Whole, AfterValidator(at_least(1))]
Port = Annotated[
    int, BeforeValidator(_port), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}], "format": "port"})
]
ByteSize = Annotated[int, BeforeValidator(_byte_size), WithJsonSchema({"type": ["string", "integer"]})]

Text = Annotated[str, BeforeValidator(_text)]
Secret = Annotated[SecretStr, BeforeValidator(_text)]
Glob = Annotated[Text, AfterValidator(_glob)]
PlatformText = Annotated[Text, AfterValidator(_platform)]
Namespace = Annotated[Text, AfterValidator(_namespace)]
TokenHost = Annotated[Text, AfterValidator(_token_host)]
Cidr = Annotated[Text, AfterValidator(_cidr)]
Regex = Annotated[Text, AfterValidator(_regex)]
Address = Annotated[Text, AfterValidator(_address)]
Url = Annotated[Text, AfterValidator(_url)]
TimeWindow = Annotated[Text, AfterValidator(_time_window)]
HostPort = Annotated[Text, AfterValidator(_host_port)]
Listen = Annotated[Text, AfterValidator(_listen)]
Label = Annotated[Text, AfterValidator(_label)]
KeyPrefix = Annotated[Text, AfterValidator(_key_prefix)]
LogLevel = Annotated[Text, AfterValidator(one_of(*_LEVELS))]

Time = Annotated[
    Duration,
    BeforeValidator(_duration),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "description": "Go duration", "examples": ["1h30m", "250ms"]}),
]
NotNegativeTime = Annotated[Time, AfterValidator(_not_negative)]
PositiveTime = Annotated[Time, AfterValidator(_positive)]
Seconds = Annotated[
    Duration,
    BeforeValidator(_duration),
    BeforeValidator(_seconds),
    AfterValidator(_not_negative),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "description": "seconds, or a Go duration", "examples": [60, "1m"]}),
]

Listed = Annotated[tuple[Item, ...], BeforeValidator(_listed)]


def _case_map(value: Mapping[str, Item]) -> Mapping[str, Item]:
    return CaseMap(value)


Named = Annotated[Mapping[Text, Item], AfterValidator(_case_map), PlainSerializer(dict)]
Globbed = Annotated[Mapping[Glob, Item], AfterValidator(_case_map), PlainSerializer(dict)]
