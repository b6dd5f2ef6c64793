"""`make picture`: draw docs/picture.svg from the questions and choices of copier.yml.

It has a background of its own and follows the reader's colour scheme, so that it can be read in both themes of a Git
host. Fonts differ between machines: each text is measured with the widest that a browser may choose.
"""

import sys
from collections.abc import Iterable, Mapping
from html import escape

from ..lib import rendering

FILE = rendering.ROOT / "docs/picture.svg"

WIDTH = 800
MARGIN = 20
TOP = 62.0  # of the boxes, below their headings
BELOW = 66  # for the API, under the connector
LINE = 19  # from one line of choices to the next
LEFT = 324  # width of the left column
MIDDLE, MIDDLE_WIDTH = 384, 200  # where the connector is
RIGHT, RIGHT_WIDTH = 660, 120  # where its callers are

# Units of the font size that one character takes at most: DejaVu Sans is the widest of those named below.
MONO, SANS, BOLD = 0.62, 0.6, 0.66

ASKED = {
    "auth_mode": "Who may call it?",
    "identity_provider": "Where do they log in? (OAuth)",
    "hosting": "Where does it run?",
    "source": "What does it connect to?",
    "upstream_identity": "Whose credential? (headers)",
    "ci": "Who checks each change?",
    "observability": "What watches it?",
}
CONNECTOR = {
    "You write": ["tools", "the API client", "tests of both"],
    "The template adds": ["authentication, limits", "health checks, logs", "image, deploy files", "pipeline, tests"],
}
CALLERS = ["Duvo", "Claude", "ChatGPT", "MCP clients"]

STYLE = """
    .card { fill: #ffffff; stroke: #d1d9e0 }
    .box { fill: #f6f8fa; stroke: #d1d9e0 }
    .main { fill: #eaf3ff; stroke: #0969da }
    .line { stroke: #59636e; fill: none; stroke-width: 1.5 }
    .rule { stroke: #b6d4f5 }
    .tip { fill: #59636e }
    text { fill: #1f2328; font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
    .head { font-size: 14px; font-weight: 600 }
    .ask { font-weight: 600 }
    .mono { font-family: ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; font-size: 12px; fill: #0550ae }
    .soft { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #3d444d }
      .box { fill: #151b23; stroke: #3d444d }
      .main { fill: #121d2f; stroke: #4493f8 }
      .line { stroke: #9198a1 }
      .rule { stroke: #1f3a5f }
      .tip { fill: #9198a1 }
      text { fill: #f0f6fc }
      .mono { fill: #79c0ff }
      .soft { fill: #9198a1 }
    }
"""


class Overflow(Exception):
    """A text does not fit where it is drawn."""


def text(x: float, y: float, content: str, room: float, kind: str = "", anchor: str = "start") -> str:
    """A text at most `room` wide.

    Raises:
        Overflow: It may be wider, in some font.
    """
    size = {"head": 14, "mono": 12}.get(kind, 13)
    per = {"mono": MONO, "head": BOLD, "ask": BOLD}.get(kind, SANS)
    if len(content) * size * per > room:
        raise Overflow(f"{content!r} takes up to {len(content) * size * per:.0f} of {room:.0f}")
    styled = f' class="{kind}"' if kind else ""
    placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:g}"{styled}{placed}>{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'


def arrow(path: str) -> str:
    return f'<path class="line" d="{path}" marker-end="url(#tip)"/>'


def wrapped(words: Iterable[str], room: float) -> list[str]:
    """Choices as lines, separated by commas, each line as long as fits."""
    most = int(room / (12 * MONO))
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= most:  # blank, word and the comma after it
            lines[-1] += f" {word},"
        else:
            lines.append(f"{word},")
    return [*lines[:-1], lines[-1].removesuffix(",")]


