"""How both sides of gRPC are set up: options, measured for streams of 1 MiB messages, and what may go in plaintext.

Windows are bounded: with gRPC's defaults a stalled reader holds megabytes in its node, 200 of them a gigabyte. Keep-alive finds a
peer that hangs without closing its connection; nothing else ends a stream that waits for a slow client.

Plaintext is for this machine: a Unix socket, or loopback by number. Beyond it TLS is needed, unless it was said that it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc

from holdfast.addresses import UNIX, stays_here
from holdfast.errors import ConfigError
from holdfast.rpc.methods import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from holdfast.rpc.credentials import Credentials

_KEEPALIVE_MILLIS: Final = 20_000
_KEEPALIVE_TIMEOUT_MILLIS: Final = 10_000
# After so long without a sign of life every call to a peer that hangs has failed.
NOTICED_SECONDS: Final = (_KEEPALIVE_MILLIS + _KEEPALIVE_TIMEOUT_MILLIS) / 1000

Option = tuple[str, int]

_BOTH: Final[list[Option]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MILLIS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MILLIS),
    # Without this one gRPC waits for the answer to its ping for a minute, whatever the option above says.
    ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MILLIS),
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


def open_channel(target: str, credentials: Credentials | None = None, *, insecure: bool = False) -> grpc.Channel:
    """A channel to ``host:port`` or ``unix:/path``; over TLS with ``credentials``, a Unix socket always without.

    Only after fork: gRPC does not survive one.

    Raises:
        ConfigError: see ``require_protection``.
    """
    require_protection(target, credentials is not None, insecure=insecure)
    if credentials is None or target.startswith(UNIX):
        return grpc.insecure_channel(target, options=CLIENT_OPTIONS)
    return grpc.secure_channel(target, credentials.for_channel(), options=CLIENT_OPTIONS)


def require_protection(address: str, has_tls: bool, *, insecure: bool) -> None:
    """Before anything listens on ``address`` or connects to it.

    Raises:
        ConfigError: plaintext would leave this machine, and nobody said that it may.
    """
    if not has_tls and not insecure and not stays_here(address):
        raise ConfigError(
            f"{address} is not on this machine, and there are no certificates to protect the way to it; make some by"
            " `holdfast certs init` and `holdfast certs issue` and name them in cluster.caFile, certFile and keyFile,"
            ' or write "insecure": true in cluster if the network is a trusted one'
        )
