"""Lists over HTTP: tags (end-8), referrers (end-12), the catalog and the discovery of extensions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from gateway.listing import encode
from holdfast import digest as digests
from holdfast.errors import PageInvalidError
from holdfast.manifest import OCI_INDEX

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.gate import Gate
    from gateway.http.paths import Route
    from gateway.listing import Listing
    from holdfast.names import Repository

# CVE-2023-2253: what a client may ask for is bounded before anything is read or allocated.
MAX_PAGE: Final = 10_000
CATALOG_PAGE: Final = 1_000


class ListingResource:
    """Pages end in one relative ``Link``: clients parse no more than that, and refuse another host in it."""

    def __init__(self, listing: Listing, gate: Gate) -> None:
        self._listing = listing
        self._gate = gate

    def tags(self, req: Request, resp: Response, route: Route) -> None:
        limit = _limit(req, MAX_PAGE)
        tags, more = self._listing.tags(route.repository, req.get_param("last") or "", limit)
        resp.data = json.dumps({"name": route.repository, "tags": tags}).encode()
        if more:
            _link(resp, f"/v2/{route.repository}/tags/list", limit, tags[-1])

    def catalog(self, req: Request, resp: Response, route: Route) -> None:
        def may_read(repository: Repository) -> bool:
            return self._gate.lists(route.caller, repository)

        limit = _limit(req, CATALOG_PAGE)
        page = self._listing.repositories(req.get_param("last") or "", limit, may_read)
        resp.data = json.dumps({"repositories": page.names}).encode()
        if page.after:
            _link(resp, "/v2/_catalog", limit, page.after)

    def referrers(self, req: Request, resp: Response, route: Route) -> None:
        types = [t for t in req.get_param_as_list("artifactType") or [] if t]
        subject = digests.parse(route.argument)
        found, more = self._listing.referrers(route.repository, subject, types, req.get_param("last") or "")
        resp.data = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found})
        resp.content_type = OCI_INDEX
        if types:
            resp.set_header("OCI-Filters-Applied", "artifactType")
        if more:
            query = [*(("artifactType", one) for one in types), ("last", str(found[-1]["digest"]))]
            resp.set_header("Link", f'</v2/{route.repository}/referrers/{subject}?{urlencode(query)}>; rel="next"')

    def discover(self, _req: Request, resp: Response, _route: Route) -> None:
        resp.data = b'{"extensions": []}'


def _limit(req: Request, default: int) -> int:
    text = req.get_param("n")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise PageInvalidError("n must be a number of entries, 0 or more", {"n": text[:64]})
    return min(int(text), MAX_PAGE)


def _link(resp: Response, path: str, limit: int, last: str) -> None:
    resp.set_header("Link", f'<{path}?{urlencode({"n": limit, "last": last})}>; rel="next"')
