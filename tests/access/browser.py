"""Somebody with a browser: keeps cookies by host, and goes where it is sent."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit


@dataclass(frozen=True)
class Page:
    """``headers`` by lower-case names; of those that come several times, the last."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: SimpleCookie

    @property
    def location(self) -> str:
        return urljoin(self.url, self.headers["location"])

    @property
    def query(self) -> str:
        return urlsplit(self.url).query


@dataclass
class Browser:
    """``home``: the registry, for addresses without a host. ``jar``: cookies by host, for every port as in a real one."""

    home: str
    jar: dict[str, dict[str, str]] = field(default_factory=dict)

    def go(self, url: str, method: str = "GET", **headers: str) -> Page:
        """One request, and no further."""
        url = urljoin(self.home, url)
        parts = urlsplit(url)
        host = parts.hostname or ""
        connection = http.client.HTTPConnection(host, parts.port, timeout=60)
        kept = self.jar.setdefault(host, {})
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if kept and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        try:
            connection.request(method, f"{parts.path}?{parts.query}", b"" if method == "POST" else None, sent)
            answer = connection.getresponse()
            cookies = SimpleCookie()
            for line in answer.headers.get_all("Set-Cookie", []):
                cookies.load(line)
            self._keep(kept, cookies)
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Page(url, answer.status, found, answer.read(), cookies)
        finally:
            connection.close()

    def follow(self, url: str, method: str = "GET", **headers: str) -> Page:
        """Until nothing sends it on."""
        page = self.go(url, method, **headers)
        for _ in range(10):
            if page.status != 302:
                return page
            page = self.go(page.location)
        raise AssertionError("sent in circles")

    def log_in(self, provider: str, callback_ui: str = "") -> Page:
        return self.follow(login(provider, callback_ui))

    def to_callback(self, provider: str) -> str:
        """The address that the login service sends the browser back to; not gone to yet."""
        return self.go(self.go(login(provider)).location).location

    @property
    def cookies(self) -> dict[str, str]:
        """What the registry has set."""
        return self.jar.setdefault(urlsplit(self.home).hostname or "", {})

    @staticmethod
    def _keep(kept: dict[str, str], cookies: SimpleCookie) -> None:
        for name, morsel in cookies.items():
            if "2000" in morsel["expires"]:
                kept.pop(name, None)
            else:
                kept[name] = morsel.coded_value


def login(provider: str, callback_ui: str = "") -> str:
    asked = {"provider": provider, **({"callback_ui": callback_ui} if callback_ui else {})}
    return f"/zot/auth/login?{urlencode(asked)}"
