"""The files of ``http.tls``, as the configuration names them.

Never: opens them; :mod:`holdfast.certs.serving` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.certs.serving import ServerFiles

if TYPE_CHECKING:
    from holdfast.config.http import Tls


def server_files(tls: Tls) -> ServerFiles:
    authority = Path(tls.ca_cert) if tls.ca_cert else None
    return ServerFiles(Path(tls.cert), Path(tls.key), authority, requires_client=tls.require_client)
