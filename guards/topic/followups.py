"""Messages that cannot be understood without what was said before."""

import re

_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_FEW_WORDS, _FEW_IDEOGRAPHS = 4, 4
_LONGEST_WORDS, _LONGEST_IDEOGRAPHS = 12, 14

_LEADING = re.compile(
    r"(?:and|or|but|so|what about|how about|what if|why|how long|how much|how many|how so|same"
    r"|also|then|und|oder|aber|warum|wieso|was ist mit|et|ou|mais|pourquoi|y|o|pero|por qué|e|ma"
    r"|perché|а|и|но|почему)\b"
    r"|那|还有|如果|没有|为什么|要是|では|じゃあ|それ|그럼|그리고"
)
_POINTING = re.compile(
    r"\b(?:it|that|this|those|these|them|there|one|das|dies|diese[rsn]?|es|dort|davon|dafür|geht"
    r"|ça|cela|eso|esto|questo|это)\b|呢|它|这个|那个"
)


def is_follow_up(text: str) -> bool:
    """Whether normalised ``text`` leans on what was said before.

    It does if it is a few words, or a short message that begins like a continuation or points
    at something it does not name.
    """
    ideographs = len(_IDEOGRAPH.findall(text))
    if ideographs * 2 > len(text.replace(" ", "")):
        few, long = ideographs <= _FEW_IDEOGRAPHS, ideographs > _LONGEST_IDEOGRAPHS
    else:
        words = len(text.split())
        few, long = words <= _FEW_WORDS, words > _LONGEST_WORDS
    if few or long:
        return few
    return _LEADING.match(text) is not None or _POINTING.search(text) is not None
