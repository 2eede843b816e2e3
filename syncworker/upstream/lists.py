"""Lists that come in pages: tags, the catalog, referrers.

Promises: pages and items are bounded, a next page is of the upstream's own origin and was not read before. So a list ends, whatever
an upstream sends; one that does not end by itself is an error, never a shorter list.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import UpstreamWrongError
from syncworker.upstream import headers as fields
from syncworker.upstream import trust
from syncworker.upstream.exchange import detail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncworker.upstream.exchange import Answer
    from syncworker.upstream.place import Origin

PAGE: Final = 1000
_PAGES: Final = 2000
# One page; registries that do not page send all in one.
_PAGE_BYTES: Final = 16 << 20


def pages(first: str, fetch: Callable[[str], Answer]) -> Iterator[dict[str, Any]]:
    """The pages that begin at the target ``first``; ``fetch`` returns a 200 or raises.

    Raises:
        UpstreamWrongError: no JSON object, a next page elsewhere, the same one again, or too many.
    """
    target, seen = first, {first}
    while True:
        with fetch(target) as answer:
            yield _object(answer)
            link = fields.next_link(answer.header("Link"))
            if link is None:
                return
            target = next_target(answer, link)
            if target in seen or len(seen) >= _PAGES:
                raise answer.wrong("a list that does not end")
        seen.add(target)


def strings(page: dict[str, Any], member: str, home: Origin) -> list[str]:
    """The strings of a page's list; ``null`` is an empty one, as registries in Go have it.

    Raises:
        UpstreamWrongError: something else than a list of strings.
    """
    values = page.get(member)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UpstreamWrongError(f"{home.authority}: a page without a list of {member}", detail(home))
    return values


def _object(answer: Answer) -> dict[str, Any]:
    try:
        page = json.loads(answer.whole(_PAGE_BYTES))
    except (ValueError, RecursionError) as error:
        raise answer.wrong("a list that is not JSON") from error
    if not isinstance(page, dict):
        raise answer.wrong("a list that is no JSON object")
    return page


def next_target(answer: Answer, link: str) -> str:
    """The target of a next page, which must be of the upstream's own origin."""
    there = trust.hop(answer.place.origin, answer.place, link)
    if there.origin != answer.place.origin or not answer.is_from_home:
        raise answer.wrong("a next page on another host")
    return there.target
