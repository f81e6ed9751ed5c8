"""The deep tier: taint rules by an engine in a process of its own, failing closed."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from guards.conversation import BY_MODEL, Exchange, Role, Subject, text_message
from guards.descriptions import InsecureCodeDescription
from guards.insecure_code.deep import MAX_BLOCKS, DeepInsecureCodeGuard
from guards.insecure_code.flow import (
    FlowError,
    FlowScanner,
    Limits,
    find_engine,
    flow_rules,
)
from guards.insecure_code.guard import InsecureCodeGuard
from guards.insecure_code.languages import Language
from guards.making import Making, Workshop
from guards.panel import Panel, Seat
from guards.upstream import open_upstreams
from guards.verdict import Failure, Unscanned, Verdict

CODE = 'name = request.args["n"]\nsql = build("é", name)\ndb.execute(sql)\n'
REPLY = f"Here:\n\n```python\n{CODE}```\n"


def report(offset: int, length: int, *, errors: list[str] | None = None) -> str:
    places = {"start": {"offset": offset}, "end": {"offset": offset + length}}
    found = [{"check_id": "python-sql-89-90", **places}] if length else []
    return json.dumps({"results": found, "errors": [{"error_type": e} for e in errors or []]})


def scripted(folder: Path, script: str) -> Path:
    """A stand-in for the engine that runs ``script``."""
    path = folder / "engine"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    return path


def saying(folder: Path, text: str) -> Path:
    return scripted(folder, f"sys.stdout.write({text!r})")


def exchange(text: str, subject: Subject = Subject.REPLY) -> Exchange:
    message = text_message(text, id="m", role=Role.ASSISTANT, provenance=BY_MODEL)
    return Exchange(subject=subject, message=message)


FOUND = report(len(CODE[: CODE.index("db.")].encode()), len("db.execute(sql)"))


async def test_a_flow_is_located_in_the_reply(tmp_path: Path) -> None:
    guard = DeepInsecureCodeGuard(engine=saying(tmp_path, FOUND))
    verdict = await guard.judge(exchange(REPLY))
    assert isinstance(verdict, Verdict)
    (finding,) = verdict.findings
    assert (finding.label, finding.probability) == ("CWE-89", 0.9)
    assert finding.span is not None
    assert REPLY[finding.span.start : finding.span.end] == "db.execute(sql)"


async def test_both_tiers_find_together(tmp_path: Path) -> None:
    guard = DeepInsecureCodeGuard(engine=saying(tmp_path, FOUND))
    reply = f"```python\n{CODE}data = yaml.load(text)\n```"
    verdict = await guard.judge(exchange(reply))
    assert isinstance(verdict, Verdict)
    assert [f.label for f in verdict.findings] == ["CWE-89", "CWE-502"]
    assert guard.revision.startswith(InsecureCodeGuard().revision)
    assert guard.revision.endswith(flow_rules()[1])


async def test_a_growing_reply_starts_no_process(tmp_path: Path) -> None:
    guard = DeepInsecureCodeGuard(engine=scripted(tmp_path, "sys.exit(3)"))
    verdict = await guard.judge(exchange(REPLY, Subject.REPLY_SO_FAR))
    assert isinstance(verdict, Verdict)
    assert verdict.revision == guard.revision


async def test_prose_starts_no_process(tmp_path: Path) -> None:
    guard = DeepInsecureCodeGuard(engine=scripted(tmp_path, "sys.exit(3)"))
    for text in ("Hello there.", "```ruby\nputs 1\n```", "```prolog\na.\n```"):
        assert isinstance(await guard.judge(exchange(text)), Verdict)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit(2)", Failure.ERROR),
        ("sys.stdout.write('no report')", Failure.ERROR),
        ("sys.stdout.write('[]')", Failure.ERROR),
        (f"sys.stdout.write({report(0, 0, errors=['Rule parse error'])!r})", Failure.ERROR),
        (f"sys.stdout.write({report(10_000, 5)!r})", Failure.ERROR),
        ("time.sleep(600)", Failure.TIMEOUT),
    ],
)
async def test_a_failing_engine_never_means_allowed(
    tmp_path: Path, script: str, reason: Failure
) -> None:
    seconds = 0.5 if reason is Failure.TIMEOUT else 30.0
    engine = scripted(tmp_path, script)
    guard = DeepInsecureCodeGuard(engine=engine, limits=Limits(seconds=seconds))
    panel = Panel([Seat(guard=guard, subjects=guard.subjects, deadline=60)])
    verdict = await panel.judge(exchange(REPLY))
    assert [failed.reason for failed in verdict.unscanned] == [reason]


async def test_a_process_ends_with_the_judgement_that_waits_for_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    script = f"import os; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    scanner = FlowScanner(scripted(tmp_path, script), Limits(seconds=60))
    run = asyncio.create_task(scanner.flows(CODE, Language.PYTHON))
    process = int(await asyncio.to_thread(started.read_text))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_code_the_engine_cannot_parse_is_no_failure(tmp_path: Path) -> None:
    engine = saying(tmp_path, report(0, 0, errors=["Syntax error"]))
    assert await FlowScanner(engine, Limits()).flows("x = (", Language.PYTHON) == []


async def test_too_much_code_is_not_judged(tmp_path: Path) -> None:
    scanner = FlowScanner(saying(tmp_path, FOUND), Limits(chars=10))
    with pytest.raises(FlowError, match="too long"):
        await scanner.flows(CODE, Language.PYTHON)
    guard = DeepInsecureCodeGuard(engine=saying(tmp_path, FOUND))
    verdict = await guard.judge(exchange("```ruby\nx\n```\n" * (MAX_BLOCKS + 1)))
    assert isinstance(verdict, Unscanned)
    assert verdict.reason is Failure.TOO_LONG


async def test_a_text_the_fast_tier_refuses_is_refused(tmp_path: Path) -> None:
    guard = DeepInsecureCodeGuard(engine=saying(tmp_path, FOUND))
    verdict = await guard.judge(exchange("x" * 2_000_001))
    assert isinstance(verdict, Unscanned)
    assert verdict.revision == guard.revision


def test_an_engine_that_is_not_there_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImportError, match="no program"):
        FlowScanner(tmp_path / "none", Limits())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="Semgrep"):
        find_engine()


def test_the_engine_is_found_beside_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages" / "semgrep" / "bin"
    (tmp_path / "bin").mkdir()
    packages.mkdir(parents=True)
    scripted(tmp_path / "bin", "").rename(tmp_path / "bin" / "semgrep")
    core = scripted(packages, "").rename(packages / "semgrep-core")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_engine() == core
    monkeypatch.setenv("PATH", str(packages))
    assert find_engine() == core


async def test_a_description_makes_either_tier(tmp_path: Path) -> None:
    scripted(tmp_path, "")
    async with open_upstreams() as upstreams:
        workshop = Workshop(upstreams=upstreams, clock=lambda: 0.0, deadline=3.0, environ={})

        def seat(name: str) -> Seat:
            raise AssertionError(name)

        making = Making(name="code", folder=tmp_path, workshop=workshop, seat=seat)
        fast = InsecureCodeDescription(kind="insecure_code").make(making)
        deep = InsecureCodeDescription(kind="insecure_code", tier="deep", engine="engine")
        assert isinstance(fast, InsecureCodeGuard)
        assert isinstance(deep.make(making), DeepInsecureCodeGuard)
        assert (fast.name, deep.make(making).name) == ("code", "code")


def test_taint_rules_are_whole() -> None:
    files, _ = flow_rules()
    assert set(files) == {"go", "java", "javascript", "php", "python"}
    ids = []
    for content in files.values():
        for rule in yaml.safe_load(content)["rules"]:
            *_, cwe, percent = rule["id"].split("-")
            assert int(cwe) > 0
            assert 50 <= int(percent) < 100
            assert rule["mode"] == "taint"
            assert rule["pattern-sources"]
            assert rule["pattern-sinks"]
            ids.append(rule["id"])
    assert len(ids) == len(set(ids)) >= 30


def installed() -> bool:
    try:
        find_engine()
    except ImportError:
        return False
    return True


@pytest.mark.skipif(not installed(), reason="Semgrep, which is optional, is not installed")
@pytest.mark.parametrize(
    ("language", "code", "label"),
    [
        (Language.PYTHON, 'n = request.args["n"]\nq = "select " + n\ndb.execute(q)\n', "CWE-89"),
        (Language.JAVASCRIPT, 'const n = req.query.n;\nexec("ls " + n);\n', "CWE-78"),
        (Language.TYPESCRIPT, "const n: string = req.query.n;\nres.redirect(n);\n", "CWE-601"),
        (
            Language.JAVA,
            (
                'class A { void f(HttpServletRequest r) { String q = r.getParameter("n");\n'
                'st.executeQuery("select " + q); } }'
            ),
            "CWE-89",
        ),
        (
            Language.GO,
            (
                "package a\nfunc f(w http.ResponseWriter, r *http.Request) {\n"
                'n := r.FormValue("n")\nos.Open(n)\n}\n'
            ),
            "CWE-22",
        ),
        (Language.PHP, '$n = $_GET["n"];\n$c = "ls " . $n;\nsystem($c);\n', "CWE-78"),
    ],
)
async def test_the_real_engine_follows_a_value(language: Language, code: str, label: str) -> None:
    scanner = FlowScanner(find_engine(), Limits(seconds=60))
    assert [flow.label for flow in await scanner.flows(code, language)] == [label]


@pytest.mark.skipif(not installed(), reason="Semgrep, which is optional, is not installed")
async def test_the_real_engine_knows_what_makes_a_value_safe() -> None:
    scanner = FlowScanner(find_engine(), Limits(seconds=60))
    code = 'n = int(request.args["n"])\nq = "select " + str(n)\ndb.execute(q)\n'
    assert await scanner.flows(code, Language.PYTHON) == []
    assert await scanner.flows("def f(:\n  x = (", Language.PYTHON) == []
