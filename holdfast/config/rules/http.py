"""Rules of ``http`` (but for who may come in) and of the file as a whole (zot: validateHTTP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.http import SPARE_THREADS
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.settings import DIST_SPEC_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.http import Tls
    from holdfast.config.settings import Settings


def certificates_have_keys(settings: Settings) -> Iterator[Finding]:
    if settings.http.tls is not None:
        yield from _pair(settings.http.tls, ("http", "tls"))
    if settings.http.tls is not None and settings.http.tls.require_client and not settings.http.tls.ca_cert:
        message = "client certificates are required, and nobody says which ones count"
        yield Finding(("http", "tls", "cacert"), message, "name the authority's file, or remove requireClient")


def _pair(tls: Tls, at: Steps) -> Iterator[Finding]:
    for key, value in (("cert", tls.cert), ("key", tls.key)):
        if not value:
            yield Finding(
                (*at, key),
                "missing: TLS needs cert and key together",
                "write the file's path, or remove the whole tls block",
            )


def limits_limit(settings: Settings) -> Iterator[Finding]:
    limit = settings.http.rate_limit
    if limit is None:
        return
    at = ("http", "ratelimit")
    if limit.rate is None and not limit.methods and limit.per_user is None and limit.per_address is None:
        reads: tuple[Steps, ...] = ((*at, "methods"),)
        yield Finding(
            (*at, "rate"), "missing: nothing is limited", "give a rate, or methods, or remove the block", reads
        )
    for key, bucket in (("perUser", limit.per_user), ("perAddress", limit.per_address)):
        if bucket is not None and not bucket.rate:
            yield Finding((*at, key, "rate"), "missing", "write the requests in a second, such as 10")
    for index, method in enumerate(limit.methods):
        for key, missing in (("method", not method.method), ("rate", not method.rate)):
            if missing:
                yield Finding((*at, "methods", index, key), "missing", 'write it, such as "GET" and 5')


def transfers_leave_threads(settings: Settings) -> Iterator[Finding]:
    http = settings.http
    if http.max_transfers is not None and http.max_transfers >= http.threads - SPARE_THREADS:
        yield Finding(
            ("http", "maxTransfers"),
            f"leaves fewer than {SPARE_THREADS} of {http.threads} threads for short requests",
            f"write less than {http.threads - SPARE_THREADS}, or raise threads",
            reads=(("http", "threads"),),
        )


def the_protocol_is_known(settings: Settings) -> Iterator[Finding]:
    if settings.dist_spec_version != DIST_SPEC_VERSION:
        message = f"differs from the version spoken here, {DIST_SPEC_VERSION}"
        yield Finding(("distSpecVersion",), message, f'write "{DIST_SPEC_VERSION}", or nothing', warning=True)


HTTP_RULES: Final[tuple[Rule, ...]] = (
    certificates_have_keys,
    limits_limit,
    transfers_leave_threads,
    the_protocol_is_known,
)
