"""From bytes to text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.pages.charset import decoded


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        ("čaj".encode(), None, "čaj"),
        ("čaj".encode("cp1250"), "windows-1250", "čaj"),
        ("茶".encode("gbk"), "gbk", "茶"),
        ("お茶".encode("shift_jis"), "Shift_JIS", "お茶"),
        ("чай".encode("koi8-r"), '"koi8-r"', "чай"),
        ("‘tea’".encode("cp1252"), "iso-8859-1", "‘tea’"),
        ("čaj".encode("utf-8-sig"), "latin-1", "čaj"),
        (b"\xff\xfe" + "čaj".encode("utf-16-le"), None, "čaj"),
        (b"\xfe\xff" + "čaj".encode("utf-16-be"), "utf-8", "čaj"),
        (b"t\xc4", "utf-8", "t\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_mark_then_the_server_then_utf_8(body: bytes, declared: str, text: str) -> None:
    assert decoded(body, declared, html=False) == text


@pytest.mark.parametrize(
    "declared",
    ["rot13", "base64", "zlib", "hex", "idna", "unicode_escape", "utf-7", "x" * 99, "\0"],
)
def test_what_is_no_charset_is_not_run(declared: str) -> None:
    assert decoded(b"+ADw- \\x41 dGVh", declared, html=False) == "+ADw- \\x41 dGVh"


@pytest.mark.parametrize(
    "meta",
    [
        '<meta charset="windows-1250">',
        "<META charset = windows-1250 >",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1250">',
    ],
)
def test_a_page_says_how_it_is_written(meta: str) -> None:
    page = f"<html><head>{meta}</head>čaj"
    assert decoded(page.encode("cp1250"), None, html=True) == page
    assert "čaj" not in decoded(page.encode("cp1250"), "cp1252", html=True)


def test_what_says_nothing_is_guessed() -> None:
    text = (
        "Чай — это напиток, получаемый варкой или настаиванием листа чайного куста. Его пьют утром "
        "и вечером, дома и в гостях, горячим и холодным, с молоком, лимоном или вареньем. Родиной "
        "чая считается Китай, откуда он попал во многие страны."
    )
    assert decoded(text.encode("cp1251"), None, html=False) == text


@given(st.binary(max_size=500), st.none() | st.text(max_size=20), st.booleans())
def test_any_bytes_are_some_text(body: bytes, declared: str | None, html: bool) -> None:
    assert isinstance(decoded(body, declared, html=html), str)
