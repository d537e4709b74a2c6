"""What is done to a rendered HTML mail: links become click links, an open pixel is added, a text part is derived.

It works on the finished markup, after escaping, so a customer's data cannot add a link of its own.
"""

import re
from collections.abc import Callable
from html import escape, unescape
from html.parser import HTMLParser
from typing import Final

_HREF: Final = re.compile(r"""(<a\b[^>]*?\shref\s*=\s*)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_SILENT: Final = frozenset({"head", "script", "style", "title"})
_BLOCKS: Final = frozenset(
    {"p", "div", "br", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "hr", "blockquote"}
)
_SPACES: Final = re.compile(r"[ \t\r\f\v\xa0]+")
_GAPS: Final = re.compile(r"\n\s*\n+")


def rewrite_links(html: str, track: Callable[[int, str], str], *, keep: frozenset[str] = frozenset()) -> str:
    """Return `html` with `track(index, url)` for each http(s) link that is not in `keep`; the index counts them.

    >>> rewrite_links('<a href="https://x.example/?a=1&amp;b=2">x</a>', lambda i, u: f"T{i}:{u}")
    '<a href="T0:https://x.example/?a=1&amp;b=2">x</a>'
    """
    index = -1

    def replace(found: re.Match[str]) -> str:
        nonlocal index
        url = unescape(found[2] if found[2] is not None else found[3]).strip()
        if not url.lower().startswith(("http://", "https://")) or url in keep:
            return found[0]
        index += 1
        return f'{found[1]}"{escape(track(index, url), quote=True)}"'

    return _HREF.sub(replace, html)


def add_pixel(html: str, url: str) -> str:
    """Return `html` with the open pixel as the last element of its body."""
    pixel = f'<img src="{escape(url, quote=True)}" width="1" height="1" alt="" style="border:0">'
    ends = list(_BODY_END.finditer(html))
    at = ends[-1].start() if ends else len(html)
    return html[:at] + pixel + html[at:]


def to_text(html: str) -> str:
    """Return the plain text of a mail that has no email.txt: words, line breaks, and links after their words.

    >>> to_text('<p>Hi <b>Mei</b></p><p><a href="https://x.example/">shop</a></p>')
    'Hi Mei\\n\\nshop (https://x.example/)'
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = _SPACES.sub(" ", "".join(reader.pieces))
    return _GAPS.sub("\n\n", "\n".join(line.strip() for line in text.split("\n"))).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._links: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")
        elif tag in _BLOCKS:
            self.pieces.append("\n" if tag in {"br", "li", "tr"} else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a" and self._links:
            url = self._links.pop()
            if url.lower().startswith(("http://", "https://")):
                self.pieces.append(f" ({url})")
        elif tag in _BLOCKS:
            self.pieces.append("\n" if tag in {"li", "tr"} else "\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data.replace("\n", " "))
