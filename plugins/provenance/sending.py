"""The class of data that a call's arguments hold."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guards.conversation import Confidentiality, Integrity, Message, Source
from plugins.provenance.pieces import runs, specifics, spelled_out, squeezed, variants
from plugins.provenance.spelling import bare, plain, stands
from plugins.provenance.transcript import Transcript, is_trusted

LONG = 240
"""Characters from which a text in the model's own words may retell anything that was read."""
_COPIED = 0.8
"""Share of a text's runs of words that stand in what was read, from which it is a copy."""
_WORK = 40_000_000
"""Pieces looked for times characters read, above which the highest class is assumed."""
_ONE_TOKEN = re.compile(r"https?://\S{1,2000}|\S{1,64}")

_RANKS = {kind: rank for rank, kind in enumerate(Confidentiality)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One text of an argument that neither user nor operator wrote; ``content`` is whether it is
    free text, and not a target."""

    text: str
    content: bool


def class_of(
    payloads: Sequence[Payload], transcript: Transcript, *, astray: bool
) -> Confidentiality:
    """The highest class of the messages that ``payloads`` hold pieces of.

    What the user wrote themselves is theirs, whatever else holds it too; it counts only where
    the call goes ``astray``, to targets that the user did not choose. A target that stands as
    one whole token in what was read is a choice, not a payload: where it leads, it is known. A
    long text in the model's own words counts as the highest class of all data that was read.
    """
    context = transcript.messages
    top = highest(context)
    if top is Confidentiality.PUBLIC or not payloads:
        return Confidentiality.PUBLIC
    corpus = _Corpus.of(transcript, astray)
    retold = highest(m for m in context if m.provenance.integrity is Integrity.UNTRUSTED)
    # Taken together: what is split over two arguments is one piece again.
    held = [p.text for p in payloads if p.content or not corpus.offers(p.text)]
    return _held("\n".join(held), corpus, top, retold)


def highest(messages: Iterable[Message]) -> Confidentiality:
    """The highest class of ``messages``; ``public`` when there are none."""
    ranks = (_RANKS[message.provenance.confidentiality] for message in messages)
    return tuple(_RANKS)[max(ranks, default=0)]


def higher(one: Confidentiality, other: Confidentiality) -> Confidentiality:
    """Whichever of two classes fewer people may see."""
    return one if _RANKS[one] >= _RANKS[other] else other


@dataclass(slots=True, kw_only=True)
class _Corpus:
    """What was read, plain and evenly spaced: the user's own words first, then by class, highest
    first."""

    texts: list[tuple[Confidentiality, str]]
    size: int
    _squeezed: list[tuple[Confidentiality, bytes]] | None = None

    @classmethod
    def of(cls, transcript: Transcript, astray: bool) -> "_Corpus":
        own: dict[Confidentiality, list[str]] = {}
        rest: dict[Confidentiality, list[str]] = {}
        for message, text in transcript.texts():
            kind = message.provenance.confidentiality
            if message.provenance.source is Source.USER and is_trusted(message):
                own.setdefault(kind if astray else Confidentiality.PUBLIC, []).append(text)
            else:
                rest.setdefault(kind, []).append(text)
        falling = sorted(rest.items(), key=lambda kept: -_RANKS[kept[0]])
        # One long text is searched faster than many short ones; nothing runs over a NUL.
        texts = [(kind, "\0".join(each)) for kind, each in (*own.items(), *falling)]
        return cls(texts=texts, size=sum(len(text) for _, text in texts))

    def holding(self, piece: str) -> Confidentiality | None:
        """The class that ``piece`` has by where it stands; ``None`` if it stands nowhere."""
        return next((kind for kind, text in self.texts if piece in text), None)

    def holding_squeezed(self, code: str) -> Confidentiality | None:
        """The same, with separators disregarded."""
        if self._squeezed is None:
            self._squeezed = [(kind, squeezed(text)) for kind, text in self.texts]
        sought = squeezed(code)
        return next((kind for kind, text in self._squeezed if sought in text), None)

    def offers(self, value: str) -> bool:
        """Whether ``value`` is one token that stands as a whole in what was read."""
        if not _ONE_TOKEN.fullmatch(value):
            return False
        token = bare(plain(value))
        return any(stands(token, text) for _, text in self.texts)


def _held(
    text: str, corpus: _Corpus, top: Confidentiality, retold: Confidentiality
) -> Confidentiality:
    found = Confidentiality.PUBLIC
    spent, copied, cut = 0, 0, 0
    for number, variant in enumerate(variants(text)):
        pieces = [*dict.fromkeys(specifics(variant))]
        lines = runs(variant)
        codes = spelled_out(variant)
        spent += (len(pieces) + len(lines) + len(codes)) * corpus.size
        if spent > _WORK:
            return top
        stands_in = [corpus.holding(line) for line in lines]
        if number == 0:
            copied, cut = sum(kind is not None for kind in stands_in), len(lines)
        holders = [corpus.holding(piece) for piece in pieces]
        holders += [corpus.holding_squeezed(code) for code in codes]
        for kind in (*stands_in, *holders):
            if kind is not None:
                found = higher(found, kind)
        if found is top:
            return found
    own_words = not cut or copied < _COPIED * cut
    return higher(found, retold) if own_words and len(text) >= LONG else found
