"""A program's last value comes out as bounded text, and its meaning stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.code.program import LONGEST, read_program
from plugins.errors import ToolError


def source(code: str) -> str:
    return read_program(code, value_chars=50).source


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 2", "3"),
        ("x = 4\nx * 2  # twice", "8"),
        ("x = 1; x", "1"),
        ("x = 1; x;", "1"),
        ("(1 +\n 2)", "3"),
        ("'é'; ('é' +\n'ü')", "'éü'"),
        ("1, 2", "(1, 2)"),
        ("*[1], 2", "(1, 2)"),
        ("'''a\nb'''", "'a\\nb'"),
        ("lambda: 1\n[x for x in (1, 2)]", "[1, 2]"),
        ("'x' * 1000", "'" + "x" * 49),
        ("```python\n5 * 5\n```", "25"),
        ("``` \n6\n```", "6"),
        ("def repr(x): return 'no'\n[1]", "[1]"),
    ],
)
def test_the_last_expression_is_shown(code: str, value: str) -> None:
    *body, shown = source(code).rsplit("\n", 1)
    names: dict[str, object] = {}
    exec("\n".join(body), names)  # noqa: S102 - the rows above
    assert eval(shown, names) == value  # noqa: S307 - the rows above


@pytest.mark.parametrize("code", ["x = 1", "for i in (): pass", "if 1: 2", "# nothing", "None"])
def test_without_a_value_there_is_none(code: str) -> None:
    *body, shown = source(code).rsplit("\n", 1)
    names: dict[str, object] = {}
    exec("\n".join(body), names)  # noqa: S102 - the rows above
    assert eval(shown, names) is None  # noqa: S307 - the rows above


@pytest.mark.parametrize(
    "code",
    ["def (", "huge if 1 else \\", "x = '''", "(" * 9000, "-" * 9000 + "1", "a." * 3000 + "b",
     "\x00", "if 1:", "[1,", "'\\d' '\\", "1\r2", "x = 1\x0c\nx", "type X = int\nX"],
)  # fmt: skip
def test_what_this_interpreter_cannot_split_is_the_sandboxs_to_judge(code: str) -> None:
    assert source(code) == f"{code}\n\nNone"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("  \n", "code: is empty"),
        ("```python\n\n```", "code: is empty"),
        ("1\n" * LONGEST, "at most 10000 are run"),
        ("'\ud800'", "are no text"),
    ],
)
def test_what_is_no_program_is_refused(code: str, problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        source(code)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(code: str) -> None:
    try:
        made = source(code)
    except ToolError:
        return
    assert made.endswith(("\n\nNone", '.50}"'))
