"""A sync worker over gRPC.

Promises: every call has a deadline, and whatever goes wrong is one of ``holdfast.errors``. Nothing is retried here. As with
storage nodes, the channel is made by the first call, after any fork; the call after a renewal of this process's certificate makes
another one.

Never: asks an upstream.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import grpc

from holdfast.errors import OverloadedError, WorkerUnreachableError
from holdfast.rpc import convert, failures, syncstatus
from holdfast.rpc import methods as m
from holdfast.rpc.channel import open_channel, require_protection
from holdfast.rpc.link import Link
from holdfast.rpc.sync import PATIENCE_SECONDS, Listed, Resolved, Underway
from holdfast.wire import sync_pb2 as wire

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.rpc.credentials import Credentials
    from holdfast.rpc.syncstatus import WorkerStatus


class GrpcSync:
    """Implements ``holdfast.rpc.sync.SyncClient`` for the worker at ``target``."""

    def __init__(self, target: str, credentials: Credentials | None = None, *, insecure: bool = False) -> None:
        """Raises ConfigError: ``target`` is beyond this machine, and there are no credentials and no leave to go without."""
        require_protection(target, credentials is not None, insecure=insecure)
        self._target = target
        self._credentials = credentials
        self._insecure = insecure
        self._lock = threading.Lock()
        self._link: Link | None = None

    def resolve(self, repository: Repository, tag: Tag, patience_seconds: float = PATIENCE_SECONDS) -> Resolved:
        reply = self._call(m.RESOLVE, wire.ResolveRequest(repository=repository, tag=tag), patience_seconds)
        return Resolved(convert.digest(reply.digest), reply.warning, reply.fresh_seconds)

    def fetch_manifest(self, repository: Repository, digest: Digest) -> None:
        self._call(m.FETCH_MANIFEST, wire.FetchRequest(repository=repository, digest=str(digest)))

    def fetch_referrers(
        self, repository: Repository, subject: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Listed:
        request = wire.FetchRequest(repository=repository, digest=str(subject))
        reply = self._call(m.FETCH_REFERRERS, request, patience_seconds)
        return Listed(reply.warning, reply.fresh_seconds)

    def fetch_blob(
        self, repository: Repository, digest: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Underway | None:
        request = wire.FetchRequest(repository=repository, digest=str(digest))
        reply = self._call(m.FETCH_BLOB, request, patience_seconds)
        return Underway(reply.upload_id, reply.size_bytes) if reply.upload_id else None

    def status(self, patience_seconds: float) -> WorkerStatus:
        """Of this one worker; for operators."""
        return syncstatus.from_wire(self._call(m.GET_SYNC_STATUS, wire.SyncStatusRequest(), patience_seconds))

    def close(self) -> None:
        """Ends what is under way. A later call opens a new channel."""
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def _call(self, method: m.Method, request: object, patience_seconds: float = PATIENCE_SECONDS) -> Any:
        link = self._current_link()
        try:
            return link.callable(method)(request, timeout=patience_seconds)
        except grpc.RpcError as error:
            told = failures.travelled(error)
            if told is not None:
                raise told from error
            kind = OverloadedError if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED else WorkerUnreachableError
            raise kind(
                "the sync worker did not answer; try again in a moment", {"status": error.code().name}
            ) from error
        except ValueError as error:  # gRPC's word for a channel that another thread has just closed
            raise WorkerUnreachableError("the connection to the sync worker was closed; try again") from error

    def _current_link(self) -> Link:
        version = self._credentials.version if self._credentials else 0
        with self._lock:
            if self._link is None or self._link.version < version:
                channel = open_channel(self._target, self._credentials, insecure=self._insecure)
                self._link = Link(channel, version)
            return self._link
