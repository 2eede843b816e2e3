"""One door for everything below ``/v2``, one table of who answers what, one place where errors become answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import falcon

from gateway.http import errors, paths
from gateway.http.credentials import facts_of
from gateway.http.paths import Kind, Route
from gateway.metrics import REFUSED, ROUTE
from holdfast.access.actions import Action
from holdfast.errors import (
    AccessError,
    DeniedError,
    HoldfastError,
    LoginNeededError,
    LoginRefusedError,
    QuotaError,
    TooManyLoginsError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

    from gateway.access.gate import Gate
    from gateway.http.blobs import BlobsResource
    from gateway.http.credentials import Challenges
    from gateway.http.listing import ListingResource
    from gateway.http.manifests import ManifestsResource
    from gateway.http.uploads import UploadsResource
    from holdfast.clock import Clock
    from holdfast.names import Repository

    Handler: TypeAlias = Callable[[Request, Response, Route], None]

log = logging.getLogger("holdfast.gateway")

_JSON: Final = "application/json"
_PULLS: Final = frozenset({"GET", "HEAD"})


# What a refusal is counted as.
_REASONS: Final = {
    LoginRefusedError: "login",
    TooManyLoginsError: "too many logins",
    DeniedError: "denied",
    QuotaError: "quota",
}


# What each method of an endpoint needs; the same table for every kind, so that none is forgotten.
_NEEDS: Final = {
    "GET": Action.READ,
    "HEAD": Action.READ,
    "POST": Action.CREATE,
    "PATCH": Action.CREATE,
    "PUT": Action.CREATE,
    "DELETE": Action.DELETE,
}


@dataclass(frozen=True, slots=True)
class Resources:
    """Who answers what."""

    blobs: BlobsResource
    uploads: UploadsResource
    manifests: ManifestsResource
    listing: ListingResource


class Router:
    """The sink that Falcon hands every request to. ``admit`` raises a HoldfastError while none can be served."""

    def __init__(
        self,
        resources: Resources,
        gate: Gate,
        admit: Callable[[], None],
        meant: Callable[[Repository, str | None], Repository],
        clock: Clock,
        counted: Callable[[str], None],
    ) -> None:
        """``meant``: the repository that a pull means by a name and an upstream's host, if it says one. ``counted`` is told who
        asks, and raises TooManyRequestsError.
        """
        self._counted = counted
        self._gate = gate
        self._admit = admit
        self._meant = meant
        self._clock = clock
        blobs, uploads = resources.blobs, resources.uploads
        manifests, listing = resources.manifests, resources.listing
        self._table: dict[Kind, dict[str, Handler]] = {
            Kind.BASE: {"GET": self._base, "HEAD": self._base},
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
        # What somebody pushed is no page of ours, whatever a browser makes of it.
        resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
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
        req.env[ROUTE] = route.kind.name.lower()
        facts = facts_of(req, self._clock, route.argument if route.kind is Kind.MANIFEST else "")
        caller = req.context.caller = self._gate.who(req.get_header("Authorization"), facts)
        self._counted(caller.identity.name)
        repository = self._named(req, resp, route)
        if repository:
            # An upload is a push until it ends, whatever is asked about it.
            action = Action.CREATE if route.kind is Kind.UPLOAD else _NEEDS[req.method]
            self._gate.require(caller, action, repository)
        elif route.kind is not Kind.BASE:
            self._gate.admit(caller)
        handler(req, resp, Route(route.kind, repository, route.argument, caller))

    def _base(self, _req: Request, resp: Response, route: Route) -> None:
        self._gate.greet(route.caller)
        resp.data = b"{}"

    def _named(self, req: Request, resp: Response, route: Route) -> Repository:
        """distribution-spec, "Registry Proxying": ``ns`` says whose repository is meant, and is echoed where it was heeded."""
        if req.method not in _PULLS or not route.repository:
            return route.repository
        ns = req.get_param("ns")
        repository = self._meant(route.repository, ns)
        if ns and repository != route.repository:
            resp.set_header("OCI-Namespace", ns)
        return repository

    def routes(self) -> dict[Kind, list[str]]:
        """What is answered, for tests that must not miss an endpoint."""
        return {kind: list(methods) for kind, methods in self._table.items()}


class ErrorWriter:
    """The one writer of error bodies."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    def __call__(self, req: Request, resp: Response, error: HoldfastError, _params: dict[str, Any]) -> None:
        answer = errors.answer_to(error)
        for name, value in errors.headers_of(error).items():
            resp.set_header(name, value)
        if isinstance(error, LoginNeededError | LoginRefusedError):
            resp.set_header("WWW-Authenticate", self._challenges.challenge(req, error))
        # Not the error: its traceback leads back here, and such a ring keeps whole bodies until somebody looks for rings.
        req.context.reason = error.message
        reason = next((word for kind, word in _REASONS.items() if isinstance(error, kind)), None)
        if reason is not None:
            req.env[REFUSED] = reason
        req.context.is_refusal = isinstance(error, AccessError | TooManyLoginsError)
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


def mount(app: falcon.App[Any, Any], router: Router, challenges: Challenges) -> None:
    """Put the router and the error handlers into an application."""
    app.add_sink(router, "/")
    app.add_error_handler(Exception, on_bug)
    app.add_error_handler(falcon.HTTPError, on_falcon_error)
    app.add_error_handler(HoldfastError, ErrorWriter(challenges))
