"""Rules of ``http`` (but for who may come in), ``cluster`` and the file as a whole (zot: validateHTTP, validateClusterConfig)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from holdfast.config.http import SPARE_THREADS
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.settings import DIST_SPEC_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.http import Tls
    from holdfast.config.settings import Settings

# siphash takes 128 bits.
_HASH_KEY_BYTES: Final = 16
_MEMBER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", re.ASCII)


def certificates_have_keys(settings: Settings) -> Iterator[Finding]:
    if settings.http.tls is not None:
        yield from _pair(settings.http.tls, ("http", "tls"))
    if settings.cluster is not None and settings.cluster.tls is not None:
        yield from _pair(settings.cluster.tls, ("cluster", "tls"), optional=True)


def _pair(tls: Tls, at: Steps, *, optional: bool = False) -> Iterator[Finding]:
    """``optional``: members may trust an authority without showing a certificate of their own."""
    if optional and not tls.cert and not tls.key:
        return
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
    if limit.rate is None and not limit.methods:
        reads: tuple[Steps, ...] = ((*at, "methods"),)
        yield Finding(
            (*at, "rate"), "missing: nothing is limited", "give a rate, or methods, or remove the block", reads
        )
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


def members_are_complete(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster is None:
        return
    scale_out = bool(cluster.members) or cluster.hash_key is not None or cluster.tls is not None
    if not scale_out and not cluster.id and not cluster.node_id:
        yield Finding(("cluster", "members"), "missing: a cluster of nobody", "list the members, or remove the block")
    if not scale_out:
        return
    if not cluster.members:
        yield Finding(("cluster", "members"), "missing", 'list "host:port" of every member')
    if cluster.hash_key is None or len(cluster.hash_key.get_secret_value().encode()) != _HASH_KEY_BYTES:
        yield Finding(("cluster", "hashKey"), f"not {_HASH_KEY_BYTES} characters", "write 16 random ASCII characters")
    for index, member in enumerate(cluster.members):
        match = _MEMBER.fullmatch(member)
        if match is None or not 0 < int(match[1]) <= 65535:
            yield Finding(("cluster", "members", index), "no host:port", 'write it as "registry-1.example.com:5000"')


def the_protocol_is_known(settings: Settings) -> Iterator[Finding]:
    if settings.dist_spec_version != DIST_SPEC_VERSION:
        message = f"differs from the version spoken here, {DIST_SPEC_VERSION}"
        yield Finding(("distSpecVersion",), message, f'write "{DIST_SPEC_VERSION}", or nothing', warning=True)


HTTP_RULES: Final[tuple[Rule, ...]] = (
    certificates_have_keys,
    limits_limit,
    transfers_leave_threads,
    members_are_complete,
    the_protocol_is_known,
)
