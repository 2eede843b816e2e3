"""From what a file says to what the models are spelled like.

Promises: keys are matched without case and spelled as the models spell them; names of the user's own (globs, groups,
routes, headers) stay as they are. Every unknown key and every key given twice is reported, with the nearest known key.
A ``null`` counts as not given. An object that stands for one of several models is given to the one its ``name`` names.

Invariants: walks at most ``DEEPEST`` levels; what it returns consists of dicts, lists and scalars.

Never: judges a scalar; the models do.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, cast, get_args, get_origin

from pydantic import BaseModel

from holdfast.config.faults import Fault, Steps, json_path, printable, shown

if TYPE_CHECKING:
    from collections.abc import Hashable

DEEPEST: Final = 64


class Pairs(list[tuple[Any, Any]]):
    """An object as it stands in a file: its keys in order, one given twice included."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, or one value in its place."""

    item: Kind


@dataclass(frozen=True, slots=True)
class NamesOf:
    """An object whose keys are the user's own."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object for one of several models, told apart by ``name``."""

    models: tuple[tuple[str, type[BaseModel]], ...]


Kind = type[BaseModel] | ListOf | NamesOf | Tagged | None


@cache
def kind_of(annotation: Hashable) -> Kind:
    """What may stand where a model has this annotation; None for a scalar."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0])
    if origin in {Union, UnionType}:
        members = [member for member in arguments if member is not type(None)]
        if len(members) == 1:
            return kind_of(members[0])
        return Tagged(tuple((str(member.model_fields["name"].default), member) for member in members))
    if origin is tuple:
        return ListOf(kind_of(arguments[0]))
    if origin is Mapping:
        return NamesOf(kind_of(arguments[1]))
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


@cache
def keys_of(model: type[BaseModel]) -> Mapping[str, tuple[str, Kind]]:
    """A model's keys: folded -> (as spelled, what stands there)."""
    return {
        (info.alias or name).lower(): (info.alias or name, kind_of(cast("Hashable", info.annotation)))
        for name, info in model.model_fields.items()
    }


@dataclass(slots=True)
class Shaper:
    """One walk over one tree. ``faults`` and ``blamed`` grow meanwhile.

    ``blamed`` are the places whose value is missing or doubtful now, so that no rule should draw conclusions from them.
    """

    faults: list[Fault] = field(default_factory=list)
    blamed: list[Steps] = field(default_factory=list)

    def shape(self, kind: Kind, node: Any, at: Steps = ()) -> Any:
        if len(at) > DEEPEST:
            self._blame(at, f"nested deeper than {DEEPEST} levels", "write it flatter")
            return None
        if isinstance(kind, ListOf) and isinstance(node, list | tuple) and not isinstance(node, Pairs):
            return [self.shape(kind.item, item, (*at, index)) for index, item in enumerate(node)]
        if isinstance(kind, ListOf):
            return self.shape(kind.item, node, at)
        if not isinstance(node, Pairs | Mapping):
            return node
        return self._object(kind, node if isinstance(node, Pairs) else Pairs(node.items()), at)

    def _object(self, kind: Kind, pairs: Pairs, at: Steps) -> Any:
        if isinstance(kind, NamesOf):
            return self._names(kind, pairs, at)
        if isinstance(kind, Tagged):
            return self._tagged(kind, pairs, at)
        # Where a scalar is due an object stays one; the model refuses it.
        return self._model(kind, pairs, at) if isinstance(kind, type) else {str(key): value for key, value in pairs}

    def _model(self, model: type[BaseModel], pairs: Pairs, at: Steps) -> dict[str, Any]:
        known = keys_of(model)
        shaped: dict[str, Any] = {}
        given: set[str] = set()
        meant: set[str] = set()
        for key, value in pairs:
            folded = str(key).lower()
            if folded not in known:
                meant.add(self._unknown(str(key), [spelling for spelling, _ in known.values()], at))
                continue
            spelling, kind = known[folded]
            if folded in given:
                self._twice(str(key), spelling, at)
            elif value is not None:
                shaped[spelling] = self.shape(kind, value, (*at, spelling))
            given.add(folded)
        self.blamed.extend((*at, spelling) for spelling in meant if spelling.lower() not in given)
        return shaped

    def _names(self, kind: NamesOf, pairs: Pairs, at: Steps) -> dict[str, Any]:
        shaped: dict[str, Any] = {}
        given: dict[str, str] = {}
        for key, value in pairs:
            name = str(key)
            first = given.setdefault(name.lower(), name)
            if name in shaped or first != name:
                self._twice(name, first, at)
            else:
                shaped[name] = self.shape(kind.item, Pairs() if value is None else value, (*at, name))
        return shaped

    def _tagged(self, kind: Tagged, pairs: Pairs, at: Steps) -> Any:
        models = dict(kind.models)
        names = [value for key, value in pairs if str(key).lower() == "name"]
        if not pairs:
            return None
        if not names or not isinstance(names[0], str) or names[0] not in models:
            message = "no name" if not names else "an unknown name" + shown((), names[0])
            self._blame((*at, "name"), message, f"write one of {', '.join(models)}")
            return None
        return self._model(models[names[0]], pairs, at)

    def _unknown(self, key: str, spellings: list[str], at: Steps) -> str:
        """The key that was probably meant; the unknown one when there is no telling."""
        near = difflib.get_close_matches(key.lower()[:100], [spelling.lower() for spelling in spellings], n=1)
        meant = next((spelling for spelling in spellings if near and spelling.lower() == near[0]), None)
        remedy = f'did you mean "{meant}"?' if meant else f"remove it; known here: {', '.join(spellings)}"
        self._blame((*at, key), f'unknown key "{printable(key)}"', remedy)
        return meant or key

    def _twice(self, key: str, first: str, at: Steps) -> None:
        message = "given twice" if key == first else f'given twice: "{printable(first)}" differs in case only'
        self._blame((*at, key), message, "keep one of them; the case of keys does not count")

    def _blame(self, steps: Steps, message: str, remedy: str) -> None:
        self.faults.append(Fault(json_path(steps), message, remedy))
        self.blamed.append(steps)
