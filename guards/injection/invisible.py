"""Characters that nobody sees, and what is written in them."""

import re
import unicodedata
from collections import Counter

from guards.injection.passages import Disguise, Passage
from guards.injection.traced import Edit, Traced

_TAGS = re.compile("[\U000e0020-\U000e007f]+")
_FLAG = "\U0001f3f4"  # A black flag with tag letters is the flag of a region.
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BLANK_CHARS = "\u200b-\u200f\u2060-\u2064\ufeff\u180e\u034f\u00ad\u3164\u115f\u1160\u061c"
_ZERO_WIDTH = re.compile(f"[{_BLANK_CHARS}\u206a-\u206f\u2800]{{16,}}")
_OVERRIDE = re.compile("\u202e([^\u202c\u202d\u202e\n]{4,2000})")
_INVISIBLE = re.compile(
    f"[{_BLANK_CHARS}\u17b4\u17b5\u180b-\u180f\u202a-\u202e\u2065-\u206f\ufe00-\ufe0f\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
# Zero-width joiners mean something in these scripts and between pictographs.
_JOINING = re.compile("[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af]")
_COMBINING = re.compile("(?<=[a-zA-Z ])[\u0300-\u036f\u0489\u20d0-\u20ff]{2,}")
_COMPATIBLE = re.compile(
    "[\u1d00-\u1d7f\u2070-\u209c\u2100-\u214f\u2460-\u24ff\uff01-\uff5e\U0001d400-\U0001d7ff"
    "\U0001f110-\U0001f189\U0001f1e6-\U0001f1ff]+"
)
_SMALL = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТУХЅІЈаеорсухѕіјһԁԛԝɡνοαρτυικεηωΑΒΕΖΗΙΚΜΝΟΡΤΥΧաոսօրցղһ",
    "ABEKMHOPCTYXSIJaeopcyxsijhdqwgvoaptuikenwABEZHIKMNOPTYXwnuopgnh",
)
_WORD = re.compile("[A-Za-z\u0370-\u03ff\u0400-\u058f\u0261]+")
_MOST_DECODED = 20_000


def read_invisible(source: Traced) -> tuple[Traced, list[Passage]]:
    """``source`` in characters that can be seen and have one spelling, and what was unseen.

    Taken out are zero-width and direction characters, soft hyphens, tag characters and variation
    selectors; look-alikes of Latin letters in Latin words, full-width, small-capital and
    mathematical letters become plain ones. Never raises.
    """
    text = source.text
    if text.isascii():
        return source, []
    found = [*_tagged(source), *_selected(source), *_zero_width(source), *_overridden(source)]
    return _plain(_visible(source)), found


def _visible(source: Traced) -> Traced:
    text = source.text
    edits = []
    for run in _INVISIBLE.finditer(text):
        around = text[run.start() - 1 : run.start()] + text[run.end() : run.end() + 1]
        if len(run[0]) > 2 or not _JOINING.search(around):
            edits.append(Edit(start=run.start(), end=run.end(), replacement=""))
    return source.edited(edits)


def _plain(source: Traced) -> Traced:
    edits = [
        Edit(start=run.start(), end=run.end(), replacement=_compatible(run[0]))
        for run in _COMPATIBLE.finditer(source.text)
    ]
    source = source.edited(edit for edit in edits if edit.replacement)
    edits = [
        Edit(start=run.start(), end=run.end(), replacement="")
        for run in _COMBINING.finditer(source.text)
    ]
    source = source.edited(edits)
    edits = []
    for word in _WORD.finditer(source.text):
        if word[0].isascii():
            continue
        plain = word[0].translate(_LOOKALIKES)
        # A word that becomes Latin as a whole, and is not simply one of its own language's.
        if plain.isascii() and (_mixed(word[0]) or _among_latin(source.text, word)):
            edits.append(Edit(start=word.start(), end=word.end(), replacement=plain))
    return source.edited(edits)


