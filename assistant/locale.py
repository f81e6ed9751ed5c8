"""In which language Corral's own words should be, when nobody said so."""

import unicodedata

_SCRIPTS = {"HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh"}
_LOOKED_AT = 2000


def locale_of(text: str, default: str) -> str:
    """The language that the script of ``text`` gives away, else ``default``.

    Only Chinese, Japanese and Korean can be told by script alone. A single word of theirs in
    other text does not count: they must be a fifth of the letters.
    """
    letters = 0
    found = dict.fromkeys(_SCRIPTS.values(), 0)
    for character in text[:_LOOKED_AT]:
        if character.isalpha():
            letters += 1
            if ord(character) > 0x1100:  # below it none of these scripts has a letter
                script = unicodedata.name(character, "").partition(" ")[0]
                if script in _SCRIPTS:
                    found[_SCRIPTS[script]] += 1
    if 5 * sum(found.values()) <= letters:
        return default
    # Japanese mixes kana with Chinese characters, so any kana decides.
    chosen = next(language for language, count in found.items() if count)
    # A default for a region of that language is more than the script tells.
    return default if default.partition("-")[0] == chosen else chosen
