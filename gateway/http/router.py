"""One door for everything below ``/v2``, one table of who answers what, one place where errors become answers."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import falcon

from gateway.http import errors, paths
from gateway.http.paths import Kind
from holdfast.errors import HoldfastError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

    from gateway.http.blobs import BlobsResource
    from gateway.http.listing import ListingResource
    from gateway.http.manifests import ManifestsResource
    from gateway.http.paths import Route
    from gateway.http.uploads import UploadsResource
    from holdfast.names import Repository

    Handler: TypeAlias = Callable[[Request, Response, Route], None]

log = logging.getLogger("holdfast.gateway")

_JSON: Final = "application/json"
_PULLS: Final = frozenset({"GET", "HEAD"})


class Router:
    """The sink that Falcon hands every request to. ``admit`` raises a HoldfastError while none can be served."""

    def __init__(
        self,
        blobs: BlobsResource,
        uploads: UploadsResource,
        manifests: ManifestsResource,
        listing: ListingResource,
        admit: Callable[[], None],
        meant: Callable[[Repository, str | None], Repository],
    ) -> None:
        """``meant``: the repository that a pull means by a name and an upstream's host, if it says one."""
        self._admit = admit
        self._meant = meant
        self._table: dict[Kind, dict[str, Handler]] = {
            Kind.BASE: {"GET": _base, "HEAD": _base},
            Kind.BLOB: {"GET": blobs.get, "HEAD": blobs.head, "DELETE": blobs.delete},
            Kind.MANIFEST: {
                "GET": manifests.get,
                "HEAD": manifests.head,
                "PUT": manifests.put,
                "DELETE": manifests.delete,
            },
            Kind.UPLOADS: {"POST": uploads.post},
            Kind.UPLOAD: {
                "GET": uploads.get,
                "PATCH": uploads.patch,
                "PUT": uploads.put,
                "DELETE": uploads.delete,
            },
            Kind.TAGS: {"GET": listing.tags, "HEAD": listing.tags},
            Kind.REFERRERS: {"GET": listing.referrers, "HEAD": listing.referrers},
            Kind.CATALOG: {"GET": listing.catalog, "HEAD": listing.catalog},
            Kind.DISCOVER: {"GET": listing.discover, "HEAD": listing.discover},
        }

    def __call__(self, req: Request, resp: Response, **_: object) -> None:
        resp.set_header("Docker-Distribution-Api-Version", "registry/2.0")
        resp.set_header("X-Content-Type-Options", "nosniff")
        path = req.path
        route = paths.parse(path[4:]) if path.startswith("/v2/") else paths.parse("") if path == "/v2" else None
        if route is None:
            _write(resp, "404 Not Found", errors.body("NAME_UNKNOWN", "there is no such endpoint; the API is at /v2/"))
            return
        self._admit()
        methods = self._table[route.kind]
        handler = methods.get(req.method)
        if handler is None:
            resp.set_header("Allow", ", ".join(methods))
            raise UnsupportedError(f"{req.method} is not supported here", {"allowed": list(methods)})
        handler(req, resp, self._named(req, resp, route))

    def _named(self, req: Request, resp: Response, route: Route) -> Route:
        """distribution-spec, "Registry Proxying": ``ns`` says whose repository is meant, and is echoed where it was heeded."""
        if req.method not in _PULLS or not route.repository:
            return route
        ns = req.get_param("ns")
        repository = self._meant(route.repository, ns)
        if repository == route.repository:
            return route
        if ns:
            resp.set_header("OCI-Namespace", ns)
        return replace(route, repository=repository)

    def routes(self) -> dict[Kind, list[str]]:
        """What is answered, for tests that must not miss an endpoint."""
        return {kind: list(methods) for kind, methods in self._table.items()}


def _base(_req: Request, resp: Response, _route: Route) -> None:
    resp.data = b"{}"


def on_error(_req: Request, resp: Response, error: HoldfastError, _params: dict[str, Any]) -> None:
    """The one writer of error bodies."""
    answer = errors.answer_to(error)
    for name, value in errors.headers_of(error).items():
        resp.set_header(name, value)
    _write(resp, answer.status, errors.body(answer.code, error.message, error.detail))


def on_falcon_error(_req: Request, resp: Response, error: falcon.HTTPError, _params: dict[str, Any]) -> None:
    """Whatever Falcon itself refuses."""
    _write(resp, str(error.status), errors.body("UNSUPPORTED", error.title or "refused"))


def on_bug(req: Request, resp: Response, error: Exception, _params: dict[str, Any]) -> None:
    """A mistake of ours: told to the log with its trace, to the client without."""
    log.error("unexpected error", exc_info=error, extra={"method": req.method, "path": req.path[:512]})
    _write(resp, "500 Internal Server Error", errors.body("UNKNOWN", "an internal error; the server's log tells more"))


def _write(resp: Response, status: str, body: bytes) -> None:
    resp.status = status
    resp.content_type = _JSON
    resp.stream = None
    resp.text = None
    resp.data = body
    resp.content_length = len(body)
    # Names that belong to the success that did not happen.
    for name in ("ETag", "Docker-Content-Digest", "Cache-Control", "Accept-Ranges"):
        resp.delete_header(name)


def mount(app: falcon.App[Any, Any], router: Router) -> None:
    """Put the router and the error handlers into an application."""
    app.add_sink(router, "/")
    app.add_error_handler(Exception, on_bug)
    app.add_error_handler(falcon.HTTPError, on_falcon_error)
    app.add_error_handler(HoldfastError, on_error)
