"""Other spellings and settings of a text that leave its label what it is."""

import random
import re
from collections.abc import Callable, Sequence

_CHAT = {
    "you": "u", "are": "r", "your": "ur", "please": "pls", "people": "ppl", "because": "cuz",
    "to": "2", "for": "4", "with": "w/", "without": "w/o", "want to": "wanna",
    "going to": "gonna", "i am": "im", "don't": "dont", "can't": "cant", "do not": "dont",
    "cannot": "cant", "what is": "whats", "how do i": "how do i even", "tonight": "2nite",
    "someone": "sb", "something": "smth", "about": "abt", "before": "b4", "though": "tho",
}  # fmt: skip
_CHAT_WORD = re.compile(r"\b(" + "|".join(sorted(_CHAT, key=len, reverse=True)) + r")\b")
_WORD = re.compile(r"[^\W\d_]{4,}")
_PUNCTUATION = re.compile(r"[.,;:!?'\"()，。！？；：、「」“”]")

BEFORE: dict[str, tuple[str, ...]] = {
    "en": (
        "hi", "hello there,", "hey,", "good morning.", "quick question:", "i have a question.",
        "please help:", "ok so", "can you help me with this?", "thanks for earlier. now,",
        "i'm at work right now and", "not sure who else to ask.", "let's try something else.",
        "one more thing:", "be brief.", "answer in detail.", "you are a helpful assistant.",
        "act as an expert.", "question:", "user:", "task:", "i'm writing this on my phone,",
    ),
    "zh": (
        "你好", "您好，", "请问", "麻烦问一下，", "帮我一下，", "在吗", "想问个问题：", "简单说，",
        "再问一个：", "请详细回答：", "急，", "谢谢，另外", "问题：",
    ),
    "de": ("hallo,", "kurze frage:", "bitte hilf mir:", "guten tag,", "also", "frage:"),
    "fr": ("bonjour,", "salut,", "petite question :", "s'il te plaît,", "alors", "question :"),
    "es": ("hola,", "buenas,", "una pregunta:", "por favor,", "oye,", "pregunta:"),
    "pt": ("olá,", "oi,", "uma pergunta:", "por favor,"),
    "it": ("ciao,", "salve,", "una domanda:", "per favore,"),
    "ru": ("привет,", "здравствуйте,", "вопрос:", "подскажите,", "пожалуйста,"),
    "ja": ("こんにちは。", "すみません、", "質問です。", "ちょっと聞きたいんですが、"),
    "ko": ("안녕하세요,", "질문이 있어요.", "저기요,", "부탁드려요,"),
    "ar": ("مرحبا،", "السلام عليكم،", "سؤال:", "من فضلك،"),
    "hi": ("नमस्ते,", "एक सवाल है:", "कृपया,"),
    "tr": ("merhaba,", "bir sorum var:", "lütfen,"),
}  # fmt: skip
AFTER: dict[str, tuple[str, ...]] = {
    "en": (
        "thanks", "thank you in advance!", "please", "asap", "step by step", "in detail",
        "keep it short.", "i need this by tomorrow.", "any ideas?", "lol", "just curious",
        "explain like i'm five", "write about 300 words.", "in a friendly tone.", "haha",
        "give me a list.", "answer in english.", "no long introduction please.", "use markdown.",
    ),
    "zh": (
        "谢谢", "谢谢啦", "急，在线等", "尽量详细", "简单点", "哈哈", "请分点回答", "字数300左右",
        "拜托了", "有什么建议吗", "用中文回答",
    ),
    "de": ("danke", "vielen dank!", "bitte ausführlich", "kurz bitte", "lg"),
    "fr": ("merci", "merci d'avance !", "en détail", "bref svp"),
    "es": ("gracias", "¡gracias de antemano!", "con detalle", "breve por favor"),
    "pt": ("obrigado", "obrigada!", "com detalhes"),
    "it": ("grazie", "grazie mille!", "in breve"),
    "ru": ("спасибо", "заранее спасибо!", "подробно", "коротко"),
    "ja": ("お願いします", "ありがとうございます", "詳しく"),
    "ko": ("감사합니다", "자세히 알려줘", "ㅋㅋ"),
    "ar": ("شكرا", "بالتفصيل", "باختصار"),
    "hi": ("धन्यवाद", "विस्तार से"),
    "tr": ("teşekkürler", "detaylı", "kısaca"),
}  # fmt: skip

Change = Callable[[str, str, random.Random], str]


def misspell(text: str, language: str, rng: random.Random) -> str:
    """Swap, drop or double a letter in about one of eight longer words."""

    def change(found: re.Match[str]) -> str:
        word = found[0]
        if rng.random() > 0.12:
            return word
        at = rng.randrange(1, len(word) - 1)
        match rng.randrange(3):
            case 0:
                return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            case 1:
                return word[:at] + word[at + 1 :]
            case _:
                return word[:at] + word[at] + word[at:]

    del language
    return _WORD.sub(change, text)


def chat_style(text: str, language: str, rng: random.Random) -> str:
    """Abbreviate as people do in chats; English only."""
    if language != "en":
        return text
    return _CHAT_WORD.sub(lambda word: _CHAT[word[0]] if rng.random() < 0.5 else word[0], text)


def without_punctuation(text: str, language: str, rng: random.Random) -> str:
    """Leave out some of the punctuation, or all of it."""
    del language
    share = rng.choice((0.5, 1.0))
    return _PUNCTUATION.sub(lambda sign: "" if rng.random() < share else sign[0], text)


def framed(text: str, language: str, rng: random.Random) -> str:
    """Put words before or after it that people use whatever they ask for."""
    before, after = BEFORE.get(language), AFTER.get(language)
    if before and rng.random() < 0.6:
        text = f"{rng.choice(before)} {text}"
    if after and rng.random() < 0.5:
        text = f"{text} {rng.choice(after)}"
    return text


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.20, framed),
    (0.10, chat_style),
    (0.12, misspell),
    (0.12, without_punctuation),
)
"""Each with the probability that it is made."""


def changed(text: str, language: str, rng: random.Random) -> str:
    """``text`` after the changes that were drawn."""
    for probability, change in CHANGES:
        if rng.random() < probability:
            text = change(text, language, rng)
    return text


def joined(text: str, other: str, rng: random.Random) -> str:
    """Two messages as one, in either order."""
    pair: Sequence[str] = (text, other) if rng.random() < 0.5 else (other, text)
    return rng.choice((" ", "\n", ". ", " and also ", "\n\n")).join(pair)
