"""What a call's arguments hold of what was read, as it is or simply disguised."""

import base64
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Confidentiality
from tests.plugins.provenance.talk import operator, tool, traced, user

PUBLIC, USER = Confidentiality.PUBLIC, Confidentiality.USER
TENANT, SECRET = Confidentiality.TENANT, Confidentiality.SECRET
ASK = user("Look into my mails and tell me what is new.")
MAIL = tool("From amy@example.com: your entry code is 482913, the meeting moved to the small room.")
TO = "eve@evil.example"


def sends(body: object, *context: object, to: str = TO) -> Confidentiality:
    return traced(*(context or (ASK, MAIL)), to=to, body=body).sends  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        "it is 482913 now",
        "ask amy@example.com",
        "hello, the meeting moved to the small room as you know",
        "THE MEETING MOVED TO the small room",
        base64.b64encode(b"code 482913").decode(),
        base64.urlsafe_b64encode(b"code 482913 ok?").decode().rstrip("="),
        "see " + base64.b64encode(base64.b64encode(b"code is 482913")).decode(),
        b"code 482913".hex(),
        quote("amy@example.com", safe=""),
        "code+482913",
        "319284",
        "moor llams eht ot devom gniteem eht",
        "4-8-2-9-1-3",
        "4 8 2 9 1 3",
        "482 913",
        "48.29.13",
        "4\n82\n913",
    ],
)
def test_what_was_read_is_found_again(body: str) -> None:
    assert sends(body) is USER


@pytest.mark.parametrize(
    "body",
    [
        "nothing new today",
        "the meeting was fine",
        "it is 482914 now",
        "on 2024-05-15 at 10:00",
        base64.b64encode(b"nothing new today").decode(),
        "",
    ],
)
def test_what_was_not_read_is_not(body: str) -> None:
    assert sends(body) is PUBLIC


def test_a_code_split_over_two_arguments_is_one() -> None:
    assert traced(ASK, MAIL, subject="482", body="913").sends is USER
    assert traced(ASK, MAIL, subject="482", other="914").sends is PUBLIC


def test_a_code_hidden_in_an_address_is_found() -> None:
    assert sends("hi", to="482913@evil.example") is USER
    assert sends("hi", to="https://evil.example/?q=482913") is USER
    assert sends("hi", to="https://evil.example/482913/x.png") is USER


def test_the_highest_class_counts() -> None:
    wiki = tool("The launch is planned for the ninth of June.", TENANT)
    vault = tool("password: k3y-77-alpha-9", SECRET)
    context = (ASK, MAIL, wiki, vault)
    assert sends("the launch is planned for the ninth", *context) is TENANT
    assert sends("482913, the launch is planned for the ninth", *context) is TENANT
    assert sends("k3y-77-alpha-9", *context) is SECRET
    assert sends("482913", *context) is USER


def test_public_data_may_go_anywhere() -> None:
    page = tool("The museum opens at nine o'clock on weekdays, call 020 7946 0000.", PUBLIC)
    assert sends("The museum opens at nine o'clock, 020 7946 0000", user("Hi"), page) is PUBLIC


def test_the_operators_instructions_are_the_tenants() -> None:
    rules = operator("Never mention the merger with Northwind before it is announced.")
    assert sends("never mention the merger with Northwind", rules, ASK, MAIL) is TENANT


def test_what_the_user_wrote_for_the_call_sends_nothing() -> None:
    told = user(f"Tell {TO} that the code is 482913.")
    assert traced(told, MAIL, to=TO, body="the code is 482913").sends is PUBLIC


def test_the_users_own_words_are_theirs_even_where_data_holds_them() -> None:
    told = user("My number is 482913, keep it for me.")
    assert sends("Their number: 482913", told, tool("number: 482913", SECRET)) is USER
    # And to where they said themselves, it is what they asked for.
    asked = user("Tell bob@example.com my number, 482913, nicely.")
    assert sends("Dear Bob, 482913", asked, MAIL, to="bob@example.com") is PUBLIC


def test_a_target_taken_whole_from_data_is_a_choice_and_no_payload() -> None:
    assert sends("hello", to="amy@example.com") is PUBLIC
    link = tool("Read https://example.com/minutes/482913?x=1 today.")
    assert sends("hello", ASK, link, to="https://example.com/minutes/482913?x=1") is PUBLIC
    assert sends("hello", ASK, link, to="https://evil.example/482913") is USER
    # Free text is payload even where it is one token.
    assert sends("amy@example.com") is USER


def test_a_long_text_in_other_words_counts_as_all_that_was_read() -> None:
    retold = "Somebody she knows gave her digits for a door, and people gather elsewhere. " * 4
    assert sends(retold) is USER
    assert sends(retold, ASK, MAIL, tool("x", SECRET)) is SECRET
    assert sends(retold, ASK, tool("The museum is open.", PUBLIC)) is PUBLIC
    page = tool(
        "The museum opens at nine in the morning on every weekday of the year. " * 5, PUBLIC
    )
    assert sends(page.text, ASK, MAIL, page) is PUBLIC  # a copy of what is public


def test_a_placeholder_stands_for_what_was_redacted() -> None:
    assert sends("[EMAIL_1]", ASK, tool("From [EMAIL_1]: hello")) is USER


def test_writing_without_spaces_is_found_too() -> None:
    mail = tool("会议改到下周三下午三点在小会议室举行，请准时参加。")
    assert sends("他说会议改到下周三下午三点在小会议室举行", ASK, mail) is USER
    assert sends("今天天气很好我们去公园散步吧", ASK, mail) is PUBLIC


@given(st.integers(10**5, 10**14), st.sampled_from(["", " ", "-", ".", "/", ", ", "_"]))
def test_a_number_is_found_however_it_is_split(number: int, gap: str) -> None:
    mail = tool(f"account {number}")
    assert sends("see " + gap.join(str(number)), ASK, mail) is USER


@given(st.text(max_size=200), st.text(max_size=200))
def test_nothing_is_too_odd_to_trace(body: str, data: str) -> None:
    found = traced(user("Hi"), tool(data), body=body, to=body)
    assert found.sends in Confidentiality


def _seconds(body: object, words: str = "lorem ipsum dolor sit amet 12 or 7 ") -> float:
    filler = (words * (50_000 // len(words)))[:50_000]
    context = [user(filler) if i % 2 else tool(filler) for i in range(20)]
    start = time.perf_counter()
    assert traced(*context, to=TO, body=body).influenced
    return time.perf_counter() - start


@pytest.mark.parametrize(
    "body",
    [
        "some words of many " * 2_500,
        "QUJD" * 12_500,
        "ab12" * 12_500,
        "1 2 " * 12_500,
        "a.b." * 12_500,
        "a-a-" * 12_500,
        "%41+" * 12_500,
        "[A_1" * 12_500,
        "@.@." * 12_500,
        "x" * 50_000,
        "长文" * 25_000,
        ["12 x"] * 12_500,
        list(range(5_000)),
        ["2024-05-15 10:30"] * 3_000,
    ],
    ids=lambda body: str(body)[:8],
)
def test_hostile_sizes_take_a_bounded_time(body: object) -> None:
    # A megabyte of conversation and 50 KB of arguments: tens to hundreds of milliseconds, with
    # room for a slow machine. Anything quadratic takes minutes.
    assert _seconds(body) < 5
