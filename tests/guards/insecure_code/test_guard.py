"""Insecure code in replies and tool calls, while they grow and when they are whole."""

import asyncio
import time
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.conversation import BY_MODEL, Exchange, Role, Subject, text_message
from guards.descriptions import BUILT_IN
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.insecure_code import matching
from guards.insecure_code.guard import InsecureCodeGuard, unfinished
from guards.insecure_code.languages import Language
from guards.insecure_code.matching import PIECE, Matcher, pieces
from guards.insecure_code.rule import rule_book
from guards.panel import Panel, PanelVerdict, Seat
from guards.stream import Buffer, Pace, Redact, Ruling, released
from guards.verdict import Failure, Unscanned, Verdict
from policies.decision import Basis, Redaction, Rewrite
from policies.placeholders import Placeholders

GUARD = InsecureCodeGuard()
INJECTION = "cur.execute(\"SELECT a FROM t WHERE b = '%s'\" % name)"


def exchange(text: str, subject: Subject = Subject.REPLY) -> Exchange:
    message = text_message(text, id="m", role=Role.ASSISTANT, provenance=BY_MODEL)
    return Exchange(subject=subject, message=message)


async def judged(text: str, subject: Subject = Subject.REPLY) -> Verdict:
    verdict = await GUARD.judge(exchange(text, subject))
    assert isinstance(verdict, Verdict)
    return verdict


async def test_a_finding_names_its_weakness_and_its_place() -> None:
    text = f"Sure:\n\n```python\nimport db\n{INJECTION}\n```\n"
    (finding,) = (await judged(text)).findings
    assert (finding.hazard, finding.label) == (Hazard.INSECURE_CODE, "CWE-89")
    assert finding.span is not None
    assert "SELECT a FROM t" in text[finding.span.start : finding.span.end]
    assert finding.probability > 0.5


async def test_repaired_code_is_not_flagged() -> None:
    text = '```python\ncur.execute("SELECT a FROM t WHERE b = %s", (name,))\n```'
    assert (await judged(text)).findings == ()


async def test_a_reply_without_code_has_no_findings() -> None:
    assert (await judged("Never call eval(input()) on what people type.")).findings == ()
    assert (await judged("")).findings == ()


async def test_a_growing_reply_is_judged_up_to_its_last_finished_statement() -> None:
    whole = "```python\nrequests.get(url,\n    verify=False)\nx = 1\n```"
    before = whole[: whole.index(")\nx")]
    growing = await judged(before, Subject.REPLY_SO_FAR)
    assert (growing.findings, growing.hold) == ((), whole.index("requests"))
    after = await judged(whole[: whole.index("x = 1")], Subject.REPLY_SO_FAR)
    assert [f.label for f in after.findings] == ["CWE-295"]
    assert (await judged(before, Subject.REPLY)).findings != ()


async def test_what_later_arguments_make_safe_is_never_flagged_on_the_way() -> None:
    text = "```python\nconfig = yaml.load(\n    text,\n    Loader=yaml.SafeLoader,\n)\n```"
    for end in range(len(text) + 1):
        assert (await judged(text[:end], Subject.REPLY_SO_FAR)).findings == ()


async def test_what_later_lines_make_safe_is_flagged_at_the_end_only() -> None:
    risky = "```java\nclass A { void f() {\nvar f = DocumentBuilderFactory.newInstance();\n"
    safe = risky + 'f.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);\n'
    assert (await judged(risky, Subject.REPLY_SO_FAR)).findings == ()
    assert [f.label for f in (await judged(risky)).findings] == ["CWE-611"]
    assert (await judged(safe + "}}\n```")).findings == ()


async def test_once_a_statement_is_finished_its_finding_stays() -> None:
    text = f"```python\n{INJECTION}\nother = eval(code)\nprint(other)\n```\nThat is it."
    seen: set[str | None] = set()
    for end in range(len(text) + 1):
        labels = {f.label for f in (await judged(text[:end], Subject.REPLY_SO_FAR)).findings}
        assert seen <= labels
        seen = labels
    assert seen == {"CWE-89", "CWE-94"}


async def test_code_in_a_list_is_located() -> None:
    text = f"1. First\n\n   ```python\n   {INJECTION}\n   ```\n"
    (finding,) = (await judged(text)).findings
    assert finding.span is not None
    assert text[finding.span.start : finding.span.end] in INJECTION


async def test_arguments_of_a_tool_call_are_judged() -> None:
    arguments = '{"code": "import os\\nos.system(\\"rm \\" + name)\\n", "language": "python"}'
    (finding,) = (await judged(arguments, Subject.TOOL_CALL)).findings
    assert finding.label == "CWE-78"
    assert finding.span is not None
    assert arguments[finding.span.start : finding.span.end].startswith("os.system(")


async def test_a_subject_without_text_and_one_too_long_are_not_judged() -> None:
    with pytest.raises(ValueError, match="image"):
        await GUARD.judge(exchange("", Subject.IMAGE))
    judgement = await GUARD.judge(exchange("x" * 2_000_001))
    assert isinstance(judgement, Unscanned)
    assert judgement.reason is Failure.TOO_LONG


@given(
    st.text(st.sampled_from("`\n \"'(){}[];:=+%$#\\abexec<>?/*\ud800\U0001f600é"), max_size=200),
    st.sampled_from(sorted(Language)),
)
@settings(max_examples=80)
def test_any_text_is_judged(code: str, language: Language) -> None:
    for text in (code, f"```{language}\n{code}"):
        for subject in (Subject.REPLY, Subject.REPLY_SO_FAR, Subject.TOOL_CALL):
            for hit in GUARD.find(text, subject):
                assert 0 <= hit.start < hit.end <= len(text)
        assert 0 <= unfinished(text) <= len(text)


