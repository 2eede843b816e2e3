"""Builds the WSGI application from its collaborators. Reads no settings and opens nothing: see :mod:`gateway.assembly`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon

from gateway.blobs import Blobs
from gateway.health import PATHS
from gateway.http import router
from gateway.http.blobs import BlobsResource
from gateway.http.health import HealthResource
from gateway.http.listing import ListingResource
from gateway.http.manifests import ManifestsResource
from gateway.http.stale import StaleWarning
from gateway.http.uploads import UploadsResource
from gateway.listing import Listing
from gateway.local import open_staging
from gateway.manifests import Manifests
from gateway.uploads import Uploads

if TYPE_CHECKING:
    from gateway.cache import ManifestCache
    from gateway.health import Health
    from gateway.lanes import Lanes
    from gateway.staleness import Staleness
    from holdfast.meta.repos import Repositories
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter


def create_app(
    repos: Repositories,
    reader: ReplicaReader,
    writer: ReplicaWriter,
    cache: ManifestCache,
    lanes: Lanes,
    health: Health,
    staleness: Staleness,
    *,
    sparse: bool = False,
) -> falcon.App[Any, Any]:
    """The registry as a WSGI application."""
    blobs = Blobs(repos, reader)
    uploads = Uploads(repos, reader, writer, open_staging)
    manifests = Manifests(repos, reader, writer, cache, sparse=sparse)
    listing = Listing(repos, manifests)
    app: falcon.App[Any, Any] = falcon.App(media_type="application/json")
    app.req_options.auto_parse_form_urlencoded = False
    app.resp_options.default_media_type = "application/json"
    app.add_middleware(StaleWarning(staleness))
    probes = HealthResource(health)
    for path in PATHS:
        app.add_route(path, probes)
    router.mount(
        app,
        router.Router(
            BlobsResource(blobs, lanes),
            UploadsResource(uploads, blobs, lanes),
            ManifestsResource(manifests),
            ListingResource(listing),
            health.admit,
        ),
    )
    return app
