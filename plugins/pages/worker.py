"""The process in which strangers' bytes are taken apart.

Parsing a page made to harm can take minutes, fill the memory or bring the parser down; here it
takes only this process, which its owner stops and replaces. It is started with ``-m`` and reads
questions from its standard input until that ends:

    question: two lengths (4 bytes each, big-endian), the question as JSON, the bytes it is about
    answer:   one length (4 bytes), the answer as JSON

The answer to what cannot be read is ``{"error": ...}``.
"""

import json
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

from plugins.pages.charset import decoded

_LENGTHS = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
_TITLE_CHARS = 300


def answer(question: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Answer one question.

    ``{"kind": "html", "url", "charset", "chars", "links"}`` and
    ``{"kind": "text", "charset", "chars"}`` give ``title``, ``text``, ``published`` and ``cut``;
    ``{"kind": "robots", "url", "agent"}`` gives ``allowed``.
    """
    match question["kind"]:
        case "html":
            return _of_html(question, decoded(body, question["charset"], html=True))
        case "text":
            text = decoded(body, question["charset"], html=False)
            return _cut(text, question["chars"], title="", published=None)
        case "robots":
            from protego import Protego

            rules = Protego.parse(body.decode("utf-8", "replace"))
            return {"allowed": rules.can_fetch(question["url"], question["agent"])}
        case kind:
            raise ValueError(f"no question of the kind {kind!r}")


def _of_html(question: dict[str, Any], html: str) -> dict[str, Any]:
    from trafilatura import bare_extraction, html2txt

    document = bare_extraction(
        html,
        url=question["url"],
        include_comments=False,
        include_formatting=True,
        include_links=question["links"],
        with_metadata=True,
    )
    title, text, published = "", "", None
    if document is not None and not isinstance(document, dict):
        title, text, published = document.title or "", document.text or "", document.date
    return _cut(text or html2txt(html), question["chars"], title=title, published=published)


def _cut(text: str, chars: int, *, title: str, published: str | None) -> dict[str, Any]:
    text = text.strip()
    return {
        "title": " ".join(title.split())[:_TITLE_CHARS],
        "text": text[:chars],
        "published": published,
        "cut": len(text) > chars,
    }


def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    while lengths := questions.read(_LENGTHS.size):
        question_size, body_size = _LENGTHS.unpack(lengths)
        question = json.loads(questions.read(question_size))
        body = questions.read(body_size)
        try:
            reply = answer(question, body)
        except Exception as error:  # noqa: BLE001 - the edge of a process
            reply = {"error": type(error).__name__}
        packed = json.dumps(reply).encode()
        answers.write(_LENGTH.pack(len(packed)) + packed)
        answers.flush()


def main() -> None:
    """Serve until the input ends, with as much memory as the first argument says in bytes.

    It writes no files.
    """
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(nothing, (0, 0))
    with os.fdopen(os.dup(1), "wb") as answers, open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