def _compatible(run: str) -> str:
    """Regional indicators are letters too; two of them alone are a flag and stay."""
    letters = [chr(ord(c) - 0x1F1E6 + 97) if "\U0001f1e6" <= c <= "\U0001f1ff" else c for c in run]
    plain = run if len(run) == 2 else "".join(letters)
    return unicodedata.normalize("NFKC", plain).translate(_SMALL)


def _mixed(word: str) -> bool:
    return any(c.isascii() for c in word)


def _among_latin(text: str, word: re.Match[str]) -> bool:
    """Whether only Latin letters stand around a word, so that it is meant to be read as Latin."""
    around = text[max(0, word.start() - 40) : word.start()] + text[word.end() : word.end() + 40]
    letters = [c for c in around.translate(_LOOKALIKES) if c.isalpha()]
    return len(letters) >= 4 and all(c.isascii() for c in letters)


def _tagged(source: Traced) -> list[Passage]:
    found = []
    for run in _TAGS.finditer(source.text):
        if source.text[run.start() - 1 : run.start()] == _FLAG and len(run[0]) <= 8:
            continue
        meant = "".join(chr(ord(c) - 0xE0000) for c in run[0] if c != "\U000e007f")
        found.append(_passage(source, meant, run, Disguise.TAGS))
    return [passage for passage in found if len(passage.text) > 1]


def _selected(source: Traced) -> list[Passage]:
    """Variation selectors number from 1 to 256, so that a row of them can hold bytes."""
    found = []
    for run in _SELECTORS.finditer(source.text):
        numbers = bytes(ord(c) - 0xFE00 if c <= "\ufe0f" else ord(c) - 0xE0100 + 16 for c in run[0])
        meant = readable(numbers)
        if meant is not None:
            found.append(_passage(source, meant, run, Disguise.SELECTORS))
    return found


def _zero_width(source: Traced) -> list[Passage]:
    """Two characters without width are enough to write bits."""
    found = []
    for run in _ZERO_WIDTH.finditer(source.text):
        signs = [sign for sign, _ in Counter(run[0]).most_common(3)]
        for zero in signs[:2]:
            if len(signs) < 2:
                break
            # A third sign may stand between the bytes.
            bits = "".join("0" if c == zero else "1" for c in run[0] if c in signs[:2])
            for width in (8, 7, 16):
                whole = len(bits) // width * width
                codes = [int(bits[at : at + width], 2) for at in range(0, whole, width)]
                meant = plausible("".join(map(chr, codes[:_MOST_DECODED])))
                if meant is not None:
                    found.append(_passage(source, meant, run, Disguise.ZERO_WIDTH))
    return found


def _overridden(source: Traced) -> list[Passage]:
    """What is shown from right to left by force: people read it backwards."""
    return [
        Passage(
            traced=source.standing_for(run[1][::-1], run.start(), run.end()), disguise=Disguise.BIDI
        )
        for run in _OVERRIDE.finditer(source.text)
    ]


def _passage(source: Traced, meant: str, run: re.Match[str], disguise: Disguise) -> Passage:
    return Passage(traced=source.standing_for(meant, run.start(), run.end()), disguise=disguise)


def readable(content: bytes) -> str | None:
    """``content`` as text, where it is text."""
    for encoding in ("utf-8", "utf-16-le"):
        if encoding == "utf-16-le" and not (len(content) % 2 == 0 and 0 in content[:64]):
            continue
        try:
            return plausible(content.decode(encoding))
        except UnicodeDecodeError:
            continue
    return None


_SHORTEST = 6
_PROSE = re.compile(r"[^\W\d_]")


def plausible(text: str) -> str | None:
    """``text`` where it can be words: nearly all of it letters, signs and blanks."""
    stripped = text.strip("\x00 \t\r\n")
    if len(stripped) < _SHORTEST:
        return None
    sample = stripped[:2_000]
    odd = sum(not c.isprintable() and c not in "\n\r\t\u200b\u00ad" for c in sample)
    if odd * 20 > len(sample):
        return None
    letters = len(_PROSE.findall(sample))
    blanks = sum(c.isspace() or c in "_-+" for c in sample)
    return stripped if 2 * (letters + blanks) >= len(sample) and letters >= _SHORTEST - 2 else None
