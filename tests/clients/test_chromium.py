"""A real browser: somebody logs in at a service of another site, whose pages can then do nothing with the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.access.browser import login
from tests.access.provider import LocalProvider
from tests.access.test_browsers import starting
from tests.clients.programs import Program, need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.access.issuer import Handler

# Time in a page runs on when nothing is left to wait for, and not before.
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=5000",
)


def page(html: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(html)))
        handler.end_headers()
        handler.wfile.write(html.encode())

    return answer


def test_a_browser_logs_in_and_pages_of_another_site_do_nothing_with_its_session(tmp_path: Path) -> None:
    chromium = Program(need("chromium"), {"HOME": str(tmp_path)}, (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"))
    with LocalProvider() as provider:
        # To a browser another site than 127.0.0.1.
        provider.url = provider.url.replace("127.0.0.1", "localhost")
        with starting(tmp_path, provider) as registry:
            home = registry.server.url

            def shown(url: str) -> str:
                return chromium("--dump-dom", url)

            assert "UNAUTHORIZED" in shown(f"{home}/v2/")
            assert '{"user": "ann@example.com"}' in shown(home + login("oidc"))
            assert "<pre>{}</pre>" in shown(f"{home}/v2/")
            asks = f"fetch('{home}/v2/_catalog', {{credentials: 'include'}})"
            ends = ".then(found => found.text()).then(() => document.title = 'read', () => document.title = 'kept out')"
            provider.route("/reads", page(f"<script>{asks}{ends}</script>"))
            assert "<title>kept out</title>" in shown(f"{provider.url}/reads")
            form = f"<form method=post action='{home}/zot/auth/logout'></form>"
            provider.route("/posts", page(f"{form}<script>document.forms[0].submit()</script>"))
            assert "a page of another site logs nobody out" in shown(f"{provider.url}/posts")
            assert "<pre>{}</pre>" in shown(f"{home}/v2/")
