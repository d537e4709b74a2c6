"""How wide text is: Chinese characters take two columns of a terminal, and about one em of a drawing.

Called by the story report and the drawings.
"""

from unicodedata import combining, east_asian_width


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal.

    >>> width("abc"), width("购物车")
    (3, 6)
    """
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """Return the text with spaces up to so many columns; a longer one stays as it is.

    >>> pad("车", 4) + "|"
    '车  |'
    """
    return text + " " * max(columns - width(text), 0)


def wrap(text: str, columns: int) -> list[str]:
    """Return the text in lines of at most so many columns: broken at spaces, inside words only where it must be.

    >>> wrap("send welcome by email", 12)
    ['send welcome', 'by email']
    >>> wrap("等到周一早上", 6)
    ['等到周', '一早上']
    """
    lines, line = [], ""
    for piece in _pieces(text):
        if width((line + piece).rstrip()) <= columns:
            line += piece
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = piece.lstrip()
        while width(line.rstrip()) > columns:
            cut = _fitting(line, columns)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """A Latin word with the space before it, or one wide character: where a line may break."""
    pieces: list[str] = []
    for character in text:
        before = pieces[-1][-1] if pieces else ""
        if character == " " or _is_wide(character) or _is_wide(before):
            pieces.append(character)
        else:
            pieces[-1:] = [pieces[-1] + character] if pieces else [character]
    return pieces


def _is_wide(character: str) -> bool:
    return character != "" and east_asian_width(character) in "WF"


def _fitting(text: str, columns: int) -> int:
    taken = 0
    for place, character in enumerate(text):
        taken += width(character)
        if taken > columns:
            return max(place, 1)
    return len(text)
