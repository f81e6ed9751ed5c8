"""Ways to hide an instruction, for measuring whether it is found."""

import base64
import codecs
import html
from collections.abc import Callable, Mapping
from urllib.parse import quote

_LOOKALIKES = str.maketrans("aceiopsxyABEHIKMOPTX", "асеіорѕхуАВЕНІКМОРТХ")


def plain(text: str) -> str:
    return text


def split_by_zero_width(text: str) -> str:
    return "\u200b".join(text)


def soft_hyphens(text: str) -> str:
    return "\u00ad".join(text)


def lookalikes(text: str) -> str:
    return text.translate(_LOOKALIKES)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mathematical(text: str) -> str:
    return "".join(
        chr(0x1D400 + ord(c) - 65)
        if "A" <= c <= "Z"
        else chr(0x1D41A + ord(c) - 97)
        if "a" <= c <= "z"
        else c
        for c in text
    )


def tag_characters(text: str) -> str:
    return "".join(chr(0xE0000 + ord(c)) for c in text if " " <= c <= "~")


def variation_selectors(text: str) -> str:
    return "".join(chr(0xFE00 + b if b < 16 else 0xE00F0 + b) for b in text.encode())


def zero_width_bits(text: str) -> str:
    bits = "".join(f"{byte:08b}" for byte in text.encode())
    return bits.replace("0", "\u200b").replace("1", "\u200c")


def reversed_override(text: str) -> str:
    return f"\u202e{text[::-1]}\u202c"


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def base64_twice(text: str) -> str:
    return in_base64(in_base64(text))


def in_hex(text: str) -> str:
    return text.encode().hex()


def in_percent(text: str) -> str:
    return "https://files.example/find?q=" + quote(text)


def in_entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


def in_escapes(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000)


def in_rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def backwards(text: str) -> str:
    return text[::-1]


def white_on_white(text: str) -> str:
    return f'<p>More below.</p><p style="color:#fefefe">{html.escape(text)}</p><p>End.</p>'


def not_displayed(text: str) -> str:
    return f'<div style="display: none">{html.escape(text)}</div>'


def hidden_by_class(text: str) -> str:
    return f"<style>.n{{font-size:0}}</style><span class='a n'>{html.escape(text)}</span>"


def off_screen(text: str) -> str:
    return f'<div style="position:absolute;left:-9999px">{html.escape(text)}</div>'


def html_comment(text: str) -> str:
    return f"<!-- {text} -->"


def alternative_text(text: str) -> str:
    return f'<img src="a.png" alt="{html.escape(text)}">'


def split_by_elements(text: str) -> str:
    return "".join(f"<b>{html.escape(c)}</b>" if c != " " else c for c in text)


def markdown_title(text: str) -> str:
    return f'![chart](chart.png "{text.replace(chr(34), chr(39))}")'


def markdown_comment(text: str) -> str:
    return f"\n\n[//]: # ({text.replace('(', ' ').replace(')', ' ')})\n\n".replace("\n ", " ")


def data_url(text: str) -> str:
    return f'<a href="data:text/plain;base64,{in_base64(text)}">file</a>'


DISGUISES: Mapping[str, Callable[[str], str]] = {
    way.__name__: way
    for way in (
        plain,
        split_by_zero_width,
        soft_hyphens,
        lookalikes,
        full_width,
        mathematical,
        tag_characters,
        variation_selectors,
        zero_width_bits,
        reversed_override,
        in_base64,
        base64_twice,
        in_hex,
        in_percent,
        in_entities,
        in_escapes,
        in_rot13,
        backwards,
        white_on_white,
        not_displayed,
        hidden_by_class,
        off_screen,
        html_comment,
        alternative_text,
        split_by_elements,
        markdown_title,
        markdown_comment,
        data_url,
    )
}
"""By name. Each takes a passage and returns what an attacker would put in its place."""
