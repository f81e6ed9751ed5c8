"""Which hosts a plugin may reach."""

import httpx
import pytest

from plugins.errors import AccessDeniedError
from plugins.http import Reach


def denied(reach: Reach, url: str) -> str:
    with pytest.raises(AccessDeniedError) as caught:
        reach.destination(httpx.URL(url))
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/x?q=1", "http://api.example.com", "https://API.example.com:443/"],
)
def test_a_named_host_is_reached(url: str) -> None:
    destination = Reach.of(("api.example.com",)).destination(httpx.URL(url))
    assert destination.host == "api.example.com"
    assert not destination.private


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://evil.api.example.com/",
        "https://api.example.com.evil.org/",
        "https://api.example.com:8443/",
        "https://api.example.com./",
        "https://93.184.215.14/",
    ],
)
def test_a_host_that_is_not_named_is_not(url: str) -> None:
    denied(Reach.of(("api.example.com",)), url)


def test_a_port_that_is_named_is_the_only_one() -> None:
    reach = Reach.of(("api.example.com:9000",))
    assert reach.destination(httpx.URL("http://api.example.com:9000/")).port == 9000
    denied(reach, "https://api.example.com/")


def test_no_hosts_is_no_network() -> None:
    assert "not among the hosts" in denied(Reach.of(()), "https://example.com/")


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_any_public_host_has_the_ports_of_the_web(port: int) -> None:
    reach = Reach.of(("*",))
    assert reach.destination(httpx.URL(f"http://example.com:{port}/")).port == port


@pytest.mark.parametrize("port", [1, 22, 25, 6379, 8000, 11434, 65535, 70000])
def test_and_no_other_port(port: int) -> None:
    assert "port" in denied(Reach.of(("*",)), f"http://example.com:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "ws://example.com/",
        "data:text/html,x",
        "javascript:alert(1)",
        "unix://example.com/",
        "//example.com/",
        "/path",
    ],
)
def test_only_the_two_schemes_of_the_web(url: str) -> None:
    assert "scheme" in denied(Reach.of(("*",)), url)


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://example.com./",
        "http://localhost./",
        "http://localhost/",
        "http://metadata/",
        "http://127%2e0%2e0%2e1/",
        "http://127.0.0.1%2f.example.com/",
        "http://evil.org\\.example.com/",
        "http://example.com\\@evil.org/",
        "http://example.com@evil.org/",
        "http://user:word@example.com/",
        "http://[fe80::1%25eth0]/",
        "http://exa mple.com/",
        "http://-.example.com/",
        "http://example..com/",
        "http://1.2.3.4.5/",
        "http://example.com:0/",
        "http://a.0x7f/",
    ],
)
def test_what_parsers_take_for_different_hosts_is_refused(url: str) -> None:
    denied(Reach.of(("*",)), url)


@pytest.mark.parametrize(
    "url",
    [
        "http://0177.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://[::1/",
        "http://[127.0.0.1]/",
        "http://example.com:port/",
        "http://ⓔxample.com/",
        "http://256.1.1.1/",
    ],
)
def test_what_is_no_address_at_all_does_not_become_one(url: str) -> None:
    with pytest.raises(httpx.InvalidURL):
        httpx.URL(url)


def test_international_names_are_reached_in_their_ascii_form() -> None:
    destination = Reach.of(("*",)).destination(httpx.URL("https://münchen.de/"))
    assert destination.host == "xn--mnchen-3ya.de"


def test_a_private_host_is_exactly_what_the_operator_wrote() -> None:
    reach = Reach.of(("*",), ("127.0.0.1:8888", "searxng:8080", "[::1]:99"))
    for url in ("http://127.0.0.1:8888/", "http://searxng:8080/x", "http://[::1]:99/"):
        assert reach.destination(httpx.URL(url)).private
    assert not reach.destination(httpx.URL("http://127.0.0.1:80/")).private
    for url in ("http://127.0.0.1:8889/", "http://searxng/", "http://127.0.0.2:8888/"):
        denied(reach, url)


@pytest.mark.parametrize("entry", ["127.0.0.1", "searxng", "http://searxng:80", "*:80", "a:0", ""])
def test_a_private_host_needs_its_port(entry: str) -> None:
    with pytest.raises(ValueError, match=r"private host|not a host name"):
        Reach.of((), (entry,))


@pytest.mark.parametrize("entry", ["*.example.com", "Example.com", "example.com/x", "a:99999", ""])
def test_an_entry_that_is_no_host_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        Reach.of((entry,))


def test_a_refusal_never_shows_what_follows_the_host() -> None:
    said = denied(Reach.of(("example.com",)), "https://evil.org/private-path?q=private-word")
    assert "evil.org" in said
    assert "private" not in said
    said = denied(Reach.of(("*",)), "https://anna:hunter2@example.com/")
    assert "anna" not in said
    assert "hunter2" not in said
