"""When an upstream is asked about a tag, and what is answered when it cannot be: a state machine given the time.

    ask(tag, now)              -> what to do with a client's pull of the tag
        fresh                     CURRENT      serve what is stored, ask nobody
        fresh, not fetched yet    FETCH        join who fetches the digest
        never checked, or due     CHECK        this caller asks the upstream (a HEAD), then tells ``answered``
        somebody is asking        WAIT         for that one's outcome
        nothing is there          MISSING      answered 404 a moment ago
        upstream failed           STALE        serve what is stored, with a Warning
        upstream failed           UNAVAILABLE  nothing is stored: a 503 that says when to come back
    answered(tag, answer, now) -> what to do with the answer
        same digest               CURRENT      serve; nothing is fetched
        other digest              FETCH        that digest, then serve it
        404, something stored     GONE         serve what is stored, and report that it is gone upstream
        404, nothing stored       MISSING
        failed, something stored  STALE
        failed, nothing stored    UNAVAILABLE

Promises: a tag is checked at most once in ``check_interval_seconds``, and by one caller at a time. Negative answers are
remembered for seconds only: ``negative_seconds`` for a 404, and after failures a hold that doubles up to
``longest_hold_seconds``. What an upstream asked for (429 with ``Retry-After``) is kept to. A checker that is silent for
``patience_seconds`` is given up; its late answer is told what to do, and changes nothing.

Invariants: values are frozen; a function returns the new one. ``now_seconds`` never goes back (one monotonic clock).

Never: applies to a digest, which cannot become stale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamUnavailableError

if TYPE_CHECKING:
    from holdfast.config.sync import SyncRegistry
    from holdfast.digest import Digest
    from holdfast.errors import UpstreamError

_MOST_DOUBLINGS: Final = 20
# An upstream that wants longer than this is a failure to report, not one to wait for.
_MOST_PATIENCE_SECONDS: Final = 3600.0


class Verdict(Enum):
    """What to do."""

    CURRENT = "serve what is stored"
    CHECK = "ask the upstream"
    WAIT = "wait for who asks"
    FETCH = "fetch the digest"
    GONE = "serve what is stored, gone upstream"
    STALE = "serve what is stored, upstream not asked"
    MISSING = "there is none"
    UNAVAILABLE = "come back later"

    @property
    def serves_stored(self) -> bool:
        return self in {Verdict.CURRENT, Verdict.GONE, Verdict.STALE}


@dataclass(frozen=True, slots=True)
class Decision:
    """``token``: of a check that began; ``digest``: what to serve or to fetch; ``warning``: a header's value."""

    verdict: Verdict
    digest: Digest | None = None
    token: int = 0
    retry_after_seconds: float = 0.0
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The upstream has the tag at this digest."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class Absent:
    """The upstream answered 404."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The upstream is down, answered 429, 5xx or nonsense, or refuses us. ``told_seconds``: its ``Retry-After``."""

    reason: str
    told_seconds: float | None = None

    @classmethod
    def of(cls, error: UpstreamError) -> Failed:
        """What an upstream's error says of when to ask again."""
        return cls(error.message, error.retry_after_seconds if isinstance(error, UpstreamUnavailableError) else None)


Answer = Found | Absent | Failed