@pytest.mark.parametrize("unit", ["(", "a+", "eval(", "'", "\n", "SELECT ", "if a:\n ", '"%s" % '])
@pytest.mark.parametrize("language", ["python", "c", "php"])
def test_a_long_block_of_one_thing_takes_linear_time(unit: str, language: str) -> None:
    def cost(size: int) -> float:
        start = time.thread_time()
        InsecureCodeGuard().find(f"```{language}\n" + unit * (size // len(unit)))
        return time.thread_time() - start

    cost(1_000)
    small, large = cost(20_000), cost(80_000)
    assert large < max(3.0, 14 * small)


@pytest.mark.parametrize("language", ["python"])
def test_a_megabyte_of_one_character_is_judged(language: str) -> None:
    start = time.thread_time()
    assert GUARD.find(f"```{language}\n" + "(" * 1_000_000) == []
    assert time.thread_time() - start < 90


def test_pieces_of_a_growing_code_stay_the_same() -> None:
    code = "".join(f"def f{i}():\n    return {i}\n\n" for i in range(4_000))
    before, after = list(pieces(code[:60_000])), list(pieces(code))
    assert before[:-1] == after[: len(before) - 1]
    assert "".join(piece for _, piece in after) == code
    assert all(code[start : start + len(piece)] == piece for start, piece in after)
    assert all(piece.startswith("def") for _, piece in after)
    assert max(len(piece) for _, piece in after) <= 2 * PIECE


@given(st.text(st.sampled_from("a \n"), max_size=40), st.integers(1, 6))
def test_pieces_lose_nothing(unit: str, times: int) -> None:
    code = (unit * 3_000)[: times * PIECE]
    assert "".join(piece for _, piece in pieces(code)) == code


def test_code_that_was_judged_is_not_parsed_again() -> None:
    matcher = Matcher(rule_book())
    first = list(matcher.matches(INJECTION, Language.PYTHON, whole=True))

    def broken(*_: object) -> None:
        raise AssertionError("parsed again")

    matcher._parse = broken  # type: ignore[assignment]
    assert list(matcher.matches(INJECTION, Language.PYTHON, whole=True)) == first
    with pytest.raises(AssertionError):
        list(matcher.matches(INJECTION + " ", Language.PYTHON, whole=True))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_KEPT", 3)
    matcher = Matcher(rule_book())
    for i in range(10):
        list(matcher.matches(f"x = {i}", Language.PYTHON, whole=True))
    assert len(matcher._known) == 3


async def test_a_panic_of_the_parser_never_means_allowed() -> None:
    guard = InsecureCodeGuard()
    panic = type("PanicException", (BaseException,), {})

    def broken(*_: object) -> None:
        raise panic

    guard._matcher._parse = broken  # type: ignore[assignment]
    with pytest.raises(GuardNonsenseError):
        guard.find(f"```python\n{INJECTION}\n```")
    panel = Panel([Seat(guard=guard, subjects=guard.subjects)])
    verdict = await panel.judge(exchange(f"```python\n{INJECTION}\n```"))
    assert [u.reason for u in verdict.unscanned] == [Failure.NONSENSE]


def test_other_interruptions_pass_through() -> None:
    matcher = Matcher(rule_book())

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    matcher._parse = stopped  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        list(matcher.matches(INJECTION, Language.PYTHON, whole=True))


def test_the_revision_names_rules_and_engine() -> None:
    assert rule_book().digest in GUARD.revision
    assert "ast-grep" in GUARD.revision
    assert BUILT_IN["insecure_code"].subjects is None


async def test_a_policy_can_leave_the_code_and_mark_its_lines() -> None:
    before = f"Sure:\n\n```python\nif name:\n    {INJECTION}\nother = eval(\n    code,\n)\n"
    text = before + "print(other)\n```\n"
    mark = "{text}  [{label}]"
    session = Placeholders()

    async def judge(so_far: str, whole: bool) -> Ruling[str]:
        subject = Subject.REPLY if whole else Subject.REPLY_SO_FAR
        verdict = await judged(so_far, subject)
        redactions = tuple(
            Redaction(span=f.span, replacement=mark.replace("{label}", f.label))
            for f in verdict.findings
            if f.span is not None and f.label is not None
        )
        basis = Basis(
            clause="c",
            policy="p@1.0.0",
            digest="0",
            verdict=PanelVerdict(subject=subject, judgements=(verdict,), elapsed=0.0),
        )
        rewrite = Rewrite(basis=basis, redactions=redactions)
        return Redact(cuts=session.cuts(so_far, rewrite), otherwise="", upto=verdict.hold)

    buffer = Buffer()
    shown: list[str] = []

    async def read() -> None:
        async with aclosing(released(buffer, judge, Pace(interval=0))) as parts:
            async for part in parts:
                assert isinstance(part, str)
                shown.append(part)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for start in range(0, len(text), 7):
            buffer.push(text[start : start + 7])
            await asyncio.sleep(0)
        buffer.close()
    assert "".join(shown) == text.replace(INJECTION, f"{INJECTION}  [CWE-89]").replace(
        "eval(\n", "eval(  [CWE-94]\n"
    )
