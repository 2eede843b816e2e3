"""Questions to login services: one request, one JSON answer, both small.

Promises
  * An answer that moves on to elsewhere is none, and neither is one of a service that is ill; both are IssuerUnreachableError.
  * What went wrong is told without what was sent: it holds secrets.

How far a question goes, and how long it may take, is the fetcher's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from holdfast.errors import IssuerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.access.fetching import Reply

_FORM: Final = "application/x-www-form-urlencoded"


class Fetching(Protocol):
    """The part of a fetcher that is needed here."""

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Question:
    """``form`` None: GET, otherwise what to POST. Headers and form are secrets."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """``value``: the JSON; None where there was none."""

    status: int
    value: Any = field(default=None, repr=False)

    @property
    def members(self) -> dict[str, Any]:
        """Of an answer that is a good one and an object; otherwise none."""
        return self.value if self.status == 200 and isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[dict[str, Any]]:
        """Objects in an answer that is a good one and a list; otherwise none."""
        found = self.value if self.status == 200 and isinstance(self.value, list) else []
        return [one for one in found if isinstance(one, dict)]


class Services:
    """Shared by threads."""

    def __init__(self, fetcher: Fetching) -> None:
        self._fetcher = fetcher

    def ask(self, question: Question) -> Answer:
        """Raises IssuerUnreachableError."""
        reply = self._fetcher.ask(*_request(question))
        if 300 <= reply.status < 400 or reply.status == 429 or reply.status >= 500:
            raise IssuerUnreachableError(f"the login service answers {reply.status}")
        return Answer(reply.status, _value(reply))


def _request(question: Question) -> tuple[str, str, dict[str, str], bytes | None]:
    headers = {"Accept": "application/json", "User-Agent": "holdfast", **question.headers}
    if question.form is None:
        return "GET", question.url, headers, None
    return "POST", question.url, {**headers, "Content-Type": _FORM}, question.form.encode("ascii")


def _value(reply: Reply) -> Any:
    kind = reply.kind.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise IssuerUnreachableError("the login service answers what is no JSON") from error
