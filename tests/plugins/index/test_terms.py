"""Terms, and queries made of them."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.index.match import match_query
from plugins.index.terms import MOST_KEYWORDS, is_wide, keywords, stem, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thirty days' leave", ["thirty", "days", "leave"]),
        ("Ｆｕｌｌ ＷＩＤＴＨ", ["full", "width"]),
        ("snake_case", ["snake", "case"]),
        ("机器学习", ["机器", "器学", "学习", "习"]),
        ("日本", ["日本", "本"]),
        ("用Redis缓存", ["用", "redis", "缓存", "存"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("", []),
    ],
)
def test_text_falls_into_terms(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_every_character_of_a_run_begins_a_term() -> None:
    found = tokens("个人所得税")
    assert all(any(term.startswith(each) for term in found) for each in "个人所得税")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I redact personal data?", ("redact", "personal", "data")),
        ("Wie lange dauert die Elternzeit?", ("lange", "dauert", "elternzeit")),
        ("请问年假有多少天？", ("年假", "假有")),
        ("the", ("the",)),
        ("leave leave LEAVE", ("leave",)),
        ("?!", ()),
    ],
)
def test_a_question_is_about_its_keywords(question: str, expected: tuple[str, ...]) -> None:
    assert keywords(question)[: len(expected)] == expected


def test_a_question_has_only_so_many_keywords() -> None:
    assert len(keywords(" ".join(f"term{n}" for n in range(500)))) == MOST_KEYWORDS


def test_forms_of_a_word_share_a_stem() -> None:
    assert stem("holidays") == stem("holiday")
    assert stem("verfügbar") == stem("verfugbarkeit")
    assert stem("机器") == "机器"


@pytest.fixture(scope="module")
def words() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    connection.execute("INSERT INTO words VALUES ('holiday')")
    return connection


@given(question=st.text(max_size=200))
def test_no_question_is_a_query_of_its_own(words: sqlite3.Connection, question: str) -> None:
    query = match_query(keywords(question))
    if query:
        words.execute("SELECT rowid FROM words WHERE words MATCH ?", (query,)).fetchall()
    assert all(is_wide(term) or "_" not in term for term in keywords(question))


@pytest.mark.parametrize(
    "question",
    ['holi" OR "', "text : holiday", "NEAR(a b)", "a* AND NOT holiday", "^holiday", "{text}: -x"],
)
def test_operators_of_the_index_are_words(words: sqlite3.Connection, question: str) -> None:
    query = match_query(keywords(question))
    words.execute("SELECT rowid FROM words WHERE words MATCH ?", (query,)).fetchall()
    assert query.count('"') % 2 == 0


def test_a_quote_in_a_term_stays_in_it() -> None:
    assert match_query(['a"b']) == '"a""b"'


def test_longer_words_find_what_begins_alike(words: sqlite3.Connection) -> None:
    found = words.execute("SELECT 1 FROM words WHERE words MATCH ?", (match_query(["holidays"]),))
    assert found.fetchone() == (1,)
