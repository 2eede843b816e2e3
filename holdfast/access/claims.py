"""What of another's token makes a user: CEL expressions over ``claims``, and ``vars`` that earlier ones have named.

    variables     names for values, in order
    validations   what has to be true for the token to count
    username      a text; groups: a list of texts

Promises: what does not compile is refused when the configuration is read, with its place. What cannot be evaluated, is of another
kind or is empty lets nobody in.

Never: decides whether a token is by whom it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import cel

DEFAULT_USERNAME: Final = "claims.iss + '/' + claims.sub"
LONGEST_NAME: Final = 256
MOST_GROUPS: Final = 1000
_FAILURES: Final = (ValueError, TypeError, KeyError, RuntimeError, IndexError, OverflowError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token is for."""

    name: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expression:
    """``at``: its JSON path. Raises ConfigError: it does not compile."""

    text: str
    at: str
    _program: cel.Program = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # It brings a prompt with it, which takes longer to import than all of ours: for those who write expressions only.
        import cel  # noqa: PLC0415

        try:
            program = cel.compile(self.text)
        except ValueError as error:
            reason = str(error).splitlines()[0]
            fault = {"path": self.at, "message": f"not a CEL expression: {reason}", "remedy": "write it as CEL"}
            raise ConfigError(f"{self.at}: not a CEL expression: {self.text!r}: {reason}", [fault]) from error
        object.__setattr__(self, "_program", program)

    def value(self, values: dict[str, Any]) -> Any:
        """Raises LoginRefusedError: it has none for these."""
        try:
            return self._program.execute(values)
        except _FAILURES as error:
            raise LoginRefusedError("the token lacks what its issuer's users are known by here") from error


@dataclass(frozen=True, slots=True)
class Validation:
    """``message`` is told to whom it refuses."""

    expression: Expression
    message: str


@dataclass(frozen=True, slots=True)
class ClaimMapping:
    """``groups`` None: tokens bring none."""

    username: Expression
    groups: Expression | None = None
    variables: tuple[tuple[str, Expression], ...] = ()
    validations: tuple[Validation, ...] = ()

    def person(self, claims: dict[str, Any]) -> Person:
        """Raises LoginRefusedError: nobody."""
        known: dict[str, Any] = {}
        values: dict[str, Any] = {"claims": claims, "vars": known}
        for name, expression in self.variables:
            known[name] = expression.value(values)
        for validation in self.validations:
            if validation.expression.value(values) is not True:
                raise LoginRefusedError(f"the token does not count: {validation.message}")
        name = self.username.value(values)
        if not _is_name(name):
            raise LoginRefusedError("the token names no user")
        return Person(name, _groups(self.groups.value(values)) if self.groups is not None else frozenset())


def _is_name(value: object) -> bool:
    """What ends in logs and headers is printable and bounded."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _groups(value: object) -> frozenset[str]:
    rows: Sequence[object] = value if isinstance(value, list | tuple) else [None]
    if len(rows) > MOST_GROUPS or not all(map(_is_name, rows)):
        raise LoginRefusedError("the token's groups are no list of names")
    return frozenset(map(str, rows))