def picture(offered: Mapping[str, list[str]]) -> str:
    """The drawing, for these questions with their choices."""
    room = LEFT - 24
    drawn: list[str] = []
    y = TOP
    for question, choices in offered.items():
        lines = wrapped(choices, room)
        height = 30 + LINE * len(lines)
        drawn += [box(MARGIN, y, LEFT, height), text(MARGIN + 12, y + 21, ASKED.get(question, question), room, "ask")]
        drawn += [
            text(MARGIN + 12, y + 21 + LINE * (number + 1), line, room, "mono") for number, line in enumerate(lines)
        ]
        y += height + 8
    bottom = max(y - 8, 370.0)
    centre = (TOP + bottom - BELOW) / 2

    drawn += [
        text(MARGIN, 44, "You answer", LEFT, "head"),
        text(MIDDLE, 44, "You get a connector", MIDDLE_WIDTH, "head"),
        text(RIGHT, 44, "Agents call it", WIDTH - RIGHT - 8, "head"),
    ]
    drawn += connector(TOP, bottom - TOP - BELOW)
    middle = MIDDLE + MIDDLE_WIDTH / 2
    drawn += [
        box(MIDDLE, bottom - 40, MIDDLE_WIDTH, 40),
        text(middle, bottom - 15, "your system's API", MIDDLE_WIDTH - 16, anchor="middle"),
        arrow(f"M{middle:g} {bottom - BELOW:g} V{bottom - 43:g}"),
        arrow(f"M{MARGIN + LEFT + 4} {centre:g} H{MIDDLE - 4}"),
        text((MARGIN + LEFT + MIDDLE) / 2, centre - 9, "copy", MIDDLE - MARGIN - LEFT - 8, "mono", "middle"),
    ]
    drawn += callers(TOP, bottom - TOP - BELOW)
    drawn += update(bottom + 16)
    total = bottom + 74 + MARGIN
    body = "\n".join(f"  {line}" for line in drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total:g}" role="img">\n'
        "  <title>You answer questions; you get a connector, which agents call over HTTPS and updates keep current."
        f"</title>\n  <style>{STYLE}  </style>\n"
        '  <marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">\n'
        '    <path class="tip" d="M0 0 10 5 0 10z"/>\n'
        "  </marker>\n"
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{total - 1:g}" rx="12"/>\n{body}\n</svg>\n'
    )


def connector(top: float, height: float) -> list[str]:
    """What is in the connector."""
    x, room = MIDDLE + 14, MIDDLE_WIDTH - 28
    drawn = [box(MIDDLE, top, MIDDLE_WIDTH, height, "main")]
    rest = height - 58 - sum(34 + LINE * len(parts) for parts in CONNECTOR.values())
    if rest < 0:
        raise Overflow(f"the parts of the connector need {-rest:.0f} more than {height:.0f}")
    gap = rest / len(CONNECTOR)
    y = top + 26
    drawn += [text(x, y, "MCP server, Python", room, "ask"), text(x, y + 20, "https://…/mcp", room, "mono")]
    y += 34
    for owner, parts in CONNECTOR.items():
        drawn += [f'<path class="rule" d="M{x} {y:g} h{room}"/>']
        y += 22 + gap / 2
        drawn += [text(x, y, owner, room, "ask")]
        drawn += [text(x, y + LINE * (number + 1), part, room, "soft") for number, part in enumerate(parts)]
        y += LINE * len(parts) + 12 + gap / 2
    return drawn


def callers(top: float, height: float) -> list[str]:
    step = height / len(CALLERS)
    middle = top + height / 2
    drawn = []
    for number, name in enumerate(CALLERS):
        y = top + step * (number + 0.5)
        drawn += [
            box(RIGHT, y - 18, RIGHT_WIDTH, 36),
            text(RIGHT + RIGHT_WIDTH / 2, y + 5, name, RIGHT_WIDTH - 12, anchor="middle"),
            f'<path class="line" d="M{RIGHT - 4} {y:g} H{RIGHT - 16} V{middle:g}"/>',
        ]
    end = MIDDLE + MIDDLE_WIDTH + 4
    drawn += [
        arrow(f"M{RIGHT - 16} {middle:g} H{end}"),
        text(RIGHT - 16 - (RIGHT - 16 - end) / 2, middle - 9, "HTTPS", 44, "soft", "middle"),
    ]
    return drawn


def update(top: float) -> list[str]:
    width = WIDTH - 2 * MARGIN
    return [
        box(MARGIN, top, width, 58),
        text(MARGIN + 12, top + 24, "copier update", 150, "mono"),
        text(MARGIN + 130, top + 24, "adds each new release: your files stay, and your edits are merged.", width - 142),
        text(
            MARGIN + 130,
            top + 44,
            "It also changes an answer, for example from compose to kubernetes.",
            width - 142,
            "soft",
        ),
    ]


def offered() -> dict[str, list[str]]:
    """Every question that has choices, in the order in which they are asked."""
    return {name: rendering.choices(name) for name, question in rendering.questions().items() if "choices" in question}


if __name__ == "__main__":
    try:
        FILE.write_text(picture(offered()), encoding="utf-8")
    except Overflow as overflow:
        sys.exit(f"make picture: {overflow}. Make room for it in tests/programs/picture.py; nothing was drawn.")
