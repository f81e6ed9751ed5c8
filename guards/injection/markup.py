"""HTML read with the place of every character: what a browser shows, and what it does not.

The parsers there are for Python say which line an element is in at best, never where the words
of an attribute or a decoded entity stand. This reader follows the tokeniser of the HTML standard
as far as text is concerned; it never fails and is linear in its input. It need not agree with
browsers in everything: what it takes for hidden is judged as well as what it takes for visible.
"""

import html
import re
from collections import Counter

from guards.injection.passages import Disguise, Passage
from guards.injection.styles import Declarations, Look, declarations, looked, rules
from guards.injection.traced import Edit, Traced

_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905 - a list of names
)
_BLOCKS = frozenset(
    """address article aside blockquote body br button caption center dd details dialog div dl dt
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main nav
    ol option p pre section select summary table tbody tfoot thead title tr ul""".split()  # noqa: SIM905 - a list of names
)
_CELLS = frozenset({"td", "th"})
_INLINE = frozenset(
    """a abbr acronym audio b bdi bdo big canvas cite code data datalist del dfn em font i iframe
    ins kbd label map mark marquee math meter noembed noframes noscript object optgroup output
    picture progress q rp rt ruby s samp script slot small span strike strong style sub sup svg
    template textarea text time tt u var video xmp""".split()  # noqa: SIM905 - a list of names
)
_KNOWN = _VOID | _BLOCKS | _CELLS | _INLINE
_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "textarea", "title"})
_UNSEEN = frozenset({"head", "template", "noscript", "noembed", "noframes", "iframe", "datalist"})
_CLOSED_BY = {
    "p": _BLOCKS - {"body", "br", "button", "caption", "html", "option", "tbody", "tr"},
    "li": frozenset({"li"}),
    "option": frozenset({"option"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th", "tr"}),
    "th": frozenset({"td", "th", "tr"}),
    "tr": frozenset({"tr"}),
    "head": frozenset({"body"}),
}
_OPENING = re.compile(
    r"<(?:!--(?P<comment>.*?)(?:--!?>|\Z)"
    r"|(?P<close>/)?(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?=[\s/>])"
    r"|(?P<bogus>!(?!--)[a-zA-Z\[][^>]*|\?[a-zA-Z][^>]*)(?:>|\Z))",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"[\s/]*(?:(?P<end>>)|(?P<name>[^\s/>=][^\s/>=]*)"
    r"(?:\s*=\s*(?:\"(?P<dq>[^\"]*)\"|'(?P<sq>[^']*)'|(?P<uq>[^\s>]*)))?|(?P<odd>=))"
)
_SHEET = re.compile(r"<style\b[^<>]*>(.*?)(?:</style|\Z)", re.DOTALL | re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[xX][0-9a-fA-F]{1,6}|#\d{1,7}|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_BLANKS = re.compile(r"(?<![ \t\r\f])[ \t\r\f]*\n\s*")
_WORDY = re.compile(r"\w[\W\d_]+[^\W\d_]+[\W_]+\w|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]{4}")
_ADDRESSES = frozenset({"href", "src", "action", "srcdoc", "poster", "data", "formaction"})
_TECHNICAL = frozenset({"style", "class", "id", "rel", "srcset", "sizes", "d", "viewbox", "points"})
_USUAL = re.compile(
    r"(?:data|aria|on|v|ng|x|hx|item|xml|xmlns)[-:a-z].*|abbr|accept.*|action|align|allow.*|alt|async"
    r"|auto.*|b(?:gcolor|order)|cell.*|charset|checked|class|color|cols(?:pan)?|content|controls|coords"
    r"|crossorigin|datetime|decoding|default|defer|dir|disabled|download|draggable|enctype|fetch.*|for"
    r"|form.*|frame.*|headers|height|hidden|href.*|http-equiv|id|is|kind|label|lang|language|list|loading"
    r"|loop|max.*|media|method|min.*|multiple|muted|name|no.*|open|pattern|placeholder|play.*|poster"
    r"|preload|property|read.*|rel|required|reversed|role|rows.*|rules|s(?:andbox|cope|elected|hape|ize.*"
    r"|lot|pan|rc.*|tart|tep|tyle|ummary)|tab.*|target|title|type|usemap|v?align|value|viewbox|width|wrap"
)
_ODD_NAMES = 2
"""Attributes HTML does not know from which on their names may be words of a sentence."""

_LONG_NAME = 24
_PLAIN = frozenset({"href", "src", "class", "id", "title", "alt", "rel", "target", "type", "name"})
"""Attributes that by themselves change nothing in how an element looks."""

_CODED = re.compile(r"%[0-9A-Fa-f]{2}|data:")


def has_markup(text: str) -> bool:
    """Whether there is an element, a comment or a declaration of HTML in ``text``."""
    return any(
        found["name"] is None or found["name"].lower() in _KNOWN
        for found in _OPENING.finditer(text)
    )


def read_markup(source: Traced) -> tuple[Passage, list[Passage]]:
    """What ``source`` shows, and what it does not show. Never raises."""
    return _Reader(source).read()


def unescaped(source: Traced) -> Traced:
    """``source`` with its character references decoded."""
    if "&" not in source.text:
        return source
    edits = []
    for found in _ENTITY.finditer(source.text):
        meant = html.unescape(found[0])
        if meant != found[0]:
            edits.append(Edit(start=found.start(), end=found.end(), replacement=meant))
    return source.edited(edits)


class _Reader:
    """One reading of one text."""

    def __init__(self, source: Traced) -> None:
        self._source = source
        self._text = source.text
        self._rules: dict[str, Declarations] = {}
        for sheet in _SHEET.finditer(self._text):
            self._rules.update(rules(sheet[1]))
        self._open: list[tuple[str, Look]] = []
        self._count: Counter[str] = Counter()
        self._shown: list[Traced | str] = []
        self._size = 0
        self._breaks: list[int] = []
        self._hidden: list[Traced | str] = []
        self._found: list[Passage] = []

    def read(self) -> tuple[Passage, list[Passage]]:
        at = shown = 0
        while (found := _OPENING.search(self._text, at)) is not None:
            name = (found["name"] or "").lower()
            if found["name"] is not None and name not in _KNOWN:
                # Not HTML: what looks like an element to a model is left for the guard to see.
                at = found.end()
                continue
            self._words(shown, found.start())
            at = found.end()
            if found["comment"] is not None:
                self._extra(found.start("comment"), found.end("comment"), Disguise.COMMENT)
            elif found["bogus"] is not None:
                self._extra(found.start("bogus"), found.end("bogus"), Disguise.COMMENT)
            else:
                at = self._element(name, bool(found["close"]), found.start(), at)
            shown = at
        self._words(shown, len(self._text))
        self._flush()
        visible = Passage(traced=Traced.joined(self._shown), breaks=tuple(self._breaks))
        return visible, self._found

    @property
    def _look(self) -> Look:
        return self._open[-1][1] if self._open else Look()

    def _element(self, name: str, closing: bool, start: int, at: int) -> int:
        """Take in a tag whose name ends at ``at``; where what follows it begins."""
        attributes: dict[str, str] = {}
        places: list[tuple[str, int, int]] = []
        while (found := _ATTRIBUTE.match(self._text, at)) is not None:
            at = found.end()
            if found["end"]:
                break
            if found["name"]:
                value = found.lastgroup if found.lastgroup in ("dq", "sq", "uq") else ""
                key = found["name"].lower()
                attributes.setdefault(key, found[value] if value else "")
                end = found.end()
                places.append((key, *(found.span(value) if value else (end, end))))
        else:
            at = len(self._text)
        if name in _BLOCKS or name in _CELLS:
            self._break(name)
        if closing:
            self._close(name)
            if places:
                self._extra(start + 2, at - (self._text[at - 1] == ">"), Disguise.ATTRIBUTE)
            return at
        look = self._opened(name, attributes)
        self._attributes(name, start, at, places)
        if name in _RAW:
            return self._raw(name, at, look)
        return at

    def _opened(self, name: str, attributes: dict[str, str]) -> Look:
        while self._open and name in _CLOSED_BY.get(self._open[-1][0], ()):
            self._close(self._open[-1][0])
        above = self._look
        styles = [self._rules[key] for key in self._selectors(name, attributes)]
        if "style" in attributes:
            styles.append(declarations(html.unescape(attributes["style"])))
        look = above
        if styles or not _PLAIN.issuperset(attributes):
            look = looked(above, attributes, styles)
        if name in _UNSEEN and not look.hidden:
            look = Look(hidden=True, colour=look.colour, behind=look.behind)
        if name not in _VOID and name not in _RAW:
            self._open.append((name, look))
            self._count[name] += 1
        return look

    def _selectors(self, name: str, attributes: dict[str, str]) -> list[str]:
        if not self._rules:
            return []
        keys = [name, *(f".{part}" for part in attributes.get("class", "").split())]
        return [key for key in (*keys, f"#{attributes.get('id', '')}") if key in self._rules]

    def _close(self, name: str) -> None:
        if not self._count[name]:
            return
        while self._open:
            last, _ = self._open.pop()
            self._count[last] -= 1
            if last == name:
                break
        if not self._look.hidden:
            self._flush()

    def _raw(self, name: str, at: int, look: Look) -> int:
        """Take in an element whose content holds no elements; where its end tag begins."""
        end = re.compile(f"</{name}", re.IGNORECASE).search(self._text, at)
        until = end.start() if end else len(self._text)
        if name in ("textarea", "xmp") and not look.hidden:
            self._words(at, until)
        else:
            kind = Disguise.SCRIPT if name in ("script", "style") else Disguise.HIDDEN
            self._extra(at, until, kind)
        return until

    def _attributes(
        self, name: str, start: int, end: int, places: list[tuple[str, int, int]]
    ) -> None:
        odd = [key for key, _, _ in places if not _USUAL.fullmatch(key)]
        if len(odd) > _ODD_NAMES or any(len(key) > _LONG_NAME for key in odd):
            self._extra(start + 1, end - (self._text[end - 1] == ">"), Disguise.ATTRIBUTE)
        for key, low, high in places:
            if low == high or key in _TECHNICAL or (name == "meta" and key == "name"):
                continue
            value = self._text[low:high]
            if _CODED.search(value) if key in _ADDRESSES else _WORDY.search(value):
                self._extra(low, high, Disguise.ATTRIBUTE)

    def _words(self, start: int, end: int) -> None:
        """Take in text between tags."""
        if start >= end:
            return
        piece = unescaped(self._source.piece(start, end))
        if not self._count["pre"]:
            piece = piece.edited(
                Edit(start=blank.start(), end=blank.end(), replacement=" ")
                for blank in _BLANKS.finditer(piece.text)
            )
        if self._look.hidden:
            self._hidden.append(piece)
        else:
            self._flush()
            self._shown.append(piece)
            self._size += len(piece.text)

    def _break(self, name: str) -> None:
        mark = " | " if name in _CELLS else "\n"
        if self._hidden:
            self._hidden.append(mark)
        if not self._look.hidden and self._shown and self._shown[-1] != mark:
            self._shown.append(mark)
            self._size += len(mark)
            self._breaks.append(self._size)

    def _extra(self, start: int, end: int, disguise: Disguise) -> None:
        if self._text[start:end].strip():
            piece = unescaped(self._source.piece(start, end))
            self._found.append(Passage(traced=piece, disguise=disguise))

    def _flush(self) -> None:
        """What was hidden is one passage as soon as something is shown again."""
        if not self._hidden:
            return
        hidden = Traced.joined(self._hidden)
        self._hidden = []
        if hidden.text.strip():
            self._found.append(Passage(traced=hidden, disguise=Disguise.HIDDEN))
