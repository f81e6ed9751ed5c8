from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.document import parse_document, read_document
from policies.mistakes import PolicyError


def mistakes(text: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        parse_document(text, "f.yaml")
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("12", 12),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.0.0", "1.0.0"),
        ("2026-11-22", "2026-11-22"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ('"12"', "12"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_words_mean_what_they_look_like(written: str, value: object) -> None:
    data = parse_document(f"a: {written}", "f.yaml").data
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_everything_has_its_place() -> None:
    document = parse_document('a:\n  - b: "x"\n    c: |\n      y\n', "f.yaml")
    assert document.data == {"a": [{"b": "x", "c": "y\n"}]}
    key, value = document.keys["a", 0, "c"], document.values["a", 0, "b"]
    assert (key.line, key.column) == (3, 5)
    assert (value.line, value.column, value.lead) == (2, 8, 1)
    assert document.values["a", 0, "c"].lead is None


def test_a_mistake_about_something_absent_points_around_it() -> None:
    document = parse_document("a:\n  - {}\n", "f.yaml")
    assert str(document.mistake(("a", 0, "b"), "missing")) == "f.yaml:2:5: a[0].b: missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["f.yaml:1:1: the file is empty"]),
        ("# only\n", ["f.yaml:1:1: the file is empty"]),
        (
            "a: 1\nb: 2\na: 3\nb: 4",
            [
                'f.yaml:3:1: a: "a" stands here a second time (first on line 1)',
                'f.yaml:4:1: b: "b" stands here a second time (first on line 2)',
            ],
        ),
        (
            "a: &x 1\nb: *x",
            [
                "f.yaml:1:4: a: anchors and aliases are not read: write the value out",
                "f.yaml:2:4: b: anchors and aliases are not read: write the value out",
            ],
        ),
        ("a: !!python/name:x y", ["f.yaml:1:4: a: YAML tags are not read: write the plain value"]),
        ("? [b]\n: 1", ["f.yaml:1:3: a key must be a word"]),
        ("a: 1\n---\nb: 2", ["f.yaml:2:1: a second document begins here; one file holds one"]),
        ("a: b: c", ["f.yaml:1:5: not valid YAML: mapping values are not allowed in this context"]),
    ],
)
def test_unreadable_yaml_is_named_with_its_place(text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected


def test_a_character_that_may_not_stand_in_text() -> None:
    assert "may not stand in text" in mistakes("a: \x00")[0]


@pytest.mark.parametrize("text", ["[" * 100_000, "a: {" * 5_000, "- " * 3_000])
def test_deep_nesting_is_a_mistake_and_not_a_crash(text: str) -> None:
    assert "nested too deeply" in mistakes(text)[0]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(PolicyError, match=r"p\.yaml:1:1: the file is not UTF-8 text"):
        read_document(path, "p.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"p\.yaml:1:1: the file cannot be read: No such file"):
        read_document(tmp_path / "p.yaml", "p.yaml")


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}\n \"'|>&*!?#,%@\t0.")), max_size=60))
def test_any_text_is_read_or_refused_with_places(text: str) -> None:
    try:
        read = () in parse_document(text, "f.yaml").values
    except PolicyError as error:
        read = all(m.line >= 1 and m.column >= 1 and m.message for m in error.mistakes)
    assert read