@dataclass(frozen=True, slots=True)
class Rules:
    """Lengths of time, in seconds."""

    check_interval_seconds: float = 0.0
    negative_seconds: float = 5.0
    first_hold_seconds: float = 1.0
    longest_hold_seconds: float = 30.0
    patience_seconds: float = 30.0

    @classmethod
    def of(cls, registry: SyncRegistry) -> Rules:
        interval = registry.manifest_check_interval
        return cls(check_interval_seconds=interval.seconds if interval is not None else 0.0)

    def hold_seconds(self, failed: Failed, failures: int) -> float:
        """How long nobody asks after this many failures in a row."""
        doubled = self.first_hold_seconds * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
        held = min(doubled, self.longest_hold_seconds)
        return max(held, min(failed.told_seconds or 0.0, _MOST_PATIENCE_SECONDS))


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of one tag of one upstream. ``stored`` is what a pull would be served, ``found`` what the upstream said last.

    ``gone``: until it is there again. ``asked_at`` is the start of a running check, and ``token`` its number. Before
    ``quiet_until`` nobody asks.
    """

    stored: Digest | None = None
    found: Digest | None = None
    gone: bool = False
    asked_at_seconds: float | None = None
    token: int = 0
    failures: int = 0
    failed: Failed | None = None
    quiet_until_seconds: float = float("-inf")

    def may_be_forgotten(self, now_seconds: float) -> bool:
        """Whether the next pull would ask the upstream in any case."""
        return self.asked_at_seconds is None and self.quiet_until_seconds <= now_seconds


def ask(tag: Watched, rules: Rules, now_seconds: float) -> tuple[Watched, Decision]:
    """What to do with a pull."""
    if tag.asked_at_seconds is not None and now_seconds - tag.asked_at_seconds < rules.patience_seconds:
        return tag, Decision(Verdict.WAIT, token=tag.token)
    if tag.asked_at_seconds is None and now_seconds < tag.quiet_until_seconds:
        return tag, _settled(tag, now_seconds)
    checking = replace(tag, asked_at_seconds=now_seconds, token=tag.token + 1)
    return checking, Decision(Verdict.CHECK, token=checking.token)


def answered(tag: Watched, rules: Rules, now_seconds: float, token: int, answer: Answer) -> tuple[Watched, Decision]:
    """What to do with an answer, which the check ``token`` got."""
    known = _known(tag, rules, now_seconds, answer)
    late = tag.asked_at_seconds is None or token != tag.token
    return (tag if late else known), _settled(known, now_seconds)


def fetched(tag: Watched, digest: Digest) -> Watched:
    """What was to be fetched is stored now; or the tag came here by another way (a push, a periodic round)."""
    return replace(tag, stored=digest, found=digest, gone=False)


def not_fetched(tag: Watched, rules: Rules, now_seconds: float, failed: Failed) -> tuple[Watched, Decision]:
    """What to do when the digest could not be had: the tag may have moved on, so the next check begins afresh."""
    known = _failing(replace(tag, found=None), rules, now_seconds, failed)
    # Somebody may be asking meanwhile; that check stays theirs.
    known = replace(known, asked_at_seconds=tag.asked_at_seconds)
    return known, _settled(known, now_seconds)


def forgotten(tag: Watched) -> Watched:
    """What was stored is not any more; the next pull asks."""
    return replace(tag, stored=None, found=None, gone=False, quiet_until_seconds=float("-inf"))


def _known(tag: Watched, rules: Rules, now_seconds: float, answer: Answer) -> Watched:
    if isinstance(answer, Failed):
        return _failing(tag, rules, now_seconds, answer)
    interval = rules.check_interval_seconds
    reachable = replace(tag, asked_at_seconds=None, failures=0, failed=None)
    if isinstance(answer, Absent):
        has_some = tag.stored is not None
        until = now_seconds + (max(interval, rules.negative_seconds) if has_some else rules.negative_seconds)
        return replace(reachable, found=None, gone=has_some, quiet_until_seconds=until)
    return replace(reachable, found=answer.digest, gone=False, quiet_until_seconds=now_seconds + interval)


def _failing(tag: Watched, rules: Rules, now_seconds: float, failed: Failed) -> Watched:
    failures = tag.failures + 1
    until = now_seconds + rules.hold_seconds(failed, failures)
    return replace(tag, asked_at_seconds=None, failures=failures, failed=failed, quiet_until_seconds=until)


def _settled(tag: Watched, now_seconds: float) -> Decision:
    """What is answered while nobody asks."""
    if tag.failed is not None and tag.stored is not None:
        return Decision(Verdict.STALE, tag.stored, warning=warning_of(tag.failed))
    if tag.failed is not None:
        wait = max(tag.quiet_until_seconds - now_seconds, 0.0)
        return Decision(Verdict.UNAVAILABLE, retry_after_seconds=wait)
    if tag.found is not None and tag.found != tag.stored:
        return Decision(Verdict.FETCH, tag.found)
    if tag.stored is None:
        return Decision(Verdict.MISSING)
    return Decision(Verdict.GONE if tag.gone else Verdict.CURRENT, tag.stored)


def warning_of(failed: Failed) -> str:
    """RFC 7234, section 5.5.2: 111, revalidation failed. The reason is ours, so it needs no more than its quotes gone."""
    text = "".join(character for character in failed.reason if character.isprintable() and character not in '"\\')
    return f'111 holdfast "upstream not asked: {text}"'.encode("ascii", "replace").decode()
