"""Judgements on disk."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.evaluate.journal import NAME, Journal, JournalError, read_journal
from guards.evaluate.judged import FoundSpan, Judged
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Span, Unscanned, Verdict

probabilities = st.floats(0, 1).map(lambda p: round(p, 6))
spans = st.tuples(st.integers(0, 99), st.integers(1, 99)).map(
    lambda pair: Span(start=pair[0], end=sum(pair))
)
judgements = st.builds(
    Judged,
    row=st.text("0123456789abcdef", min_size=32, max_size=32),
    guard=st.sampled_from(["one", "two"]),
    revision=st.just("1"),
    elapsed=st.floats(0, 10).map(lambda s: round(s, 6)),
    probabilities=st.dictionaries(st.sampled_from(Hazard), probabilities),
    spans=st.lists(
        st.builds(FoundSpan, hazard=st.sampled_from(Hazard), probability=probabilities, span=spans)
    ).map(tuple),
    score=st.none() | probabilities,
) | st.builds(
    Judged,
    row=st.just("0" * 32),
    guard=st.just("one"),
    revision=st.just("1"),
    elapsed=st.just(0.5),
    failure=st.sampled_from(Failure),
)


def one(row: str = "a", **fields: object) -> Judged:
    standard = {"guard": "g", "revision": "1", "elapsed": 0.1, "probabilities": {Hazard.HATE: 0.5}}
    return Judged(row=row, **(standard | fields))  # type: ignore[arg-type] # a test's shorthand


@given(st.lists(judgements, max_size=8))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[Judged]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder) as journal:
        for judged in written:
            journal.add(judged)
    latest = {(j.row, j.guard, j.revision): j for j in written}
    assert read_journal(folder) == latest
    with Journal(folder) as journal:
        for key, judged in latest.items():
            assert journal.judged(*key) == judged
            assert journal.verdict(*key) == (None if judged.failure else judged)


@given(st.integers(0, 400))
def test_a_tail_that_was_cut_is_dropped(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("journal")
    rows = [one(str(n)) for n in range(4)]
    with Journal(folder) as journal:
        for judged in rows:
            journal.add(judged)
    path = folder / NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with Journal(folder) as journal:
        assert [journal.verdict(str(n), "g", "1") is not None for n in range(4)] == [
            n < kept for n in range(4)
        ]
        journal.add(rows[3])
    assert len(path.read_bytes().splitlines()) == kept + 1
    assert len(read_journal(folder)) == min(kept + 1, 4)


def test_another_revision_is_another_judgement(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(one(revision="1"))
        assert journal.verdict("a", "g", "2") is None
        assert journal.verdict("a", "h", "1") is None


def test_fresh_forgets(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(one())
    with Journal(tmp_path, fresh=True) as journal:
        assert journal.verdict("a", "g", "1") is None
    assert (tmp_path / NAME).read_bytes() == b""


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalError, match="another run"), Journal(tmp_path):
        pass
    with Journal(tmp_path):
        pass


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"row": "a"}'])
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    with Journal(tmp_path) as journal:
        journal.add(one())
    with (tmp_path / NAME).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(JournalError, match="line 2 is not a judgement; --fresh begins anew"):
        Journal(tmp_path).__enter__()
    with pytest.raises(JournalError, match="line 2"):
        read_journal(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / "file").__enter__()
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "absent")


def test_the_highest_probability_of_a_hazard_is_kept_with_every_span() -> None:
    span = Span(start=0, end=2)
    verdict = Verdict(
        guard="inside",
        revision="inside-1",
        findings=(
            Finding(hazard=Hazard.SECRETS, probability=0.2, span=span),
            Finding(hazard=Hazard.SECRETS, probability=0.7, span=span),
            Finding(hazard=Hazard.HATE, probability=0.1),
        ),
        elapsed=0.25,
        score=0.9,
    )
    judged = Judged.of("a", verdict, guard="asked", revision="asked-1")
    assert (judged.guard, judged.revision) == ("asked", "asked-1")
    assert judged.probabilities == {Hazard.SECRETS: 0.7, Hazard.HATE: 0.1}
    assert [found.probability for found in judged.spans] == [0.2, 0.7]
    assert judged.score_for() == 0.9
    assert judged.score_for({Hazard.HATE, Hazard.ELECTIONS}) == 0.1
    assert judged.score_for({Hazard.ELECTIONS}) == 0.0


def test_a_failure_has_no_score() -> None:
    unscanned = Unscanned(
        guard="g", revision="1", reason=Failure.NONSENSE, detail="words", elapsed=0.1
    )
    judged = Judged.of("a", unscanned, guard="g", revision="1")
    assert judged.failure is Failure.NONSENSE
    assert "words" not in str(judged.as_json())
    with pytest.raises(ValueError, match="no score"):
        judged.score_for()
