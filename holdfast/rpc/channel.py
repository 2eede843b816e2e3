"""gRPC options that both sides share, measured for streams of 1 MiB messages.

Windows are bounded: with gRPC's defaults a stalled reader holds megabytes in its node, 200 of them a gigabyte. Keep-alive finds a
peer that hangs without closing its connection; nothing else ends a stream that waits for a slow client.
"""

from __future__ import annotations

from typing import Final

import grpc

from holdfast.rpc.methods import MAX_MESSAGE_BYTES

_KEEPALIVE_MILLIS: Final = 20_000
_KEEPALIVE_TIMEOUT_MILLIS: Final = 10_000

Option = tuple[str, int]

_BOTH: Final[list[Option]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MILLIS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MILLIS),
    ("grpc.http2.max_pings_without_data", 0),
]

SERVER_OPTIONS: Final[list[Option]] = [
    *_BOTH,
    ("grpc.so_reuseport", 0),  # two nodes on one address is a mistake that must fail
    ("grpc.http2.min_recv_ping_interval_without_data_ms", _KEEPALIVE_MILLIS // 2),
    ("grpc.http2.max_ping_strikes", 0),
]

CLIENT_OPTIONS: Final[list[Option]] = [
    *_BOTH,
    # A node that was restarted is back within a second; gRPC's own back-off would shut it out for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


def open_channel(target: str) -> grpc.Channel:
    """A channel to ``host:port`` or ``unix:/path``. Only after fork: gRPC does not survive one."""
    return grpc.insecure_channel(target, options=CLIENT_OPTIONS)
