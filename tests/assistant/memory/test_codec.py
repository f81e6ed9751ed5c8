"""Messages and answers come back exactly as they were, and nothing else comes back at all."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import MemoryUnavailableError
from assistant.events import FinishReason
from assistant.memory.codec import (
    UnreadableRecordError,
    decode_answer,
    decode_messages,
    decode_placeholders,
    encode_answer,
    encode_message,
    encode_placeholders,
)
from assistant.memory.protocol import Answer
from guards.conversation import (
    Confidentiality,
    ImagePart,
    Integrity,
    Message,
    Provenance,
    Role,
    Source,
    TextPart,
    ToolCall,
)
from policies.placeholders import Placeholder
from tests.assistant.memory.samples import answer, said

# Every code point there is, lone surrogates and noncharacters too.
texts = st.text(st.characters(codec=None, categories=None) | st.sampled_from("\ud800\udfff\0é𝄞"))
messages = st.builds(
    Message,
    id=texts,
    role=st.sampled_from(Role),
    parts=st.lists(st.builds(TextPart, text=texts) | st.builds(ImagePart, url=texts)).map(tuple),
    provenance=st.builds(
        Provenance,
        source=st.sampled_from(Source),
        integrity=st.sampled_from(Integrity),
        confidentiality=st.sampled_from(Confidentiality),
    ),
    tool_calls=st.lists(st.builds(ToolCall, id=texts, name=texts, arguments=texts)).map(tuple),
    tool_call_id=st.none() | texts,
)
answers = st.builds(
    Answer,
    text=texts,
    reason=st.sampled_from(FinishReason),
    log_id=texts,
    decision=texts,
    clause=st.none() | texts,
    calls=st.lists(st.builds(ToolCall, id=texts, name=texts, arguments=texts)).map(tuple),
)


@settings(deadline=None)
@given(st.lists(messages, max_size=3))
def test_messages_come_back_exactly(sent: list[Message]) -> None:
    data = b"[" + b",".join(map(encode_message, sent)) + b"]"
    received = decode_messages(data)
    assert received == tuple(sent)
    assert [message.text for message in received] == [message.text for message in sent]


@settings(deadline=None)
@given(answers)
def test_answers_come_back_exactly(sent: Answer) -> None:
    assert decode_answer(encode_answer(sent)) == sent


placeholders = st.builds(
    Placeholder,
    template=st.text(max_size=9),
    number=st.integers(0, 2000),
    digest=st.text(max_size=9),
    value=st.none() | st.text(st.characters(), max_size=9),
)


@settings(deadline=None)
@given(st.lists(placeholders, max_size=4).map(tuple))
def test_placeholders_come_back_exactly(sent: tuple[Placeholder, ...]) -> None:
    assert decode_placeholders(encode_placeholders(sent)) == sent


@pytest.mark.parametrize(
    "entries", [1, ["secret of a user"], [["t", "1", "d", None]], [["t", 1, "d", 2]], [["t"]]]
)
def test_damaged_placeholders_are_an_error_that_quotes_nothing(entries: object) -> None:
    with pytest.raises(UnreadableRecordError) as raised:
        decode_placeholders(orjson.dumps({"v": 1, "placeholders": entries}))
    assert "secret" not in str(raised.value)


def test_two_lone_surrogates_do_not_become_one_character() -> None:
    sent = said("\ud83d\ude00")
    assert decode_messages(b"[" + encode_message(sent) + b"]") == (sent,)


def test_a_record_is_small_and_can_be_read_by_people() -> None:
    data = encode_message(said("Grüße"))
    assert "Grüße".encode() in data
    assert b"\n" not in data
    assert len(data) < 100


def test_an_unknown_version_says_so() -> None:
    record = orjson.loads(encode_message(said("x")))
    data = orjson.dumps([record | {"v": 2}])
    with pytest.raises(UnreadableRecordError, match="another version of Corral"):
        decode_messages(data)
    assert issubclass(UnreadableRecordError, MemoryUnavailableError)


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    ).map(orjson.dumps)
)
def test_nonsense_is_an_error_and_not_a_crash(data: bytes) -> None:
    if data != b"[]":
        with pytest.raises(UnreadableRecordError):
            decode_messages(data)
    with pytest.raises(UnreadableRecordError):
        decode_answer(data)
    with pytest.raises(UnreadableRecordError):
        decode_placeholders(data)


@pytest.mark.parametrize("field", ["id", "role", "by", "text"])
@pytest.mark.parametrize(
    "value", [None, 1, "secret of a user", [], ["a"], ["a", "b", "c"], {"secret": "of a user"}]
)
def test_a_damaged_field_is_an_error_that_quotes_nothing(field: str, value: object) -> None:
    record = orjson.loads(encode_message(said("x"))) | {field: value}
    if isinstance(value, str) and field in {"id", "text"}:
        return
    with pytest.raises(UnreadableRecordError) as caught:
        decode_messages(orjson.dumps([record]))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "damage",
    [{"parts": [["sound", "x"]], "text": None}, {"calls": [["a"]]}, {"calls": 7}, {"call": 7}],
)
def test_damaged_parts_and_calls_are_errors(damage: dict[str, object]) -> None:
    record = orjson.loads(encode_message(said("x"))) | damage
    if "parts" in damage:
        del record["text"]
    with pytest.raises(UnreadableRecordError):
        decode_messages(orjson.dumps([record]))


@pytest.mark.parametrize("damage", [{"reason": "bored"}, {"text": 1}, {"log": None}, {"clause": 1}])
def test_a_damaged_answer_is_an_error(damage: dict[str, object]) -> None:
    record = orjson.loads(encode_answer(answer())) | damage
    with pytest.raises(UnreadableRecordError):
        decode_answer(orjson.dumps(record))


def test_text_that_claims_to_be_byte_points_and_is_not_is_an_error() -> None:
    record = orjson.loads(encode_message(said("\ud800"))) | {"text": "€"}
    with pytest.raises(UnreadableRecordError):
        decode_messages(orjson.dumps([record]))
