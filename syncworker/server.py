"""Assembles a sync worker and serves it.

On SIGTERM no new call is taken and the lease is given back, so that other workers go on at once with what is under way: its bytes
are at a storage node, and whoever takes over begins where they end.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from holdfast.addresses import UNIX
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.rpc import methods as m
from holdfast.rpc.admission import admit_anybody, admit_cluster
from holdfast.rpc.channel import SERVER_OPTIONS, require_protection
from holdfast.rpc.credentials import Credentials
from holdfast.rpc.serving import LanePool, ServiceHandler
from holdfast.settled import settled
from holdfast.signals import Signals
from syncworker.assembly import assemble
from syncworker.servicer import Servicer

if TYPE_CHECKING:
    from syncworker.options import Options

_log: Final = logging.getLogger("holdfast.sync")

_DRAIN_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 2.0
# Calls wait in their threads for upstreams to answer.
_MANIFEST_THREADS: Final = 128
_BLOB_THREADS: Final = 256


def run(options: Options) -> None:
    """Serve until SIGTERM, SIGINT or SIGQUIT.

    Raises:
        ConfigError: an upstream, a certificate or the address cannot be used, or the cluster takes no process of this version.
    """
    os.umask(0o077)
    with Signals(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) as told:
        _serve(options, told)


def _serve(options: Options, told: Signals) -> None:
    stopping = threading.Event()
    credentials = _credentials(options)
    assembled = assemble(options, stopping.wait)
    pools = {m.Lane.CONTROL: LanePool("manifests", _MANIFEST_THREADS), m.Lane.READ: LanePool("blobs", _BLOB_THREADS)}
    refusals = LanePool("refuse", 2)
    server = grpc.server(refusals, options=SERVER_OPTIONS)
    admission = admit_cluster(credentials.peer.cluster) if credentials else admit_anybody
    behaviours = Servicer(assembled.worker).behaviours()
    handler: Any = ServiceHandler(behaviours, pools, admission, m.SYNC_METHODS)
    server.add_generic_rpc_handlers((handler,))
    _listen(server, options.listen, credentials)
    got = None
    while got is None and not _begun(assembled.begin):
        got = told.within(_RETRY_SECONDS)
    if got is None:
        server.start()
        settled()
        _log.info("sync worker is up", extra={"listen": options.listen})
        got = told.wait()
    _log.info("sync worker is stopping", extra={"signal": got.name})
    stopping.set()
    server.stop(_DRAIN_SECONDS).wait()
    assembled.end()


def _begun(begin: Any) -> bool:
    """After a power cut everything starts at once, and the metadata may come last."""
    try:
        begin()
    except MetadataUnavailableError as error:
        _log.warning("waiting for the metadata", extra={"reason": error.message})
        return False
    return True


def _credentials(options: Options) -> Credentials | None:
    insecure = options.cluster.insecure if options.cluster else False
    require_protection(options.listen, options.tls is not None, insecure=insecure)
    if options.tls is None or options.listen.startswith(UNIX):
        return None
    return Credentials(options.tls)


def _listen(server: grpc.Server, listen: str, credentials: Credentials | None) -> None:
    try:
        if credentials is None:
            server.add_insecure_port(listen)
        else:
            server.add_secure_port(listen, credentials.for_server())
    except RuntimeError as error:
        raise ConfigError(f"the sync worker cannot listen on {listen}; is something else there?") from error
    if listen.startswith(UNIX):
        Path(listen.removeprefix(UNIX)).chmod(0o600)
