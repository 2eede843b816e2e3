"""Whether the gateway in this container is ready, as the image's health check asks: exit code 0 or 1.

It speaks HTTPS where ``http.tls`` says so, which a plain question finds out. The certificate is for others to check: nobody but
this container is on the other side. Where every client must show a certificate, being asked for one is all there is to see.
"""

from __future__ import annotations

import http.client
import ssl
import sys

_PORT = 5000
_SECONDS = 4


def main(port: int) -> int:
    """The exit code."""
    try:
        status = _asked(http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS))
        if status == 400:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            status = _asked(http.client.HTTPSConnection("127.0.0.1", port, timeout=_SECONDS, context=context))
    except ssl.SSLError as error:
        return int("CERTIFICATE_REQUIRED" not in (error.reason or ""))
    except (OSError, http.client.HTTPException):
        return 1
    return int(status != 200)


def _asked(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/readyz")
    return connection.getresponse().status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _PORT))
