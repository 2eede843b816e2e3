"""Rules of ``cluster`` (zot: validateClusterConfig; the rest is ours)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from holdfast.addresses import UNIX, parse_host_port, stays_here
from holdfast.config.rules.finding import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.cluster import Cluster, Etcd
    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings

# siphash takes 128 bits.
_HASH_KEY_BYTES: Final = 16
_MEMBER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", re.ASCII)
# etcd's documentation calls this the most that it is made for.
_LARGEST_QUOTA_BYTES: Final = 8 << 30
_ETCD: Final[Steps] = ("cluster", "etcd")
_NODE: Final[Steps] = ("cluster", "node")
_CERTIFICATES: Final = ("caFile", "certFile", "keyFile")


def members_are_complete(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster is None or not cluster.is_scale_out:
        return
    if not cluster.members:
        yield Finding(("cluster", "members"), "missing", 'list "host:port" of every member')
    if cluster.hash_key is None or len(cluster.hash_key.get_secret_value().encode()) != _HASH_KEY_BYTES:
        yield Finding(("cluster", "hashKey"), f"not {_HASH_KEY_BYTES} characters", "write 16 random ASCII characters")
    for index, member in enumerate(cluster.members):
        match = _MEMBER.fullmatch(member)
        if match is None or not 0 < int(match[1]) <= 65535:
            yield Finding(("cluster", "members", index), "no host:port", 'write it as "registry-1.example.com:5000"')
    # Members may trust an authority without showing a certificate of their own.
    if cluster.tls is not None and bool(cluster.tls.cert) is not bool(cluster.tls.key):
        key = "key" if cluster.tls.cert else "cert"
        yield Finding(("cluster", "tls", key), "missing: TLS needs cert and key together", "write the file's path")


def a_cluster_has_names(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster is None:
        return
    reads: tuple[Steps, ...] = tuple(("cluster", key) for key in ("members", "hashKey", "tls"))
    if cluster.etcd is not None and cluster.is_scale_out:
        message = "given beside zot's scale-out (members, hashKey, tls), which is another kind of cluster"
        yield Finding(_ETCD, message, "keep etcd, and remove members, hashKey and tls", reads)
    if cluster.etcd is None and not cluster.is_scale_out:
        message = "missing: a cluster keeps its names in etcd"
        yield Finding(_ETCD, message, 'write {"endpoints": ["http://127.0.0.1:2379"]}, or remove cluster', reads)


def etcd_can_be_reached(settings: Settings) -> Iterator[Finding]:
    etcd = settings.cluster.etcd if settings.cluster else None
    if etcd is None:
        return
    at = (*_ETCD, "endpoints")
    if not etcd.endpoints:
        yield Finding(at, "missing: no member of etcd", 'list the URLs of all, such as "http://127.0.0.1:2379"')
    parts = [_endpoint(endpoint) for endpoint in etcd.endpoints]
    for index, part in enumerate(parts):
        if part is None:
            message = "no http or https URL of a host and a port, with nothing behind"
            yield Finding((*at, index), message, 'write it as "http://127.0.0.1:2379"; user and password have own keys')
        elif part in parts[:index]:
            yield Finding((*at, index), "given twice", "list every member once")
    if len({part.scheme for part in parts if part}) > 1:
        yield Finding(at, "http and https mixed", "speak TLS to all members, or to none")
    if etcd.quota > _LARGEST_QUOTA_BYTES:
        message = "more than the 8 GiB that etcd is made for"
        yield Finding((*_ETCD, "quota"), message, "keep it at 8GiB or less, the same as etcd's own", warning=True)


def _endpoint(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        address = parse_host_port(parts.netloc)
    except ValueError:
        return None
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    return parts._replace(path="") if parts.scheme in {"http", "https"} and address.port and bare else None


def etcd_is_trusted(settings: Settings) -> Iterator[Finding]:
    etcd = settings.cluster.etcd if settings.cluster else None
    if etcd is None:
        return
    yield from _together({"username": etcd.username, "passwordFile": etcd.password_file}, _ETCD, "a login")
    yield from _together({"certFile": etcd.cert_file, "keyFile": etcd.key_file}, _ETCD, "a certificate")
    yield from _plaintext(etcd)


def _plaintext(etcd: Etcd) -> Iterator[Finding]:
    plain = [part for part in map(_endpoint, etcd.endpoints) if part and part.scheme == "http"]
    reads: tuple[Steps, ...] = ((*_ETCD, "endpoints"),)
    if not plain:
        return
    for key, value in zip(_CERTIFICATES, (etcd.ca_file, etcd.cert_file, etcd.key_file), strict=True):
        if value:
            yield Finding((*_ETCD, key), "not used: the endpoints are http", "write https there, or remove it", reads)
    if any(not stays_here(part.netloc) for part in plain):
        message = "plaintext beyond this machine: whoever is on the way can read and change every name"
        yield Finding((*_ETCD, "endpoints"), message, "give etcd certificates, and write https", warning=True)


def processes_trust_each_other(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster is None:
        return
    files = dict(zip(_CERTIFICATES, (cluster.ca_file, cluster.cert_file, cluster.key_file), strict=True))
    yield from _together(files, ("cluster",), "TLS between processes")
    if cluster.has_certificates and cluster.insecure:
        yield Finding(("cluster", "insecure"), "without effect: there are certificates", "remove it", warning=True)
    if not any(files.values()) and not cluster.insecure:
        yield from _unprotected(cluster)


def _unprotected(cluster: Cluster) -> Iterator[Finding]:
    for key, address in (("listen", cluster.node.listen), ("advertise", cluster.node.advertised)):
        if not stays_here(address):
            reads: tuple[Steps, ...] = tuple(("cluster", name) for name in (*_CERTIFICATES, "insecure"))
            yield Finding(
                (*_NODE, key),
                "beyond this machine, where plaintext is refused",
                "make certificates by `holdfast certs init` and `holdfast certs issue` and write caFile, certFile and keyFile"
                ' in cluster, or "insecure": true there if the network is a trusted one',
                reads,
            )
            return


def nodes_can_be_reached(settings: Settings) -> Iterator[Finding]:
    node = settings.cluster.node if settings.cluster else None
    if node is None or node.advertised.startswith(UNIX):
        return
    address = parse_host_port(node.advertised)
    reads: tuple[Steps, ...] = ((*_NODE, "listen"),)
    if address.is_wildcard:
        message = f"nobody can connect to {address}" if node.advertise else f"missing: nobody can connect to {address}"
        yield Finding(
            (*_NODE, "advertise"), message, "write the host:port under which the others reach this node", reads
        )
    elif node.advertise and not address.port:
        yield Finding((*_NODE, "advertise"), "no port", "write the port that the others connect to")


def metrics_stay_here(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster is None:
        return
    for key, address in (("node", cluster.node.metrics), ("worker", cluster.worker.metrics)):
        if address and not stays_here(address):
            message = "in plaintext beyond this machine: whoever can connect may read the measurements"
            remedy = "keep it on loopback, or on a network that only operators reach"
            yield Finding(("cluster", key, "metrics"), message, remedy, warning=True)


def _together(values: dict[str, str], at: Steps, what: str) -> Iterator[Finding]:
    if not any(values.values()):
        return
    for key, value in values.items():
        if not value:
            others = " and ".join(other for other in values if other != key)
            reads = tuple((*at, other) for other in values if other != key)
            yield Finding((*at, key), f"missing: {what} needs it beside {others}", "write it", reads)


CLUSTER_RULES: Final[tuple[Rule, ...]] = (
    members_are_complete,
    a_cluster_has_names,
    etcd_can_be_reached,
    etcd_is_trusted,
    processes_trust_each_other,
    nodes_can_be_reached,
    metrics_stay_here,
)
