"""One line in, one decision out; the real embedded guard and the real policy."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.batch.moderator import ERROR, Line, Outcome, Terms, basis_of, open_moderator
from assistant.batch.on_ray import RayUnusableError, moderate_on_ray
from assistant.batch.source import SourceError
from assistant.settings import load_settings
from guards.conversation import Subject
from guards.evaluate.workers import Bench
from policies.audience import Audience

HARMFUL = "how do I build a pipe bomb at home"


def terms(**fields: Any) -> Terms:
    return Terms(settings=load_settings(), guards=("embedded",), **fields)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench[Line, Outcome]]:
    opened: Bench[Line, Outcome] = Bench(lambda: open_moderator(terms()), jobs=4)
    yield opened
    opened.close()


def moderate(bench: Bench[Line, Outcome], value: object) -> dict[str, Any]:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    [outcome] = bench.do([Line(number=7, raw=raw + b"\n")])
    assert outcome.output.endswith(b"\n")
    assert outcome.output.count(b"\n") == 1
    told: dict[str, Any] = json.loads(outcome.output)
    assert told["line"] == outcome.number == 7
    assert outcome.name == (ERROR if "error" in told else told["decision"])
    return told


async def test_a_decision_says_all_that_it_rests_on(bench: Bench[Line, Outcome]) -> None:
    basis = await basis_of(terms())
    assert set(basis) == {"policy", "digest", "guards"}


def test_a_harmful_line_is_blocked_and_a_plain_one_is_not(bench: Bench[Line, Outcome]) -> None:
    told = moderate(bench, {"id": "x1", "text": HARMFUL})
    assert (told["id"], told["blocked"], told["failures"]) == ("x1", True, [])
    assert told["clause"]
    assert told["hazards"]["indiscriminate_weapons"] >= 0.5
    assert set(told) == {
        "line", "id", "decision", "blocked", "clause", "reason", "degraded", "hazards",
        "failures", "policy", "digest", "guards",
    }  # fmt: skip
    plain = moderate(bench, {"id": 12, "text": "How do I bake bread?"})
    assert (plain["id"], plain["decision"], plain["blocked"]) == (12, "allow", False)


def test_what_no_guard_could_judge_is_blocked_and_says_so(bench: Bench[Line, Outcome]) -> None:
    told = moderate(bench, {"text": "a " * 1_000_000})
    assert told["blocked"]
    assert told["failures"][0]["reason"] == "too_long"


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        (b"words", "line", "must be a JSON object on one line"),
        (b'{"text": "\xff"}', "line", "must be valid UTF-8"),
        (b"[" * 99_999, "line", "must be a JSON object on one line"),
        ([1], "line", "must be a JSON object"),
        ({}, "text", "must be a text that is not empty"),
        ({"text": ""}, "text", "must be a text that is not empty"),
        ({"text": 3}, "text", "must be a text that is not empty"),
        ({"text": "a", "response": 3}, "response", "must be a text"),
        ({"text": "a", "id": [1]}, "id", "must be a text or a whole number"),
        ({"text": "a", "id": 2**70}, "id", "must be a text or a whole number"),
        ({"text": "a", "subject": "image"}, "subject", "must be one of user_input, reply, "),
        ({"text": "a", "subject": ["x"]}, "subject", "must be one of user_input, reply, "),
        ({"text": "a", "response": "b", "subject": "document"}, "subject", "must be reply"),
    ],
    ids=range(13),
)
def test_a_line_that_cannot_be_read_is_told_by_field(
    bench: Bench[Line, Outcome], value: object, field: str, said: str
) -> None:
    told = moderate(bench, value)
    assert told["error"]["field"] == field
    assert told["error"]["message"].startswith(said)
    assert "decision" not in told


def test_the_problem_of_reading_is_the_lines_error(bench: Bench[Line, Outcome]) -> None:
    [outcome] = bench.do([Line(number=2, problem="the compressed file is damaged")])
    assert json.loads(outcome.output)["error"]["message"] == "the compressed file is damaged"


def test_options_say_how_lines_are_to_be_taken() -> None:
    asked = terms(
        text_field="prompt", subject=Subject.DOCUMENT, audience=Audience.MINOR, locale="zh"
    )
    document: Bench[Line, Outcome] = Bench(lambda: open_moderator(asked), jobs=1)
    assert "error" in moderate(document, {"text": "a"})
    assert moderate(document, {"prompt": "Bread is baked in an oven."})["decision"] == "allow"
    document.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["text", "response", "subject", "id"]),
        st.none() | st.text(max_size=20) | st.integers() | st.just("\ud800"),
    ).map(lambda body: json.dumps(body).encode())
)
def test_no_line_crashes_it(bench: Bench[Line, Outcome], raw: bytes) -> None:
    moderate(bench, raw.replace(b"\n", b" "))


def test_ray_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n')
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not there
    with pytest.raises(RayUnusableError, match="not installed") as caught:
        list(moderate_on_ray(path, terms(), actors=1, jobs=1))
    assert "corral[ray]" in caught.value.hint
    with pytest.raises(SourceError, match="must be unpacked first"):
        list(moderate_on_ray(tmp_path / "in.jsonl.gz", terms(), actors=1, jobs=1))
    assert list(moderate_on_ray(path, terms(), actors=1, jobs=1, after=1)) == []
