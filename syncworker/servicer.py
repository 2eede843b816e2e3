"""The sync service over gRPC: each method unwraps, asks the worker, wraps. Errors leave through ``holdfast.rpc.serving``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast import names
from holdfast.rpc import convert, syncstatus
from holdfast.rpc import methods as m
from holdfast.wire import sync_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from syncworker.worker import SyncWorker


class Servicer:
    """One behaviour for each method of the table."""

    def __init__(self, worker: SyncWorker) -> None:
        self._worker = worker

    def behaviours(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {
            m.RESOLVE.name: self.resolve,
            m.FETCH_MANIFEST.name: self.fetch_manifest,
            m.FETCH_REFERRERS.name: self.fetch_referrers,
            m.FETCH_BLOB.name: self.fetch_blob,
            m.GET_SYNC_STATUS.name: self.status,
        }

    def resolve(self, request: wire.ResolveRequest, _context: grpc.ServicerContext) -> wire.ResolveReply:
        found = self._worker.resolve(names.repository(request.repository), names.tag(request.tag))
        return wire.ResolveReply(digest=str(found.digest), warning=found.warning, fresh_seconds=found.fresh_seconds)

    def fetch_manifest(self, request: wire.FetchRequest, _context: grpc.ServicerContext) -> wire.FetchManifestReply:
        self._worker.fetch_manifest(names.repository(request.repository), convert.digest(request.digest))
        return wire.FetchManifestReply()

    def fetch_referrers(self, request: wire.FetchRequest, _context: grpc.ServicerContext) -> wire.FetchReferrersReply:
        found = self._worker.fetch_referrers(names.repository(request.repository), convert.digest(request.digest))
        return wire.FetchReferrersReply(warning=found.warning, fresh_seconds=found.fresh_seconds)

    def fetch_blob(self, request: wire.FetchRequest, _context: grpc.ServicerContext) -> wire.FetchBlobReply:
        found = self._worker.fetch_blob(names.repository(request.repository), convert.digest(request.digest))
        if found is None:
            return wire.FetchBlobReply()
        return wire.FetchBlobReply(upload_id=found.upload_id, size_bytes=found.size_bytes)

    def status(self, _request: wire.SyncStatusRequest, _context: grpc.ServicerContext) -> wire.SyncStatus:
        return syncstatus.to_wire(self._worker.status())
