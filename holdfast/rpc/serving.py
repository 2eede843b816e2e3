"""The server side of the method table: bounded lanes, and errors that leave in wire form.

Each lane has its own threads and counts what it has taken; a call beyond the bound is refused at once instead of waiting behind
others (OverloadedError), so two hundred followers cannot starve the append they wait for. A behaviour that fails unexpectedly is
logged here and leaves as INTERNAL without a trace.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc

from holdfast.errors import HoldfastError, OverloadedError
from holdfast.rpc import failures
from holdfast.rpc import methods as m
from holdfast.rpc.admission import Admission, admit_anybody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LOG: Final = logging.getLogger("holdfast.node")

Behaviour = Any  # (request or iterator, context) -> response or iterator


class LanePool(ThreadPoolExecutor):
    """Threads that take as many calls as there are threads, and not one more."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)
        self._limit = threads
        self._count = 0
        self._count_lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        return self._count >= self._limit

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with self._count_lock:
            self._count += 1
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            self._leave(None)
            raise
        future.add_done_callback(self._leave)
        return future

    def _leave(self, _future: Future[Any] | None) -> None:
        with self._count_lock:
            self._count -= 1


class ServiceHandler:
    """All methods of the table over ``behaviours``, by name. gRPC asks a generic handler for ``service`` only."""

    def __init__(
        self,
        behaviours: Mapping[str, Behaviour],
        pools: Mapping[m.Lane, LanePool],
        admission: Admission = admit_anybody,
        methods: Mapping[str, m.Method] = m.METHODS,
    ) -> None:
        """``admission`` is asked before every behaviour; ``methods``: the service's table."""
        if behaviours.keys() != methods.keys():
            raise ValueError(f"not every method has a behaviour: {sorted(behaviours.keys() ^ methods.keys())}")
        self._pools = {method.path: pools[method.lane] for method in methods.values()}
        self._handlers = {
            method.path: _handler(method, _admitted(method, behaviours[method.name], admission), pools[method.lane])
            for method in methods.values()
        }
        self._refusals = {method.path: _handler(method, _refuse, None) for method in methods.values()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Called in gRPC's one serving thread, which also submits: between look and submit nobody else can enter."""
        path = handler_call_details.method
        pool = self._pools.get(path)
        if pool is None:
            return None
        return self._refusals[path] if pool.is_full else self._handlers[path]


def _admitted(method: m.Method, behaviour: Behaviour, admission: Admission) -> Behaviour:
    def admitted(request: object, context: grpc.ServicerContext) -> object:
        admission(method, context)
        return behaviour(request, context)

    return admitted


def _refuse(_request: object, _context: grpc.ServicerContext) -> object:
    raise OverloadedError("the storage node or sync worker is busy; try another one, or try again in a moment")


def _handler(method: m.Method, behaviour: Behaviour, pool: LanePool | None) -> grpc.RpcMethodHandler[Any, Any]:
    guarded: Any = _guard_stream(behaviour) if method.kind is m.Kind.STREAM_OUT else _guard(behaviour)
    if pool is not None:
        guarded.experimental_thread_pool = pool  # gRPC runs this behaviour in these threads
    make: Any = {
        m.Kind.UNARY: grpc.unary_unary_rpc_method_handler,
        m.Kind.STREAM_IN: grpc.stream_unary_rpc_method_handler,
        m.Kind.STREAM_OUT: grpc.unary_stream_rpc_method_handler,
    }[method.kind]
    handler: grpc.RpcMethodHandler[Any, Any] = make(
        guarded,
        request_deserializer=m.deserializer(method.request),
        response_serializer=m.serializer(method.response),
    )
    return handler


def _guard(behaviour: Behaviour) -> Behaviour:
    def guarded(request: object, context: grpc.ServicerContext) -> object:
        try:
            return behaviour(request, context)
        except Exception as error:  # noqa: BLE001  # the border: whatever it is leaves in wire form, once
            _abort(context, error)

    return guarded


def _guard_stream(behaviour: Behaviour) -> Behaviour:
    def guarded(request: object, context: grpc.ServicerContext) -> Iterator[object]:
        try:
            yield from behaviour(request, context)
        except Exception as error:  # noqa: BLE001  # as above, inside the generator
            _abort(context, error)

    return guarded


def _abort(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    if isinstance(error, HoldfastError):
        failure = failures.to_failure(error)
        context.set_trailing_metadata(((failures.ERROR_KEY, failure.SerializeToString()),))
        context.abort(failures.status_of(error), failure.message)
    if not context.is_active():  # the caller is gone; gRPC raises that out of request iterators
        context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
    _LOG.error("a call failed in a way nobody thought of", exc_info=error)
    context.abort(grpc.StatusCode.INTERNAL, "internal error; the log of the process that was asked has it")
