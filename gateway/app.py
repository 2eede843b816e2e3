"""Builds the WSGI application from its collaborators. Reads no settings and opens nothing: see :mod:`gateway.assembly`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import falcon

from gateway.blobs import Blobs
from gateway.health import PATHS
from gateway.http import router
from gateway.http.audited import Audited
from gateway.http.blobs import BlobsResource
from gateway.http.credentials import TOKEN_PATH, Challenges
from gateway.http.health import HealthResource
from gateway.http.listing import ListingResource
from gateway.http.manifests import ManifestsResource
from gateway.http.stale import StaleWarning
from gateway.http.token import TokenResource
from gateway.http.uploads import UploadsResource
from gateway.listing import Listing
from gateway.local import open_staging
from gateway.manifests import Manifests
from gateway.pulls import noted_by_nobody
from gateway.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.assembly import Access
    from gateway.cache import ManifestCache
    from gateway.health import Health
    from gateway.lanes import Lanes
    from gateway.mirroring import Mirroring
    from gateway.renewal import Renewal
    from gateway.staleness import Staleness
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands around the services: who may come in, how many may be served, whether any can be, what is said of an answer's
    age, what is renewed when somebody asks for it, and who hears of pulls.
    """

    access: Access
    lanes: Lanes
    health: Health
    staleness: Staleness
    renewal: Renewal
    pulled: Callable[[Repository, Digest], None] = noted_by_nobody


def create_app(
    repos: Repositories,
    reader: ReplicaReader,
    writer: ReplicaWriter,
    cache: ManifestCache,
    mirroring: Mirroring,
    guards: Guards,
    *,
    sparse: bool = False,
) -> falcon.App[Any, Any]:
    """The registry as a WSGI application."""
    blobs = Blobs(repos, reader, mirroring, guards.renewal)
    uploads = Uploads(repos, reader, writer, open_staging, mirroring)
    manifests = Manifests(repos, reader, writer, cache, mirroring, sparse=sparse)
    listing = Listing(repos, manifests, mirroring)
    app: falcon.App[Any, Any] = falcon.App(media_type="application/json")
    app.req_options.auto_parse_form_urlencoded = False
    app.resp_options.default_media_type = "application/json"
    access = guards.access
    app.add_middleware([StaleWarning(guards.staleness), Audited(access.audit)])
    probes = HealthResource(guards.health)
    for path in PATHS:
        app.add_route(path, probes)
    if access.tokens is not None:
        app.add_route(TOKEN_PATH, TokenResource(access.gate, access.tokens, access.clock))
    resources = router.Resources(
        BlobsResource(blobs, guards.lanes, guards.pulled),
        UploadsResource(uploads, blobs, guards.lanes, access.gate),
        ManifestsResource(manifests, access.gate, guards.pulled),
        ListingResource(listing, access.gate),
    )
    router.mount(
        app,
        router.Router(resources, access.gate, guards.health.admit, mirroring.meant, access.clock),
        _challenges(access),
    )
    return app


def _challenges(access: Access) -> Challenges:
    if access.foreign is None:
        return Challenges(access.external_url)
    return Challenges(access.external_url, access.foreign.realm, access.foreign.service)
