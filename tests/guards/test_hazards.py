"""The closed list of hazards and its MLCommons codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.hazards import MLCOMMONS, Hazard, UnknownHazardError, from_mlcommons, mlcommons_code


def test_the_codes_are_s1_to_s14_in_order() -> None:
    assert [from_mlcommons(f"S{n}") for n in range(1, 15)] == list(MLCOMMONS)
    assert from_mlcommons("S1") is Hazard.VIOLENT_CRIMES
    assert from_mlcommons("S11") is Hazard.SELF_HARM
    assert from_mlcommons("S14") is Hazard.CODE_INTERPRETER_ABUSE


def test_codes_and_hazards_map_both_ways() -> None:
    for hazard in Hazard:
        code = mlcommons_code(hazard)
        assert (code is None) == (hazard not in MLCOMMONS)
        if code is not None:
            assert from_mlcommons(code) is hazard


@pytest.mark.parametrize(
    "code", ["", "S", "S0", "S15", "s1", "S01", "S1 ", "S²", "1", "SS1", "S-1"]
)
def test_i2_an_unknown_code_is_an_error(code: str) -> None:
    with pytest.raises(UnknownHazardError):
        from_mlcommons(code)


@given(st.text(max_size=5))
def test_i2_nothing_but_the_codes_maps(code: str) -> None:
    if code not in {f"S{n}" for n in range(1, 15)}:
        with pytest.raises(UnknownHazardError):
            from_mlcommons(code)
