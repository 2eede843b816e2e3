"""Hears when clients are served here, so that repair can make room for them (``pace``).

Every call that does not come from another storage node counts, a stream with each of its messages: a pull may take hours. Copies
between nodes do not: most of them are repair itself, and two nodes would slow each other down with nobody else there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.rpc import methods as m
from holdfast.rpc.admission import named_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from holdfast.rpc.serving import Behaviour


def listening(behaviours: Mapping[str, Behaviour], heard: Callable[[], None]) -> dict[str, Behaviour]:
    """The same behaviours; ``heard`` is told of those that serve a client."""
    return {name: _listening(m.METHODS[name].kind, behaviour, heard) for name, behaviour in behaviours.items()}


def _listening(kind: m.Kind, behaviour: Behaviour, heard: Callable[[], None]) -> Behaviour:
    def behave(request: Any, context: Any) -> Any:
        if named_in(context, m.SENDER_KEY) is not None:
            return behaviour(request, context)
        heard()
        if kind is m.Kind.STREAM_IN:
            return behaviour(_each(request, heard), context)
        answer = behaviour(request, context)
        return _each(answer, heard) if kind is m.Kind.STREAM_OUT else answer

    return behave


def _each(messages: Iterable[Any], heard: Callable[[], None]) -> Iterator[Any]:
    for message in messages:
        heard()
        yield message
