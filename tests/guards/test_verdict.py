"""What a finding may hold."""

import pytest

from guards.hazards import Hazard
from guards.verdict import Finding


@pytest.mark.parametrize("label", ["EMAIL", "CWE-89", "AWS_ACCESS_KEY", None])
def test_labels_are_short_codes(label: str | None) -> None:
    assert Finding(hazard=Hazard.SECRETS, probability=1.0, label=label).label == label


@pytest.mark.parametrize("label", ["", "bob@example.com", "Bob", "A" * 49, "A\n"])
def test_what_was_judged_is_no_label(label: str) -> None:
    with pytest.raises(ValueError, match="label must be"):
        Finding(hazard=Hazard.SECRETS, probability=1.0, label=label)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_is_one(probability: float) -> None:
    with pytest.raises(ValueError, match="probability must be"):
        Finding(hazard=Hazard.HATE, probability=probability)
