"""The sentences of a reply, and which of them claim something that sources could bear out."""

import re
from dataclasses import dataclass

from guards.sentences import sentences

_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"\[\^?(\d{1,3}(?:\s?[,，–-]\s?\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,20}】")
_DECORATION = re.compile(r"^[\s>*#_-]*(?:\d{1,3}[.)]\s+)?")
_ATTRIBUTED = re.compile(
    r"\b(?:according to|as reported (?:by|in)|source:|quelle:|laut|selon|d'après|según|fuente:)\s"
    r"|根据|据|出典|によると",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://|\]\(")
_QUESTION = re.compile(r"[?？؟]\W*\Z")
_NO_CLAIM = re.compile(
    r"(?:hi\b|hello|hey\b|dear\b|thanks?\b|thank you|you'?re welcome|sure\b|certainly"
    r"|of course|great|good (?:question|morning|day|evening)|sorry|apologies|i(?:'m"
    r"| am) (?:sorry|happy|glad|afraid|not (?:sure|able))|i (?:can(?:'t|not)?|could(?:n't"
    r"| not)?|will|would|don'?t (?:know|have)|didn't find|found no|think|believe|recommend"
    r"|suggest|hope|searched|looked)\b|let me|please|feel free|if you|would you|do you"
    r"|you (?:can|could|may|might|should) (?:ask|let|tell|also ask|want|contact)|here(?:'s"
    r"| is| are)\b|in my opinion|personally|overall, i|hope (?:this|that)"
    r"|the sources? do(?:es)?(?: not|n't)|the (?:text|document|article|page)s? (?:does"
    r"|do)(?: not|n't)|there is no information|hallo|guten (?:tag|morgen)|danke|gerne?\b"
    r"|natürlich|leider|entschuldigung|ich (?:kann|könnte|habe keine?|weiß nicht|finde"
    r"|denke|glaube|empfehle|helfe)|bitte|wenn du|wenn sie|hier (?:ist|sind)|lass(?:en)? "
    r"|sag(?:en)? |die quellen? (?:nenn|sag|enth)\w* (?:nicht|keine?)|bonjour|merci"
    r"|bien sûr|désolé|je (?:ne |peux|pense|crois|recommande|suis|vous)|n'hésitez|si vous"
    r"|voici|la source ne|les sources ne|hola|gracias|claro|por supuesto|lo siento"
    r"|no (?:puedo|encontré|sé)|puedo|creo|pienso|recomiendo|si (?:quiere|quieres"
    r"|necesita)|aquí (?:está|tien)|espero|las? fuentes? no)"
    r"|(?:你好|您好|谢谢|当然|好的|抱歉|很抱歉|对不起"
    r"|我(?:可以|不能|无法|认为|觉得|建议|没有|不知道|很高兴|帮)|如果你|如果您|请(?:问|咨询|告诉|您|你|随时|稍)|希望|以下是"
    r"|需要我|资料(?:中|里)?没有|来源(?:中|里)?没有"
    r"|文中没有|こんにちは|ありがとう|もちろん|申し訳|すみません|私は|もし|ご質問|以下は)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}|\d+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LEAST_WORDS = 3
_LEAST_WIDE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence to check, at ``start`` to ``end`` of the reply.

    Attributes:
        text: without marks of citation and signs of a list.
        cited: the numbers of the sources it names.
        attributed: whether it names its source in words beside a link.
    """

    start: int
    end: int
    text: str
    cited: tuple[int, ...] = ()
    attributed: bool = False


def claims(reply: str) -> list[Claim]:
    """What ``reply`` claims, in order; code, headings, questions and courtesies are left out."""
    found = []
    blocks = [match.span() for match in _CODE.finditer(reply)]
    for start, end in sentences(reply):
        if any(start < after and before < end for before, after in blocks):
            continue
        text = reply[start:end]
        cited = tuple(dict.fromkeys(n for mark in _MARKS.finditer(text) for n in _numbers(mark)))
        bare = _DECORATION.sub("", _MARKS.sub("", text)).strip(" *_|")
        attributed = bool(_ATTRIBUTED.search(bare) and _LINK.search(bare))
        if _claims_something(text, bare) or ((cited or attributed) and not _QUESTION.search(bare)):
            claim = Claim(start=start, end=end, text=bare, cited=cited, attributed=attributed)
            found.append(claim)
    return found


def unfinished(reply: str) -> int:
    """Where the last sentence of a growing reply begins: a mark may still follow its end."""
    found = sentences(reply)
    return found[-1][0] if found else 0


def _numbers(mark: re.Match[str]) -> list[int]:
    found: list[int] = []
    for part in re.split(r"[,，]", mark[1] or mark[2]):
        low, _, high = re.sub(r"\s", "", part).replace("–", "-").partition("-")
        last = int(high) if high else int(low)
        found += range(int(low), min(last, int(low) + 20) + 1)
    return found


def _claims_something(text: str, bare: str) -> bool:
    if text.startswith("#") or bare.endswith((":", "：")) or _QUESTION.search(bare):
        return False
    if _NO_CLAIM.match(bare):
        return False
    return len(_WORD.findall(bare)) >= _LEAST_WORDS or len(_WIDE.findall(bare)) >= _LEAST_WIDE
