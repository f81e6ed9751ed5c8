"""``docs/reference/http.md`` says what the application does."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import assistant.api
from assistant import errors
from assistant.api.answers import (
    Approval,
    ChatCompletion,
    Choice,
    CorralAnswer,
    Error,
    JudgementResult,
    ModerationResult,
    Ready,
)
from assistant.api.app import build_app
from assistant.api.approval_request import ApprovalRequest
from assistant.api.chat_request import (
    DEFAULTS_ONLY,
    HARMLESS_FIELDS,
    ChatRequest,
    CorralOptions,
)
from assistant.api.failures import translate
from assistant.api.gate import OPEN_PATHS
from assistant.api.judge_request import JudgeRequest
from assistant.api.metrics import Metrics
from assistant.api.moderation_request import ModerationRequest
from assistant.api.preview_request import PreviewRequest
from assistant.api.previews import Preview
from assistant.api.tool_list import Tool
from policies.moderation import CATEGORIES
from tests.assistant.api import scripted
from tests.assistant.api.scripted import ScriptedOrchestrator
from tests.assistant.api.serving import local_client

PAGE = (Path(__file__).parents[3] / "docs/reference/http.md").read_text()
SOURCE = Path(assistant.api.__path__[0])
AT_START = (
    errors.SettingsError,
    errors.ModelUnavailableError,
    errors.EngineStartError,
    errors.PluginStartError,
)
"""Raised before anything is served, so never answered."""


def section(title: str) -> str:
    """The page's part under ``title``, up to the next of its rank or above."""
    head = re.search(rf"^(#+) {re.escape(title)}$", PAGE, re.MULTILINE)
    assert head, title
    rest = PAGE[head.end() :]
    end = re.search(rf"^#{{1,{len(head[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_cells(text: str) -> set[str]:
    """The code words of each table row's first cell."""
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def documented_codes() -> set[tuple[int, str]]:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", section("Errors"), re.MULTILINE)
    return {(int(status), code) for status, code in rows}


def family(kind: type[errors.CorralError]) -> Iterator[type[errors.CorralError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


def translated_codes() -> set[tuple[int, str]]:
    found = set()
    for kind in family(errors.CorralError):
        if not issubclass(kind, AT_START):
            error = kind("x", field="f") if issubclass(kind, errors.InvalidTurnError) else kind("x")  # type: ignore[call-arg]
            answer = translate(error)
            found.add((answer.status, answer.code))
    return found


def literal(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def raised_codes() -> set[tuple[int, str]]:
    """Status and code of every error the package's source makes with literals."""
    found: set[tuple[object, object]] = {(400, "invalid_request")}
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            named = {keyword.arg: literal(keyword.value) for keyword in node.keywords}
            first = [literal(argument) for argument in node.args[:2]]
            match node.func.id:
                case "ApiError" if len(first) == 2:
                    found.add((first[0], first[1]))
                case "invalid" if "code" in named:
                    found.add((400, named["code"]))
                case "_forbidden":
                    found.add((403, first[0]))
                case _:
                    pass
    found |= {(404, "not_found"), (405, "method_not_allowed")}
    return {(s, c) for s, c in found if isinstance(s, int) and isinstance(c, str)}


def test_every_error_code_is_documented_with_its_status() -> None:
    assert documented_codes() == translated_codes() | raised_codes()


def test_every_path_is_documented_with_its_key() -> None:
    app = build_app(scripted.assistant(ScriptedOrchestrator(())))
    described = {
        (method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item
    }
    table = PAGE.partition("## Who is served")[0]
    rows = re.findall(r"^\| (\w+) \| \[?`([^`]+)`.*?\| (yes|no) \|", table, re.MULTILINE)
    assert {(method, path) for method, path, _ in rows} == described | {("GET", "/docs")}
    unlocked = {path for _, path, needed in rows if needed == "no"}
    assert unlocked | {"/openapi.json"} == OPEN_PATHS


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Request", set(ChatRequest.model_fields)),
        ("The `corral` field", set(CorralOptions.model_fields)),
        ("Reply", set(CorralAnswer.model_fields)),
        ("Moderations", {*ModerationRequest.model_fields, *ModerationResult.model_fields}),
        ("Approvals", {*Approval.model_fields, *ApprovalRequest.model_fields}),
        ("Tools", set(Tool.model_fields)),
        ("Image previews", {*PreviewRequest.model_fields, *Preview.model_fields}),
        ("Judge", {*JudgeRequest.model_fields, *JudgementResult.model_fields}),
    ],
)
def test_every_field_is_documented(title: str, names: set[str]) -> None:
    assert names <= first_cells(section(title))


def test_no_field_is_documented_that_does_not_exist() -> None:
    request = section("Request").partition("####")[0]
    assert first_cells(request) == set(ChatRequest.model_fields)
    assert first_cells(section("The `corral` field")) == set(CorralOptions.model_fields)
    assert first_cells(section("Reply")) == set(CorralAnswer.model_fields)


def test_every_field_treated_specially_is_named() -> None:
    words = set(re.findall(r"`([a-z_]+)`", section("Request")))
    assert words >= HARMLESS_FIELDS | set(DEFAULTS_ONLY)


def test_every_category_is_documented_with_its_hazards() -> None:
    rows = re.findall(r"^\| `([a-z/-]+)` \| (none|`.*`) \|$", section("Moderations"), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", hazards)) for name, hazards in rows}
    assert documented == {
        name: {hazard.value for hazard in hazards} for name, hazards in CATEGORIES.items()
    }


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = re.findall(
        r"^\| `(corral_\w+)` \| (\w+) \| (.*?) ?\| ", section("Metrics"), re.MULTILINE
    )
    documented = {
        (name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    metrics = Metrics(CollectorRegistry())
    described = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family_,) = metric.describe()
            name = family_.name + ("_total" if family_.type == "counter" else "")
            described.add((name, family_.type, frozenset(metric._labelnames)))
    assert documented == described


SHOWN = re.findall(r"curl \S+(/v1/\S+)[^`]*?-d '(\{.*\})'", PAGE)


@pytest.mark.parametrize(("path", "command"), SHOWN)
async def test_the_requests_shown_are_answered(path: str, command: str) -> None:
    app = build_app(scripted.assistant(ScriptedOrchestrator(scripted.say("x"))))
    async with local_client(app) as client:
        response = await client.post(path, json=json.loads(command))
    assert response.status_code == 200


def test_the_answers_shown_have_their_shape() -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    for answer in shown:
        match answer:
            case {"object": "chat.completion"}:
                ChatCompletion.model_validate(answer)
            case {"message": _}:
                Choice.model_validate(answer)
            case {"parts": _}:
                Ready.model_validate(answer)
            case {"error": _}:
                Error.model_validate(answer)
            case _:
                pytest.fail("an answer of no shape that is served")
    assert len(shown) == 4
