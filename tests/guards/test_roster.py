"""Guards by name: built in, from a file, made of one another."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import Subject
from guards.making import Workshop
from guards.roster import RosterError, load_roster
from guards.upstream import open_upstreams

FILE = """
guards:
  quick:
    kind: embedded
    subjects: [user_input]
    deadline: 0.5
  strong:
    kind: llama_guard
    urls: ["http://127.0.0.1:9/v1"]
    generation: "4"
    api_key_env: STRONG_KEY
  careful:
    kind: cascade
    first: quick
    second: strong
    band: {low: 0.1, high: 0.9}
"""


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with open_upstreams() as upstreams:
        yield Workshop(
            upstreams=upstreams, clock=lambda: 0.0, deadline=3.0, environ={"STRONG_KEY": "k"}
        )


def written(folder: Path, text: str) -> Path:
    path = folder / "guards.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_what_needs_no_description_is_there_without_a_file(workshop: Workshop) -> None:
    roster = load_roster(None, {})
    (seat,) = roster.seats(["embedded"], workshop)
    assert (seat.guard.name, seat.deadline) == ("embedded", 3.0)
    assert seat.subjects == seat.guard.subjects


async def test_a_file_adds_guards_and_makes_them_of_one_another(
    workshop: Workshop, tmp_path: Path
) -> None:
    roster = load_roster(written(tmp_path, FILE), {})
    assert {"embedded", "quick", "strong", "careful"} <= set(roster.names)
    careful, quick = roster.seats(["careful", "quick", "careful"], workshop)
    assert (quick.guard.name, quick.deadline) == ("quick", 0.5)
    assert quick.subjects == frozenset({Subject.USER_INPUT})
    assert careful.guard.name == "careful"
    assert "llama-guard-4" in careful.guard.revision
    assert careful.subjects == frozenset({Subject.USER_INPUT})


async def test_a_guard_that_others_are_made_of_is_made_once(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(
        "guards.embedded.load_embedded_guard",
        lambda _tier, **options: loaded.append(options) or ScriptedGuard(name=options["name"]),
    )
    roster = load_roster(written(tmp_path, FILE), {})
    roster.seats(["quick", "careful"], workshop)
    assert len(loaded) == 1


async def test_a_calibration_lies_beside_the_file(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"guard": "quick"}', encoding="utf-8")
    text = FILE.replace("deadline: 0.5", "calibration: c.json")
    with pytest.raises(RosterError, match=r"guard 'quick': c\.json: guard_revision: Field requir"):
        load_roster(written(tmp_path, text), {}).seats(["quick"], workshop)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("guards: [", "guards.yaml:1: is not YAML"),
        ("", "guards.yaml: the file: Input should be"),
        ("guards: {Bad: {kind: embedded}}", "guards.Bad"),
        ("guards: {a: {kind: magic}}", "guards.a: Input tag 'magic'"),
        ("guards: {a: {kind: embedded, dedline: 1}}", "guards.a.dedline: Extra inputs"),
        ("guards: {a: {kind: llama_guard, urls: []}}", "guards.a.urls: List should have at least"),
        ("guards: {a: {kind: cascade, first: b, second: c}}", "give either band or bands"),
    ],
)
def test_mistakes_are_named_with_file_and_field(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(RosterError) as caught:
        load_roster(written(tmp_path, text), {})
    assert expected in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match=r"none\.yaml cannot be read"):
        load_roster(tmp_path / "none.yaml", {})


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        (("", ""), "strang", "no guard is called 'strang'; there are careful, embedded"),
        (("first: quick", "first: careful"), "careful", "guard 'careful': is part of itself"),
        (("first: quick", "first: nobody"), "careful", "no guard is called 'nobody'"),
        (("STRONG_KEY", "OTHER_KEY"), "strong", "guard 'strong': api_key_env: OTHER_KEY is not"),
        (("[user_input]", "[image]"), "quick", "guard 'quick': guard 'quick' cannot judge: image"),
        (("band: {low: 0.1, high: 0.9}", "bands: b.json"), "careful", "b.json: cannot be read"),
    ],
)
async def test_a_guard_that_cannot_be_made_is_named(
    workshop: Workshop, tmp_path: Path, change: tuple[str, str], name: str, expected: str
) -> None:
    roster = load_roster(written(tmp_path, FILE.replace(*change)), {})
    with pytest.raises(RosterError) as caught:
        roster.seats([name], workshop)
    assert expected in str(caught.value)
