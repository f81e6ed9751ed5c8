"""No two sessions share a key, whatever their ids are (I11)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.memory.keys import SessionKeys, digest
from assistant.turn import SessionKey

ids = st.text(st.sampled_from("ab:{}\0 \ud800") | st.characters(codec=None), max_size=4)
session_keys = st.builds(SessionKey, tenant=ids, user=ids, session=ids)


@settings(deadline=None)
@given(session_keys, session_keys)
def test_different_sessions_have_different_keys(one: SessionKey, other: SessionKey) -> None:
    assert (SessionKeys.of(one) == SessionKeys.of(other)) is (one == other)


@settings(deadline=None)
@given(st.lists(ids, max_size=4), st.lists(ids, max_size=4))
def test_no_list_of_parts_can_pose_as_another(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) is (one == other)


@settings(deadline=None)
@given(session_keys, ids)
def test_all_keys_share_one_hash_tag_and_hold_no_id(key: SessionKey, turn: str) -> None:
    names = SessionKeys.of(key)
    every = [names.lock, names.meta, names.history, names.quarantine, names.answer(turn)]
    assert len(set(every)) == 5
    tags = {name[name.index("{") + 1 : name.index("}")] for name in every}
    assert tags == {digest(key.tenant, key.user, key.session)}


@settings(deadline=None)
@given(session_keys, ids, ids)
def test_answers_of_different_turns_have_different_keys(
    key: SessionKey, one: str, other: str
) -> None:
    names = SessionKeys.of(key)
    assert (names.answer(one) == names.answer(other)) is (one == other)
