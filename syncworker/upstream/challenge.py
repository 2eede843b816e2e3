"""``WWW-Authenticate``: which login an upstream wants (RFC 9110, section 11.6.1; distribution's token specification).

Promises: reads several challenges in one header, quoted and bare values, any order. What is not understood is left out.

Never: judges whether a realm may be asked; that is :mod:`syncworker.upstream.trust`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Longer than any real one; beyond, reading is refused rather than done slowly.
_MAX_CHARACTERS: Final = 8192
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# One step of the header: a parameter with its value, or a scheme's name, or what stands between.
_STEP: Final = re.compile(
    rf"[\s,]*(?:(?P<name>{_WORD})[ \t]*=[ \t]*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<bare>{_WORD}))"
    rf"|(?P<scheme>{_WORD})(?=[\s,]|$)|(?P<other>[^\s,]+))",
    re.ASCII | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
# Nothing but reading is added, whatever a challenge names. metadata_read is Azure's word for listing.
_READING: Final = frozenset({"pull", "metadata_read", "*"})


@dataclass(frozen=True, slots=True)
class Challenge:
    """A scheme in lower case and what a token request needs. Empty strings where the header had nothing."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse(header: str) -> tuple[Challenge, ...]:
    """All challenges of the header, in its order; none for a header that is none."""
    found: list[tuple[str, dict[str, str]]] = []
    text, at = header[:_MAX_CHARACTERS], 0
    while step := _STEP.match(text, at):
        at = step.end()
        if step["scheme"]:
            found.append((step["scheme"].lower(), {}))
        elif step["name"] and found:
            value = step["bare"] or _ESCAPE.sub(r"\1", step["quoted"] or "")
            found[-1][1].setdefault(step["name"].lower(), value)
    return tuple(
        Challenge(scheme, values.get("realm", ""), values.get("service", ""), values.get("scope", ""))
        for scheme, values in found
    )


def choose(header: str) -> Challenge | None:
    """The challenge to meet: Bearer before Basic; None when there is neither."""
    known = {c.scheme: c for c in reversed(parse(header))}
    bearer = known.get("bearer")
    return bearer if bearer and bearer.realm else known.get("basic")


def scopes(wanted: str, challenged: str) -> tuple[str, ...]:
    """The scopes to ask a token for: what the request needs, and what the challenge adds for the same resource.

    ``wanted`` may hold several with blanks between, the request's own resource first. A challenge that names another repository or
    a right to change something gets nothing for it: a token of ours is never good for more than the request it was made for.
    """
    result = wanted.split()
    resource, _, had = result[0].rpartition(":")
    for scope in challenged.split():
        name, _, actions = scope.rpartition(":")
        new = (_READING - set(had.split(","))).intersection(actions.split(","))
        kept = ",".join(action for action in actions.split(",") if action in new)
        if name == resource and kept and f"{name}:{kept}" not in result:
            result.append(f"{name}:{kept}")
    return tuple(result)
