"""What of a folder is read, and what never is."""

import os
from pathlib import Path

import pytest

from plugins.index.files import MOST_DEPTH, File, Skipped, content, listed
from plugins.index.reading import MOST_BYTES, UnreadableError


def paths(root: Path) -> list[str]:
    return sorted(entry.path for entry in listed(root) if isinstance(entry, File))


def skipped(root: Path) -> dict[str, str]:
    return {entry.path: entry.reason for entry in listed(root) if isinstance(entry, Skipped)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.md").write_text("A")
    (folder / "deep" / "er" / "B.TXT").write_text("B")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.md").write_text("no")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.md").write_text("no")
    (tmp_path / "secret.md").write_text("secret")
    return folder


def test_documents_are_found_in_folders_below(root: Path) -> None:
    assert paths(root) == ["a.md", "deep/er/B.TXT"]
    assert content(root, "deep/er/B.TXT") == b"B"


def test_links_within_the_folder_are_followed_and_no_others(root: Path) -> None:
    (root / "again.md").symlink_to("a.md")
    (root / "out.md").symlink_to("../secret.md")
    (root / "loop").symlink_to(root)
    (root / "gone.md").symlink_to("nowhere.md")
    (root / "up").symlink_to("..")
    assert paths(root) == ["a.md", "again.md", "deep/er/B.TXT"]
    assert skipped(root) == {
        "out.md": "is a link that leads out of the folder",
        "gone.md": "cannot be read",
    }
    assert content(root, "again.md") == b"A"


@pytest.mark.parametrize("path", ["out.md", "../secret.md", "up/secret.md", "pipe.md", "no.md"])
def test_what_leads_out_is_not_read_even_when_it_is_asked_for(root: Path, path: str) -> None:
    (root / "out.md").symlink_to("../secret.md")
    (root / "up").symlink_to("..")
    os.mkfifo(root / "pipe.md")
    with pytest.raises(UnreadableError):
        content(root, path)


def test_pipes_and_large_files_are_noted(root: Path) -> None:
    os.mkfifo(root / "pipe.md")
    with (root / "large.md").open("wb") as large:
        large.truncate(MOST_BYTES + 1)
    assert skipped(root) == {"pipe.md": "is no file", "large.md": "is too large"}
    with pytest.raises(UnreadableError):
        content(root, "large.md")


def test_a_name_that_is_not_utf8_is_noted(root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.md"))).write_text("x")
    assert list(skipped(root).values()) == ["has a name that is not UTF-8"]


def test_folders_end_somewhere(root: Path) -> None:
    deep = root
    for _ in range(MOST_DEPTH + 2):
        deep = deep / "d"
        deep.mkdir()
    (deep / "bottom.md").write_text("x")
    assert "bottom.md" not in {path.rpartition("/")[2] for path in paths(root)}


def test_a_folder_that_is_gone_is_an_error(root: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list(listed(root / "gone"))
