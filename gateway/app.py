"""Builds the WSGI application from its collaborators. Reads no settings and opens nothing: see :mod:`gateway.assembly`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import falcon

from gateway.access.elsewhere import TokenService
from gateway.access.fetching import Fetcher
from gateway.access.tokens import SERVICE
from gateway.blobs import Blobs
from gateway.health import PATHS
from gateway.http import router
from gateway.http.apikeys import ApiKeyResource
from gateway.http.audited import Audited
from gateway.http.blobs import BlobsResource
from gateway.http.browsing import mount_login
from gateway.http.credentials import TOKEN_PATHS, Challenges
from gateway.http.health import HealthResource
from gateway.http.listing import ListingResource
from gateway.http.manifests import ManifestsResource
from gateway.http.metrics import MetricsResource
from gateway.http.paced import Paced
from gateway.http.stale import StaleWarning
from gateway.http.token import PassingResource, TokenResource
from gateway.http.uploads import UploadsResource
from gateway.http.whoami import WhoAmIResource
from gateway.listing import Listing
from gateway.local import open_staging
from gateway.manifests import Manifests
from gateway.pulls import noted_by_nobody
from gateway.quotas import UNLIMITED, Quotas
from gateway.uploads import Uploads
from holdfast.access.doors import API_KEY_PATH, WHOAMI_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.assembly import Access
    from gateway.cache import ManifestCache
    from gateway.health import Health
    from gateway.lanes import Lanes
    from gateway.mirroring import Mirroring
    from gateway.rates import Rates
    from gateway.renewal import Renewal
    from gateway.staleness import Staleness
    from holdfast.access.scrapers import Scrapers
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter


@dataclass(frozen=True, slots=True)
class MetricsRoute:
    """Where the metrics are, who may read them, and all of them as they stand."""

    path: str
    scrapers: Scrapers
    text: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands around the services: who may come in, how many may be served, whether any can be, what is said of an answer's
    age, how fast they may ask, what is renewed when somebody asks for it, who hears of pulls, how much may be stored, and who
    reads what is counted.
    """

    access: Access
    lanes: Lanes
    health: Health
    staleness: Staleness
    rates: Rates
    renewal: Renewal
    pulled: Callable[[Repository, Digest], None] = noted_by_nobody
    pulled_blob: Callable[[Repository, Digest], None] = noted_by_nobody
    quotas: Quotas = UNLIMITED
    metrics: MetricsRoute | None = None


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
    blobs = Blobs(repos, reader, mirroring, guards.renewal, guards.quotas)
    uploads = Uploads(repos, reader, writer, open_staging, mirroring, guards.quotas)
    manifests = Manifests(repos, reader, writer, cache, mirroring, guards.quotas, sparse=sparse)
    listing = Listing(repos, manifests, mirroring)
    app: falcon.App[Any, Any] = falcon.App(media_type="application/json")
    app.req_options.auto_parse_form_urlencoded = False
    app.resp_options.default_media_type = "application/json"
    access = guards.access
    app.add_middleware([StaleWarning(guards.staleness), Audited(access.audit), Paced(guards.rates)])
    mount_login(app, access)
    probes = HealthResource(guards.health)
    for path in PATHS:
        app.add_route(path, probes)
    tokens = _tokens(access)
    for path in TOKEN_PATHS if tokens is not None else ():
        app.add_route(path, tokens)
    if access.own_keys is not None:
        app.add_route(API_KEY_PATH, ApiKeyResource(access.gate, access.own_keys, access.clock))
    app.add_route(WHOAMI_PATH, WhoAmIResource(access.gate, access.clock))
    if guards.metrics is not None:
        metrics = guards.metrics
        app.add_route(metrics.path, MetricsResource(access.gate, metrics.scrapers, metrics.text, access.clock))
    resources = router.Resources(
        BlobsResource(blobs, guards.lanes, guards.pulled_blob),
        UploadsResource(uploads, blobs, guards.lanes, access.gate),
        ManifestsResource(manifests, access.gate, guards.pulled),
        ListingResource(listing, access.gate),
    )
    router.mount(
        app,
        router.Router(
            resources, access.gate, guards.health.admit, mirroring.meant, access.clock, guards.rates.admit_user
        ),
        _challenges(access),
    )
    return app


def _tokens(access: Access) -> TokenResource | PassingResource | None:
    own = TokenResource(access.gate, access.tokens, access.clock) if access.tokens is not None else None
    upstream = access.bearer.upstream if access.bearer is not None else None
    if upstream is None:
        return own
    service = TokenService(upstream.realm, upstream.service, Fetcher(access.clock, insecure=upstream.insecure))
    return PassingResource(service, access.workloads, own)


def _challenges(access: Access) -> Challenges:
    if access.bearer is None:
        return Challenges(access.external_url)
    # zot's sample has a realm that is no address; no client could ask there, but one can here.
    realm = access.bearer.realm if "://" in access.bearer.realm else ""
    return Challenges(access.external_url, realm, access.bearer.service or SERVICE)
