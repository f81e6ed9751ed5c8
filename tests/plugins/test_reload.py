"""Changes of files are noticed, with ``watchfiles`` and without."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from plugins import reload


async def next_of(changes: AsyncGenerator[frozenset[Path]], *edits: Path) -> frozenset[Path]:
    """What is noticed while ``edits`` are written again and again until something is."""
    waiting = asyncio.ensure_future(anext(changes))
    number = 0
    async with asyncio.timeout(20):
        while not waiting.done():
            number += 1
            for path in edits:
                path.write_text(str(number))
            await asyncio.wait((waiting,), timeout=0.05)
    return waiting.result()


@pytest.mark.parametrize("installed", [True, False])
async def test_changed_code_is_noticed_and_other_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        monkeypatch.setattr(reload.importlib.util, "find_spec", lambda _: None)
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    code = tmp_path / "code.py"
    async with aclosing(reload.changes([tmp_path], poll=0.01)) as changes:
        seen = await next_of(changes, code, tmp_path / "note.txt", cache / "code.py")
    assert seen == {code}


async def test_files_that_go_are_noticed(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("1")
    looked = asyncio.Event()
    async with aclosing(reload.polled([tmp_path], 0.01)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        while not looked.is_set():
            done, _ = await asyncio.wait((waiting,), timeout=0.05)
            assert not done
            looked.set()
        code.unlink()
        assert await waiting == {code}
