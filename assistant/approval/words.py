"""A yes or a no in a message that says nothing else."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """Words that answer a question, and words that mean something else in this language.

    ``other`` are yeses of other languages, which therefore are none here.
    """

    yes: frozenset[str]
    no: frozenset[str]
    other: frozenset[str] = frozenset()


def _language(yes: str, no: str, other: str = "") -> _Language:
    """Of lists separated by ``/``."""
    return _Language(
        yes=frozenset(yes.split("/")),
        no=frozenset(no.split("/")),
        other=frozenset(other.split("/")) if other else frozenset(),
    )


_LANGUAGES = {
    "ar": _language("نعم/اجل/أجل/ايوه/أيوه/موافق", "لا/كلا"),
    "bg": _language("да", "не"),
    "bn": _language("হ্যাঁ/হ্যা/জি", "না"),
    "cs": _language("ano/jo/jasně", "ne", "no"),
    "da": _language("ja/jo", "nej", "tak"),
    "de": _language("ja/jawohl/jo", "nein/nö/nee", "da"),
    "el": _language("ναι", "όχι/οχι"),
    "en": _language("yes/yep/yeah/sure/approve/approved", "no/nope/deny/denied/cancel"),
    "es": _language("sí/si/vale/claro", "no", "y/ya/ano"),
    "fa": _language("بله/آره", "نه/خیر"),
    "fi": _language("kyllä/joo/juu", "ei", "ja/jo"),
    "fr": _language("oui/ouais/d'accord/d’accord", "non", "si/y"),
    "he": _language("כן", "לא"),
    "hi": _language("हाँ/हां/जी/जी हाँ/जी हां/ठीक है", "नहीं/ना/जी नहीं"),
    "hu": _language("igen", "nem"),
    "id": _language("ya/iya/boleh/setuju", "tidak/jangan/nggak/enggak/gak", "tak/da"),
    "it": _language("sì/si/certo/va bene", "no", "ne"),
    "ja": _language("はい/うん/ええ", "いいえ/いや/だめ/ダメ/やめて/キャンセル"),
    "ko": _language("네/예/응/그래/좋아", "아니요/아니오/아니/안돼/취소"),
    "nb": _language("ja/jo", "nei", "tak"),
    "nl": _language("ja", "nee"),
    "pl": _language("tak", "nie", "ja/no/jo"),
    "pt": _language("sim/claro/certo", "não/nao", "si/ano"),
    "ro": _language("da", "nu", "si"),
    "ru": _language("да", "нет", "так"),
    "sr": _language("da/да", "ne/не", "ja"),
    "sv": _language("ja/jo/japp", "nej", "igen/tak"),
    "sw": _language("ndiyo", "hapana"),
    "th": _language("ใช่/ตกลง/ได้", "ไม่/ไม่ใช่/ไม่ได้"),
    "tl": _language("oo/opo", "hindi", "ano"),
    "tr": _language("evet/tamam/olur", "hayır/hayir"),
    "uk": _language("так", "ні"),
    "ur": _language("ہاں/جی/جی ہاں", "نہیں"),
    "vi": _language("vâng/có/đồng ý/được", "không"),
    "zh": _language(
        "是/是的/好/好的/可以/同意/行/对/對", "不/不是/不要/不行/不可以/否/不同意/取消/别/別"
    ),
}
_SAME = {"no": "nb", "nn": "nb", "sk": "cs", "hr": "sr", "bs": "sr", "ms": "id", "fil": "tl"}

_EVERYWHERE = {"ok": True, "okay": True, "y": True, "n": False, "👍": True, "👎": False}

_OWN_ONLY = frozenset({"tak", "da", "jo", "ano", "igen", "ya", "si", "oo", "так", "جی"})
"""Yeses that are an everyday word, or a no, of another language: good in their own only."""

_LONGEST = 40
_AROUND = " \t\r\n.,!…。！،、~～"
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]")
_THUMBS = re.compile("^([👍👎])\\1*$")


def word_of(text: str, locale: str) -> bool | None:
    """``True`` for a yes, ``False`` for a no, ``None`` for everything else.

    Only a whole message counts, with a full stop or an exclamation mark at most: a longer one may
    say anything, and a question mark is a doubt. Words of the language of ``locale`` come first;
    a word of another language counts where it can be nothing else.

    Args:
        locale: language tag such as ``en`` or ``zh-Hans``.
    """
    if len(text) > _LONGEST:
        return None
    word = unicodedata.normalize("NFKC", _SKIN.sub("", text)).casefold().strip(_AROUND)
    if thumbs := _THUMBS.match(word):
        word = thumbs[1]
    if word in _EVERYWHERE and not _means_other(word, locale):
        return _EVERYWHERE[word]
    own = _LANGUAGES.get(_name(locale))
    if own is not None:
        if word in own.yes:
            return True
        if word in own.no:
            return False
        if word in own.other:
            return None
    return None if word in _OWN_ONLY else _anywhere().get(word)


def _name(locale: str) -> str:
    name = locale.partition("-")[0].lower()
    return _SAME.get(name, name)


def _means_other(word: str, locale: str) -> bool:
    own = _LANGUAGES.get(_name(locale))
    return own is not None and word in own.other


@cache
def _anywhere() -> dict[str, bool]:
    """Words that mean the same in every language that answers with them."""
    yes = frozenset().union(*(language.yes for language in _LANGUAGES.values()))
    no = frozenset().union(*(language.no for language in _LANGUAGES.values()))
    return {word: word in yes for word in yes ^ no}
