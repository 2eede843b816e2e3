"""The metadata store of a cluster: the port of ``holdfast.meta.store`` on etcd 3.4 or newer.

Only this package knows the etcd client library, and with it gRPC: of the library it uses the generated messages and stubs.
Choosing endpoints, deadlines, tokens, watches and leases are our own, because what a dead leader costs and what an unclear
answer means is decided there.
"""

from holdfast.meta.etcd.configured import configured
from holdfast.meta.etcd.operate import Alarm, EtcdStatus, MemberStatus
from holdfast.meta.etcd.options import Endpoint, EtcdOptions, Login, Tls, endpoint
from holdfast.meta.etcd.stale import StaleReads
from holdfast.meta.etcd.store import EtcdStore

__all__ = [
    "Alarm",
    "Endpoint",
    "EtcdOptions",
    "EtcdStatus",
    "EtcdStore",
    "Login",
    "MemberStatus",
    "StaleReads",
    "Tls",
    "configured",
    "endpoint",
]
