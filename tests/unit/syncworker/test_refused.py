"""What an upstream has just refused is not asked for again; for how long, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import UpstreamError, UpstreamMissingError, UpstreamUnavailableError, UpstreamWrongError
from holdfast.names import repository
from syncworker.refused import Refused
from syncworker.signatures import UnsignedError

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository

HERE, ELSEWHERE = repository("a/b"), repository("a/c")
DIGEST, OTHER = digests.of(b"one"), digests.of(b"other")


def asked(refused: Refused, error: UpstreamError, place: Repository = HERE, digest: Digest = DIGEST) -> bool:
    """Whether the upstream was asked; it answers with ``error``."""
    calls: list[UpstreamError] = []

    def ask() -> None:
        with refused.remembering(place, digest):
            calls.append(error)
            raise error

    with pytest.raises(type(error), match="as the upstream says"):
        ask()
    return bool(calls)


@pytest.mark.parametrize(("kind", "seconds"), [(UpstreamMissingError, 5), (UpstreamWrongError, 30)])
def test_it_is_asked_again_after_a_while(kind: type[UpstreamError], seconds: float) -> None:
    clock = ManualClock()
    refused, error = Refused(clock), kind("as the upstream says", {"digest": str(DIGEST)})
    assert asked(refused, error)
    clock.advance(seconds - 1)
    assert not asked(refused, error)
    assert asked(refused, error, place=ELSEWHERE)
    assert asked(refused, error, digest=OTHER)
    clock.advance(1)
    assert asked(refused, error)


def test_the_answer_is_the_same_and_raised_anew() -> None:
    refused, error = Refused(ManualClock()), UpstreamMissingError("as the upstream says", {"digest": str(DIGEST)})
    assert asked(refused, error)
    with pytest.raises(UpstreamMissingError) as caught, refused.remembering(HERE, DIGEST):
        pytest.fail("it was asked again")
    assert (caught.value.message, caught.value.detail) == (error.message, error.detail)
    assert caught.value is not error


@pytest.mark.parametrize("kind", [UpstreamUnavailableError, UnsignedError])
def test_what_may_be_otherwise_at_once_is_asked_for_each_time(kind: type[UpstreamError]) -> None:
    refused = Refused(ManualClock())
    assert asked(refused, kind("as the upstream says"))
    assert asked(refused, kind("as the upstream says"))


def test_what_came_is_not_refused() -> None:
    refused = Refused(ManualClock())
    with refused.remembering(HERE, DIGEST):
        pass
    assert asked(refused, UpstreamMissingError("as the upstream says"))
