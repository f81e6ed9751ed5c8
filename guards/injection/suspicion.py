"""What being hidden says about a text."""

import math
import re

from guards.injection.passages import Disguise, Passage

_ADDRESSED = re.compile(
    r"\b(?:assistants?|a\.?i\.?|llms?|language models?|chat ?bots?|(?:ai|mail|web) agents?|gpt"
    r"|copilot|system prompt|instructions?|ignore|disregard|you must|the user|"
    r"assistent\w*|ki|sprachmodell\w*|anweisung\w*|ignorier\w*|ia|mod[eè]le de langage|ignorez"
    r"|consignes?|asistente|instrucci[oó]n\w*|ignor[ae]n?|assistente|instruç\w*|istruzion\w*"
    r"|asistan\w*|talimat\w*|yapay zek\w*|ассистент\w*|помощник\w*|инструкц\w*|игнорир\w*|ии)\b"
    r"|助手|人工智[能慧]|语言模型|大模型|指令|忽略|提示词|アシスタント|指示|無視|人工知能"
    r"|지시|무시|비서|인공지능|مساعد|تعليمات|تجاهل|सहायक|निर्देश|अनदेखा",
    re.IGNORECASE,
)
_MOST = 20_000
_RAISED = {
    # log-odds by (hidden on purpose, addressed to a machine)
    (True, True): 3.0,
    (True, False): 1.0,
    (False, True): 1.5,
    (False, False): 0.0,
}
_EDGE = 1e-6


def addressed(text: str) -> bool:
    """Whether ``text`` speaks to an assistant, or of instructions."""
    return _ADDRESSED.search(text[:_MOST]) is not None


def raised(probability: float, passage: Passage) -> float:
    """``probability`` that a piece of ``passage`` is an attack, now that it was hidden.

    In log-odds it grows most where a text that addresses a machine was hidden in a way nobody
    hides ordinary text.
    """
    if passage.disguise is Disguise.NONE or not probability:
        return probability
    more = _RAISED[passage.disguise.deliberate, addressed(passage.text)]
    clipped = min(max(probability, _EDGE), 1.0 - _EDGE)
    return 1.0 / (1.0 + math.exp(-math.log(clipped / (1.0 - clipped)) - more))
