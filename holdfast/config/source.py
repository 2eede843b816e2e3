"""From a file to a tree of ``Pairs``, lists and scalars.

Promises: JSON or YAML by extension (``.json``, ``.yaml``, ``.yml``), else whichever of the two reads it. Objects keep every
key in order, one given twice included, so that ``shape`` can report it. Whatever is unreadable becomes a ``SourceError``
with the place in the file.

Invariants: at most ``LARGEST_BYTES`` are read; no more than ``DEEPEST`` levels and one value for each byte result, because
YAML aliases are refused. YAML's tags build nothing but text, numbers, booleans and null; its booleans are true and false
only, and no date or base-60 number is made of what looks like one.

Never: runs a constructor named in the file, opens another file.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

import yaml

from holdfast.config.shape import DEEPEST, Pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGEST_BYTES: Final = 4 << 20

# libyaml where the wheel has it: 4 MiB take the pure Python parser about a minute.
_YAML_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}|0x[0-9a-fA-F]{1,40}|0o[0-7]{1,40}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?", re.ASCII)
_WORDS: Final = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: word == "true" for word in ("true", "false") for spelling in (word, word.title(), word.upper())
}


class SourceError(Exception):
    """The file cannot be read as a tree. ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def read_tree(path: Path) -> Any:
    """The tree in a file.

    Raises:
        SourceError: unreadable, too large, not UTF-8, or neither JSON nor YAML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SourceError(f"cannot be read: {reason}", "name a file that exists and may be read") from error
    if len(raw) > LARGEST_BYTES:
        raise SourceError(
            f"larger than {LARGEST_BYTES >> 20} MiB", "a configuration is a few kilobytes; name that file"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
    return _by_extension(path.suffix.lower(), text)


def _by_extension(suffix: str, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {".json": json_tree, ".yaml": yaml_tree, ".yml": yaml_tree}
    if suffix in readers:
        return readers[suffix](text)
    try:
        return json_tree(text)
    except SourceError:
        if text.lstrip().startswith("{"):
            raise
        return yaml_tree(text)


def json_tree(text: str) -> Any:
    """The tree in JSON text.

    Raises:
        SourceError: not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=Pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise SourceError(message, "correct the text there") from error
    except RecursionError as error:
        raise SourceError(f"nested deeper than {DEEPEST} levels", "write it flatter") from error
    except ValueError as error:
        raise SourceError("not JSON: a number with too many digits, NaN or Infinity", "write a plain number") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def yaml_tree(text: str) -> Any:
    """The tree in YAML text, one document.

    Raises:
        SourceError: not YAML, or a form of it that is refused.
    """
    try:
        return _build(yaml.parse(text, Loader=_YAML_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SourceError(f"not YAML: {error.problem or 'broken'}{place}", "correct the text there") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError("not YAML: characters that may not stand in it", "correct the text") from error


def _build(events: Iterator[Any]) -> Any:
    """A stack in place of recursion: the depth is bounded here, whatever the interpreter allows."""
    top: list[Any] = []
    stack: list[list[Any]] = [top]
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(event, "an alias (*name)", "write the value out; aliases are refused")
        if isinstance(event, yaml.DocumentStartEvent) and top:
            raise _refusal(event, "a second document", "keep one document in the file")
        if isinstance(event, yaml.ScalarEvent):
            stack[-1].append(_scalar(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(stack) > DEEPEST:
                raise _refusal(event, f"more than {DEEPEST} levels of nesting", "write it flatter")
            if not event.implicit and event.tag not in {f"{_CORE}map", f"{_CORE}seq"}:
                raise _refusal(event, "a tag (!name)", "remove the tag")
            stack.append(_Map() if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            stack[-1].append(done.pairs(event) if isinstance(done, _Map) else done)
    return top[0] if top else None


class _Map(list[Any]):
    """Keys and values in turn, while a YAML mapping is being read."""

    def pairs(self, event: Any) -> Pairs:
        if any(isinstance(key, list) for key in self[::2]):
            raise _refusal(event, "a key that is no scalar", "write a plain key")
        return Pairs((_spelled(key), value) for key, value in zip(self[::2], self[1::2], strict=True))


def _spelled(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return str(key).lower().replace("none", "null")
    return str(key)


def _scalar(event: Any) -> Any:
    value: str = event.value
    if event.tag not in {None, "!", *(f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null"))}:
        raise _refusal(event, "a tag (!name)", "remove the tag")
    if not event.implicit[0] or event.tag == f"{_CORE}str":
        return value
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.fullmatch(value):
        return int(value, 0) if value[1:2] in {"x", "o"} else int(value)
    return float(value) if _FLOAT.fullmatch(value) else value


def _refusal(event: Any, what: str, remedy: str) -> SourceError:
    mark = event.start_mark
    return SourceError(f"{what} at line {mark.line + 1}, column {mark.column + 1}", remedy)
