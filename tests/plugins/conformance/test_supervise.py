"""Conformance in processes of their own: it comes back whatever the plugin does."""

from pathlib import Path

import pytest

from plugins.conformance import Outcome, Script
from plugins.conformance.child import import_checks
from plugins.conformance.supervise import supervise
from plugins.conformance.watch import Sight
from plugins.source import Source
from tests.plugins.conformance import honest
from tests.plugins.isolation.conftest import bwrap

HEAD = """
from plugins.sdk import Manifest, Plugin, SideEffect, tool

@tool()
async def act() -> str:
    '''Do what the test is about.'''
    {body}
    return "done"

manifest = Manifest(name="{name}", version="1.0", description="A plugin of a test.",
                    side_effect=SideEffect.NONE)
plugin = Plugin(manifest=manifest, tools=(act,))
"""


def written(folder: Path, *, name: str = "bad", body: str = "pass", first: str = "") -> Source:
    (folder / "bad_plugin.py").write_text(first + HEAD.format(name=name, body=body))
    return Source(name="bad", entry="bad_plugin:plugin", paths=(folder,))


async def test_an_honest_plugin_passes_in_its_own_process() -> None:
    doing: list[str] = []
    script = Script(examples={"forecast": [{"city": "Oslo"}]})
    source = Source(name="honest", entry="honest:plugin", paths=(Path(honest.__file__).parent,))
    report = await supervise(source, script, doing=doing.append)
    assert report.failures == ()
    assert {"import.quiet", "import.quick", "isolation.opens"} <= {c.id for c in report.checks}
    assert doing[0] == "importing it"
    assert "forecast (city is a NUL)" in doing


@pytest.mark.parametrize(
    ("body", "silence", "detail"),
    [
        ("import time; time.sleep(60)", 1.0, "act (made from the schema, 1): blocks everything"),
        ("import os; os._exit(1)", 15.0, "act (made from the schema, 1): ended the whole process"),
    ],
    ids=["blocks", "ends"],
)
async def test_a_call_that_never_comes_back_is_named(
    tmp_path: Path, body: str, silence: float, detail: str
) -> None:
    report = await supervise(written(tmp_path, body=body), silence=silence)
    (check,) = report.failures
    assert check.id == "calls.answer"
    assert check.detail.startswith(detail)


async def test_what_is_done_at_import_is_found(tmp_path: Path) -> None:
    first = (
        "import socket, subprocess\n"
        "socket.socket(socket.AF_UNIX).connect_ex('/nowhere')\n"
        "try: subprocess.run(['true'])\n"
        "except OSError: pass\n"
    )
    report = await supervise(written(tmp_path, first=first))
    found = {check.id: check.detail for check in report.failures}
    assert set(found) == {"import.quiet"}
    assert "socket.connect at import" in found["import.quiet"]
    assert "subprocess.Popen at import" in found["import.quiet"]


def test_an_import_that_takes_long_is_found() -> None:
    quiet, quick = import_checks(Sight(), 0.6)
    assert (quiet.outcome, quick.outcome) == (Outcome.PASSED, Outcome.FAILED)
    assert quick.detail.startswith("takes 0.60 s of processor time")


async def test_a_plugin_that_changes_what_it_says_is_found(tmp_path: Path) -> None:
    source = written(tmp_path)
    path = tmp_path / "bad_plugin.py"
    changing = (
        "import secrets\nfrom dataclasses import replace\n"
        + HEAD.format(name="bad", body="pass")
        + "changed = replace(manifest, version='1.' + str(secrets.randbelow(10**9)))\n"
        "plugin = Plugin(manifest=changed, tools=(act,))\n"
    )
    path.write_text(changing)
    report = await supervise(source)
    (check,) = report.failures
    assert check.id == "isolation.opens"
    assert "the same always" in check.detail


@bwrap
async def test_a_plugin_that_is_tried_is_cut_off_from_the_machine(tmp_path: Path) -> None:
    witness = tmp_path.parent / "witness"
    body = f"import pathlib; pathlib.Path({str(witness)!r}).touch()"
    report = await supervise(written(tmp_path, body=body))
    assert "calls.plain" in {check.id for check in report.checks}, "it was called"
    assert not witness.exists(), "but wrote to a folder that only it can see"


@pytest.mark.parametrize(
    ("first", "name", "detail"),
    [
        ("raise RuntimeError('no')", "bad", "cannot be imported: RuntimeError: no"),
        ("", "other", "its manifest calls it 'other'"),
    ],
)
async def test_what_cannot_be_imported_says_why(
    tmp_path: Path, first: str, name: str, detail: str
) -> None:
    report = await supervise(written(tmp_path, name=name, first=first))
    (check,) = report.checks
    assert (check.id, check.outcome) == ("import.works", Outcome.FAILED)
    assert detail in check.detail
