"""Probes that are told what they were told before leave no line; everybody else does."""

from __future__ import annotations

import pytest

from gateway.accesslog import AccessLog


class Lines:
    def __init__(self, *, debugs: bool = False) -> None:
        self.written: list[tuple[str, str, str]] = []
        self.debugged: list[tuple[str, str, str]] = []
        self.log = AccessLog(
            lambda *fields: self.written.append(fields),
            (lambda *fields: self.debugged.append(fields)) if debugs else None,
        )

    def tell(self, *requests: tuple[str, str, str]) -> None:
        for request in requests:
            self.log.line_for(*request)(*request)


WELL, ILL = ("GET", "/readyz", "200"), ("GET", "/readyz", "503")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_that_finds_all_well_leaves_no_line(method: str, path: str) -> None:
    lines = Lines()
    lines.tell(*[(method, path, "200")] * 3)
    assert lines.written == []


def test_a_probe_that_finds_something_wrong_leaves_one_line_until_that_changes() -> None:
    lines = Lines()
    lines.tell(WELL, ILL, ILL, ("HEAD", "/readyz", "503"), WELL, WELL, ILL, ILL)
    assert lines.written == [ILL, ILL]


def test_what_one_path_says_is_no_news_of_another() -> None:
    lines = Lines()
    lines.tell(ILL, ("GET", "/startupz", "503"), ("GET", "/livez", "200"), ILL)
    assert lines.written == [ILL, ("GET", "/startupz", "503")]


def test_who_debugs_sees_every_probe_and_news_once() -> None:
    lines = Lines(debugs=True)
    lines.tell(WELL, ILL, ILL, WELL)
    assert lines.written == [ILL]
    assert lines.debugged == [WELL, ILL, WELL]


@pytest.mark.parametrize(
    "request_",
    [("GET", "/v2/", "200"), ("DELETE", "/livez", "405"), ("GET", "/readyz/x", "404"), ("-", "-", "400")],
    ids=" ".join,
)
def test_every_other_request_leaves_its_line(request_: tuple[str, str, str]) -> None:
    lines = Lines(debugs=True)
    lines.tell(*[request_] * 3)
    assert lines.written == [request_] * 3
    assert lines.debugged == []
