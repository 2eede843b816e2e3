from __future__ import annotations

import pytest

from holdfast.errors import ConfigError
from syncworker.upstream import proxies
from syncworker.upstream.proxies import Proxy

HERE = {"HTTPS_PROXY": "http://proxy.example:3128"}


def is_direct(no_proxy: str, host: str, port: int = 443) -> bool:
    return proxies.of(HERE | {"NO_PROXY": no_proxy}).towards(host, port) is None


def test_without_the_variable_there_is_no_proxy() -> None:
    for environment in ({}, {"HTTPS_PROXY": ""}, {"HTTP_PROXY": "http://p:1"}, {"ALL_PROXY": "http://p:1"}):
        assert proxies.of(environment).towards("quay.io", 443) is None


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example/", Proxy("proxy.example", 80)),
        ("http://[fd00::1]:3128", Proxy("fd00::1", 3128)),
        ("http://u:p%40w@proxy.example:1", Proxy("proxy.example", 1, "Basic dTpwQHc=")),
    ],
)
def test_a_proxy_is_read_as_every_client_reads_it(text: str, proxy: Proxy) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        assert proxies.of({name: text}).towards("quay.io", 443) == proxy
    assert "p@w" not in repr(proxy)
    assert "dTpwQHc" not in repr(proxy)


@pytest.mark.parametrize("text", ["socks5://p:1", "https://p:1", "http://", "http://a b", "http://u:s3cret@p:port"])
def test_another_kind_of_proxy_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        proxies.of({"HTTPS_PROXY": text})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("*", "quay.io"),
        ("quay.io", "quay.io"),
        ("quay.io", "cdn.quay.io"),
        (".quay.io", "cdn.quay.io"),
        ("*.quay.io", "cdn.quay.io"),
        ("other.example, QUAY.io", "quay.io"),
        ("quay.io:443", "quay.io"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("fd00::/8", "fd00::1"),
        ("", "127.0.0.1"),
        ("", "::1"),
        ("", "localhost"),
    ],
)
def test_what_is_exempt_is_reached_directly(no_proxy: str, host: str) -> None:
    assert is_direct(no_proxy, host)


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("", "quay.io"),
        ("quay.io", "notquay.io"),
        ("cdn.quay.io", "quay.io"),
        ("quay.io:8443", "quay.io"),
        ("10.0.0.0/8", "11.1.2.3"),
        (".", "quay.io"),
    ],
)
def test_the_rest_goes_through_the_proxy(no_proxy: str, host: str) -> None:
    assert not is_direct(no_proxy, host)
