"""Which registry a host means: in a URL of the configuration, and in the ``?ns=`` that containerd sends to a mirror
(distribution-spec, "Registry Proxying").

Promises: one spelling for each registry. The hosts under which Docker Hub is known are ``docker.io``; a port that its scheme
implies is left out.

Never: looks a name up.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

DOCKER_HUB: Final = "docker.io"
# Where Docker Hub puts images that have no owner in their name.
OFFICIAL: Final = "library"
_ALIASES: Final = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "www.docker.io"})
_IMPLIED: Final = {"http": "80", "https": "443"}


def namespace(text: str) -> str:
    """The registry that a client's ``ns`` means; a namespace has no scheme, so only HTTPS's port is implied."""
    return _named(text, "https")


def namespace_of(url: str) -> str:
    """The registry at a URL of the configuration, with or without scheme; empty when the URL has no host."""
    parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
    return _named(parts.netloc.rpartition("@")[2], parts.scheme)


def _named(host: str, scheme: str) -> str:
    folded = host.strip().lower().rstrip(".")
    name, colon, port = folded.rpartition(":")
    if colon and port == _IMPLIED.get(scheme):
        folded = name
    return DOCKER_HUB if folded in _ALIASES else folded
