"""``Warning`` on answers that may be old (RFC 7234, section 5.5; obsolete for caches, still what says this to a client).

110 where the metadata could not be asked, 111 where an upstream could not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.staleness import Staleness


class StaleWarning:
    """Falcon middleware. Whoever reads metadata in this thread notes how old it was."""

    def __init__(self, staleness: Staleness) -> None:
        self._staleness = staleness

    def process_response(self, _req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        warning = self._staleness.take_warning()
        if warning:
            resp.append_header("Warning", warning)
        age_seconds = self._staleness.take()
        if age_seconds is not None:
            resp.append_header(
                "Warning", f'110 holdfast "the metadata has no quorum; as of {age_seconds:.0f} seconds ago"'
            )
