"""Which hazard a data set's own category means."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from guards.hazards import Hazard, UnknownHazardError, from_mlcommons


def hazard_of(category: str, mapping: Mapping[str, Hazard]) -> Hazard | None:
    """The hazard ``category`` means: by ``mapping``, or because it is a hazard's own name or code.

    The mapping's names may hold ``*``; a name that fits exactly comes first, then the first one
    that fits. Hazards are compared without regard to case, ``-`` and spaces; codes are S1 to S14.
    ``None`` when nothing says what it means: such rows count as harmful without a hazard.
    """
    if category in mapping:
        return mapping[category]
    for pattern, hazard in mapping.items():
        if "*" in pattern and fnmatchcase(category, pattern.replace("[", "[[]")):
            return hazard
    name = category.strip().lower().replace("-", "_").replace(" ", "_")
    try:
        return Hazard(name)
    except ValueError:
        pass
    try:
        return from_mlcommons(name.upper())
    except UnknownHazardError:
        return None
