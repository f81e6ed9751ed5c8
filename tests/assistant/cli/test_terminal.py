"""What reaches a terminal is text, never commands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.cli.terminal import Terminal, printable, to_json

OBEYED = {
    *(chr(code) for code in range(0x20) if chr(code) not in "\n\t"),
    *(chr(code) for code in range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
}


@given(st.text(st.characters(codec="utf-8")))
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    assert not OBEYED & set(printable(text))


@given(st.text(st.characters(codec="utf-8", exclude_characters="".join(OBEYED))))
def test_ordinary_text_is_untouched(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("attack", "seen"),
    [
        ("\x1b[2Jcleared", "␛[2Jcleared"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("safe\r\x1b[Kother", "safe␛[Kother"),
        ("\x9b31mred", "\N{REPLACEMENT CHARACTER}31mred"),
        ("abc\u202edef", "abcdef"),
        ("back\x08space", "back␈space"),
    ],
)
def test_escape_sequences_become_visible(attack: str, seen: str) -> None:
    assert printable(attack) == seen


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_is_exact_and_holds_nothing_a_terminal_obeys(value: object) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert not OBEYED & set(text)


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.write("[red]a[/red] :smile: ")
    terminal.line("[link=http://x]b[/link]")
    assert capsys.readouterr().out == "[red]a[/red] :smile: [link=http://x]b[/link]\n"


def test_a_pipe_gets_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.line("styled", "bold red")
    terminal.note("noted", "bold red")
    assert capsys.readouterr() == ("styled\n", "noted\n")


def test_a_terminal_gets_colour_unless_it_says_no(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Terminal().line("styled", "red")
    assert capsys.readouterr().out == "\x1b[31mstyled\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    Terminal().line("styled", "red")
    assert capsys.readouterr().out == "styled\n"


def test_in_json_mode_standard_output_holds_only_json(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(json_mode=True)
    terminal.write("streamed")
    terminal.line("for people")
    terminal.note("progress")
    terminal.json({"a": "\x1b"})
    out, err = capsys.readouterr()
    assert out == '{"a": "\\u001b"}\n'
    assert err == "progress\n"
