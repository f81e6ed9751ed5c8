"""Which addresses are the same page, and whose they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.search.addresses import belongs, canonical, site_of

PAGE = "example.org/a/b"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a/b",
        "http://EXAMPLE.org/a/b/",
        "https://www.example.org:443/a/b#part",
        "https://example.org/a/b?utm_source=x&utm_medium=y&fbclid=1",
        "HTTPS://example.org/%61/b",
    ],
)
def test_spellings_of_one_address_are_one(url: str) -> None:
    assert canonical(url) == PAGE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a?b=2&a=1&gclid=x", "example.org/a?a=1&b=2"),
        ("https://example.org/a?b=1&b=2", "example.org/a?b=1&b=2"),
        ("http://example.org:8080/", "example.org:8080"),
        ("https://bücher.example/ü", "xn--bcher-kva.example/%C3%BC"),
        ("https://example.org/A", "example.org/A"),
    ],
)
def test_other_addresses_stay_apart(url: str, expected: str) -> None:
    assert canonical(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "kb:handbook.md",
        "data:text/html,x",
        "https://user:secret@example.org/",
        "https:///path",
        "https://example.org/a b",
        "https://example.org:99999/",
        "https://[::1",
        "https://example.org/" + "a" * 3_000,
        "",
    ],
)
def test_what_is_no_web_address_is_none(url: str) -> None:
    assert canonical(url) is None


@given(url=st.text(max_size=80))
def test_anything_may_be_asked_for(url: str) -> None:
    canonical(url)
    canonical(f"https://example.org/{url}")
    belongs(f"https://{url}", "example.org")


@pytest.mark.parametrize(
    "text",
    ["example.org", " WWW.Example.org ", "https://www.example.org/x?y", "site:example.org"],
)
def test_a_site_may_be_named_in_many_ways(text: str) -> None:
    assert site_of(text) == "example.org"


@pytest.mark.parametrize("text", ["localhost", "a b.org", "example.org OR evil.org", "-x.org", "*"])
def test_what_is_no_site_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host name such as"):
        site_of(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/", True),
        ("https://docs.example.org/", True),
        ("https://notexample.org/", False),
        ("https://example.org.evil.com/", False),
        ("https://evil.com/?example.org", False),
        ("https://example.org@evil.com/", False),
    ],
)
def test_only_a_site_and_what_is_below_it_belongs(url: str, expected: bool) -> None:
    assert belongs(url, "example.org") is expected
