"""Saying that a registry answers: once, and only when it is true.

Over HTTPS our own certificate is not checked: it names what clients call us, and what is asked here is whether we are there. Where
every client must show a certificate, being asked for one is the answer.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.config.http import Http

log = logging.getLogger("holdfast.serve")

_EVERY_SECONDS: Final = 0.1
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - spellings of "all addresses"
# What a server says to whom it asks in vain, in TLS 1.3 and before.
_ASKED_IN_VAIN: Final = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")


def announce(http: Http, port: int) -> None:
    """In a thread of its own, for a supervisor must not wait."""
    host = _LOCAL.get(http.address, f"[{http.address}]" if ":" in http.address else http.address)
    url = f"{'https' if http.tls is not None else 'http'}://{host}:{port}"
    is_closed = http.tls is not None and http.tls.require_client

    def ask() -> None:
        while not _answers(f"{url}/readyz", may_ask_in_vain=is_closed):
            time.sleep(_EVERY_SECONDS)
        log.info("serving", extra={"url": url})

    threading.Thread(target=ask, name="announce", daemon=True).start()


def _answers(url: str, *, may_ask_in_vain: bool) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with contextlib.closing(urllib.request.urlopen(url, timeout=2, context=context)):  # noqa: S310 - our own URL
            return True
    except OSError as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        said = cause.reason if isinstance(cause, ssl.SSLError) else ""
        return may_ask_in_vain and any(word in (said or "") for word in _ASKED_IN_VAIN)
