"""A GGUF model: its weights, its tokenizer and its chat template."""

import ctypes
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from assistant.engine.llamacpp.native import start_library

Conversation = Sequence[Mapping[str, Any]]

_PIECE_BYTES = 256


class PromptError(ValueError):
    """The messages cannot become a prompt; the text says why and quotes none of them."""


class Model:
    """Weights in memory. Tokenizing and rendering are safe from any thread.

    Raises:
        OSError: the file cannot be loaded.
        ValueError: it has no chat template.
    """

    def __init__(self, path: Path) -> None:
        start_library()
        parameters = llama_cpp.llama_model_default_params()
        self.pointer = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.pointer:
            raise OSError(f"{path.name} is not a model llama.cpp can load")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.pointer)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        self.trained_window: int = llama_cpp.llama_model_n_ctx_train(self.pointer)
        template = llama_cpp.llama_model_chat_template(self.pointer, None)
        if not template:
            raise ValueError(f"{path.name} has no chat template")
        begin = llama_cpp.llama_vocab_bos(self.vocabulary)
        self._begin = self.piece(begin, special=True).decode() if begin >= 0 else ""
        end = llama_cpp.llama_vocab_eos(self.vocabulary)
        self._template = Jinja2ChatFormatter(
            template=template.decode(),
            bos_token=self._begin,
            eos_token=self.piece(end, special=True).decode() if end >= 0 else "",
        )
        # Unguessable, so that no text can pass for a mark.
        self._mark = f"\ue000{secrets.token_hex(8)}:{{}}\ue001"
        self._marks = re.compile(re.escape(self._mark).replace(r"\{\}", "([0-9]+)"))
        self._pieces = [self.piece(token) for token in range(self.size)]
        # Only byte-level vocabularies read the same in parts as in one.
        kind = llama_cpp.llama_vocab_type(self.vocabulary)
        self._divisible = kind == llama_cpp.LLAMA_VOCAB_TYPE_BPE
        self._controls = tuple(
            text
            for token in range(self.size)
            if llama_cpp.llama_vocab_is_control(self.vocabulary, token)
            and (text := self.piece(token, special=True).decode("utf-8", "replace"))
        )

    def text(self, token: int) -> bytes:
        """The bytes a generated token stands for; none for control tokens."""
        return self._pieces[token]

    def ends(self, token: int) -> bool:
        """Whether the model ends its reply with ``token``."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocabulary, token))

    def prompt(self, messages: Conversation, tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """The tokens of a conversation under the model's own template.

        What people wrote never becomes a control token, whatever it spells: a message that holds
        the template's own turn markers stays one message.

        Raises:
            PromptError: the template refuses the conversation.
        """
        contents = [str(message["content"] or "") for message in messages]
        plain = self._render(messages, contents, tools)
        if self._divisible:
            marks = [self._mark.format(index) for index in range(len(contents))]
            marked = self._render(messages, marks, tools)
            parts = self._marks.split(marked)
            # The template may have looked into the contents; then the two differ.
            if "".join(_filled(parts, contents)) == plain:
                return self._tokens_of_parts(parts, contents)
        if any(control in content for content in contents for control in self._controls):
            raise PromptError("a message holds the template's own control tokens")
        return self._tokens(plain, special=True)

    def _tokens_of_parts(self, parts: list[str], contents: list[str]) -> list[int]:
        tokens: list[int] = []
        for position, part in enumerate(_filled(parts, contents)):
            tokens += self._tokens(part, special=position % 2 == 0)
        return tokens

    def _render(
        self, messages: Conversation, contents: list[str], tools: Sequence[Mapping[str, Any]]
    ) -> str:
        filled: Any = [
            {**message, "content": content}
            for message, content in zip(messages, contents, strict=True)
        ]
        try:
            # A template is code from a file: jinja's sandbox runs it, and any of its failures
            # is the conversation's, not ours.
            rendered = self._template(messages=filled, tools=list(tools) or None)  # type: ignore[arg-type] # plain JSON
        except (jinja2.TemplateError, ValueError, TypeError, KeyError):
            raise PromptError("the model's chat template refuses this conversation") from None
        return rendered.prompt

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, data, len(data), buffer, room, False, special
        )
        return list(buffer[: max(count, 0)])

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of one token; with ``special`` also those of control tokens."""
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        length = llama_cpp.llama_token_to_piece(
            self.vocabulary, token, buffer, _PIECE_BYTES, 0, special
        )
        return buffer.raw[: max(length, 0)]


def _filled(parts: list[str], contents: list[str]) -> list[str]:
    """``parts`` of a split, with each odd one, an index, replaced by what it stands for."""
    return [contents[int(part)] if i % 2 else part for i, part in enumerate(parts)]
