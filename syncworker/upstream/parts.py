"""One answer that holds a blob's bytes from somewhere on, its numbers compared with what was asked for.

Invariants: ``start`` is the offset of the first byte of the body, at most the offset that was asked for; ``total_bytes`` is the
whole blob's length where the upstream told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncworker.upstream import headers as fields

if TYPE_CHECKING:
    from syncworker.upstream.exchange import Answer


@dataclass(frozen=True, slots=True)
class Part:
    """To be closed by whoever got it."""

    answer: Answer
    start: int
    total_bytes: int | None

    @classmethod
    def of(cls, answer: Answer, offset_bytes: int) -> Part:
        """A 200, 206 or 416 to a request from ``offset_bytes`` on.

        Raises:
            UpstreamWrongError: another range than asked for, or numbers that contradict each other.
        """
        if answer.status == 200:
            return cls(answer, 0, answer.length())
        if answer.status == 416:
            return cls._at_the_end(answer, offset_bytes)
        try:
            given = fields.content_range(answer.header("Content-Range") or "")
        except ValueError as error:
            raise answer.wrong(f"a part of a blob with {error}") from error
        if not offset_bytes or given.first != offset_bytes:
            raise answer.wrong(f"bytes from {given.first} on, where those from {offset_bytes} on were asked for")
        length = answer.length()
        if length is not None and length != given.last - given.first + 1:
            raise answer.wrong("a part of a blob whose Content-Range and Content-Length differ")
        return cls(answer, given.first, given.total_bytes)

    @classmethod
    def _at_the_end(cls, answer: Answer, offset_bytes: int) -> Part:
        # Nothing is left where the blob has just as many bytes as have come.
        if not offset_bytes or fields.unsatisfied_length(answer.header("Content-Range") or "") != offset_bytes:
            raise answer.wrong(f"no bytes from {offset_bytes} on")
        return cls(answer, offset_bytes, offset_bytes)

    @property
    def is_empty(self) -> bool:
        """Whether its body is no part of the blob."""
        return self.answer.status == 416
