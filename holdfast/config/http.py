"""``http``: where the registry listens and how it treats connections.

Promises: zot's keys, and ours, which say so. What follows from several keys is a property; what follows from the machine is a
method that is told.

Never: opens a socket, counts processors.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from holdfast.config.access import AccessControl
from holdfast.config.auth import Auth
from holdfast.config.scalars import (
    Address,
    Cidr,
    Count,
    Flag,
    Listed,
    Port,
    Positive,
    Text,
    Time,
    Url,
    Whole,
    at_least,
    one_of,
)
from holdfast.config.section import Section, field
from holdfast.durations import seconds

# Threads that pulls and pushes never take, so that short requests and refusals always find one.
SPARE_THREADS: Final = 8
# "No time-out" still ends a connection on which nothing moves: a thread must come back some day.
LONGEST_IDLE_SECONDS: Final = 3600.0
MOST_WORKERS: Final = 8

Threads = Annotated[Whole, AfterValidator(at_least(SPARE_THREADS + 2))]
Compat = Annotated[Text, AfterValidator(one_of("docker2s2"))]
Method = Annotated[
    Text, AfterValidator(one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"))
]


class Tls(Section):
    """Certificate of a server, and the authority of its clients."""

    cert: Text = field("", "File with the certificate chain; with key.")
    key: Text = field("", "File with the private key; with cert.")
    ca_cert: Text = field(
        "",
        "File with the authorities that client certificates are checked against, and their revocation lists if they have some. "
        "Whoever shows a certificate is who it names; without one everybody may try the other ways of logging in.",
        alias="cacert",
    )
    require_client: Flag = field(
        False, "Refuse every connection without a client certificate, probes included (ours); with cacert."
    )


class Bucket(Section):
    """A limit of ours."""

    rate: Positive = field(0, "Requests in a second; required.")
    burst: Positive | None = field(None, "Requests at once after a pause. When absent: those of a second.")


class MethodRate(Section):
    """A limit for one method."""

    method: Method = field("", "HTTP method; required.")
    rate: Positive = field(0, "Requests in a second; required.")
    burst: Positive | None = field(None, "As of all (ours).")


class RateLimit(Section):
    """How many requests a gateway takes, with all its processes together; the others are answered 429.

    In a cluster each gateway has its own count. Health probes are not counted; a transfer that has begun goes on.
    """

    rate: Positive | None = field(None, "Requests in a second, of all methods together.")
    burst: Positive | None = field(None, "Requests at once after a pause (ours). When absent: those of a second.")
    methods: Listed[MethodRate] = field((), "Limits by method.")
    per_user: Bucket | None = field(None, "Of each user who is logged in (ours); beside the other limits.")
    per_address: Bucket | None = field(
        None, "Of each client's address, of IPv6 each /64, whoever asks (ours); beside the other limits."
    )


class Allow(Section):
    """From where what may be done, whoever asks; 403 from elsewhere, before anything of a body is read.

    Logging in is possible from everywhere. An action that is not named may be done from anywhere; an empty list means from nowhere.
    """

    read: Listed[Cidr] | None = field(None, "Addresses and ranges from which may be pulled and listed.")
    create: Listed[Cidr] | None = field(None, "From which may be pushed. Every push needs it.")
    update: Listed[Cidr] | None = field(None, "From which a tag may be moved, beside create.")
    delete: Listed[Cidr] | None = field(None, "From which may be deleted.")


class Http(Section):
    """Where the registry listens and how it treats connections."""

    address: Address = field("127.0.0.1", "Address or host name to listen on; empty for all.")
    port: Port = field(8080, "Port to listen on, 8080 unless given, as in zot; 0 lets the kernel choose.")
    external_url: Url = field("", "URL under which people reach the registry.")
    realm: Text = field("", "Realm named in a challenge.")
    allow_origin: Text = field("", "Origins of web pages that may ask, separated by commas.")
    read_timeout: Time | None = field(
        None,
        "In zot a limit for reading a whole request, which cuts slow but healthy uploads. Here it is taken for progress: "
        "a connection on which no byte moves for the longer of readTimeout and writeTimeout is closed. 0 or less: after "
        "an hour. idleTimeout goes before both.",
    )
    write_timeout: Time | None = field(None, "As readTimeout.")
    compat: Listed[Compat] = field((), "docker2s2: take Docker's manifests. They are always taken here.")
    tls: Tls | None = field(None, "Serve HTTPS.")
    rate_limit: RateLimit | None = field(None, "Limits on requests.", alias="ratelimit")
    auth: Auth | None = field(None, "Who may come in.")
    access_control: AccessControl | None = field(None, "Who may do what.")
    allow: Allow | None = field(None, "From where what may be done (ours).")
    trusted_proxies: Listed[Cidr] = field(
        (),
        "Addresses and ranges of proxies whose X-Forwarded-For, -Proto and -Host count (ours). From everybody else these headers "
        "are taken off. The client is the rightmost address that is none of these. Every proxy must append to X-Forwarded-For.",
    )
    max_connections: Positive | None = field(
        None,
        "Connections of a gateway, all its processes together; more are closed at once (ours). When absent: 4096 for each process.",
    )
    max_connections_per_address: Positive | None = field(
        None,
        "Of these, how many from one address, of IPv6 one /64; trusted proxies excepted (ours). When absent: three quarters.",
    )
    sparse_manifests: Flag = field(False, "Take manifests whose blobs or children are not there (ours).")
    workers: Positive | None = field(None, "Gateway processes (ours). When absent: one for each processor, 8 at most.")
    threads: Threads = field(256, "Threads of each gateway process (ours); 10 at least.")
    max_transfers: Positive | None = field(
        None,
        "Pulls and pushes of blobs that one process serves at once (ours), so that short requests always find a thread. "
        "At least 8 fewer than threads, not counting itself. When absent: three quarters of threads.",
    )
    idle_timeout: Time = field(
        seconds(60), "A connection on which no byte moves for this long is closed (ours). 0 or less: after an hour."
    )
    drain_seconds: Count = field(30, "Seconds that running requests get to end when the server is told to stop (ours).")

    @property
    def progress_timeout_seconds(self) -> float:
        """How long a connection may stand still: ``idleTimeout`` if said, else from zot's time-outs, else 60 s."""
        zot = [limit for limit in (self.read_timeout, self.write_timeout) if limit is not None]
        said = [self.idle_timeout] if "idle_timeout" in self.model_fields_set or not zot else zot
        # One of zot's two being "none" means that somebody wanted no limit in that direction; so no limit.
        if min(said).nanoseconds <= 0:
            return LONGEST_IDLE_SECONDS
        return min(max(said).seconds, LONGEST_IDLE_SECONDS)

    @property
    def knows_certificates(self) -> bool:
        """Whether client certificates name somebody: as in zot, an authority to check them against is all that it takes."""
        return self.tls is not None and bool(self.tls.ca_cert)

    @property
    def transfer_limit(self) -> int:
        """``maxTransfers``, or what it is when nothing is said."""
        if self.max_transfers is not None:
            return self.max_transfers
        return max(1, min(self.threads * 3 // 4, self.threads - SPARE_THREADS - 1))

    def worker_count(self, processors: int) -> int:
        """``workers``, or what it is on a machine with this many processors when nothing is said."""
        return self.workers or max(1, min(processors, MOST_WORKERS))
