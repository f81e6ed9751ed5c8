"""Overlapping windows over a text, the same for a text and for the same text grown longer."""

UNIT = 160
"""Characters of a unit; a window is two units, and windows overlap by one."""

_WIDE_UNIT = 72
_BOUNDARIES = ("\n", ". ", "! ", "? ", "。", "！", "？", "； ", "; ", ", ", "，", " ")


def windows(text: str) -> list[str]:
    """The windows of :func:`placed` as texts."""
    return [text[start:end] for start, end in placed(text)]


def placed(text: str) -> list[tuple[int, int]]:
    """Cut normalised ``text`` into windows of about two sentences, each overlapping the next.

    A short text is one window. Units close only on what stands before their end, so when a text
    grows, all windows but the last two stay as they were. In scripts that write a word in a
    character or two, units are shorter.
    """
    ends = [0]
    while ends[-1] < len(text):
        ends.append(_unit_end(text, ends[-1]))
    if len(ends) <= 3:
        return [(0, len(text))]
    return [(ends[i], ends[i + 2]) for i in range(len(ends) - 2)]


def _unit_end(text: str, start: int) -> int:
    piece = text[start : start + UNIT]
    size = _WIDE_UNIT if len(piece.encode("utf-8", "surrogatepass")) > 2 * len(piece) else UNIT
    if len(text) - start <= size:
        return len(text)
    for boundary in _BOUNDARIES:
        found = piece.rfind(boundary, size // 2, size)
        if found >= 0:
            return start + found + len(boundary)
    return start + size
