"""Cuts what is too long for a result, and says so."""


def clipped(text: str, most: int) -> tuple[str, int]:
    """``text`` within ``most`` characters, and how many are left of them."""
    note = f"\n[cut: {len(text)} characters came]"
    if len(text) > most:
        text = text[: max(most - len(note), 0)] + note[: max(most, 0)]
    return text, most - len(text)
