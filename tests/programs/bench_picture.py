"""docs/bench.svg: how many calls a second a connector answers, beside what people would use instead.

Drawn by `make bench SVG=docs/bench.svg` from its figures, as ratios to the bare SDK. Like `picture.py`, it follows the
reader's colour scheme.
"""

import statistics
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT = 800, 250, 90  # all of it; the names; the figures behind the longest bar
LINE, BAR = 26, 16
SHOWN = {
    "api-key, all on": "Connector: API keys, all on",
    "none": "Connector: no authentication",
    "bare SDK": "MCP SDK for Python, bare",
    "TypeScript SDK": "MCP SDK for TypeScript, bare",
    "FastMCP, JWT": "FastMCP, JWT",
}
VERSIONS = {"2026-07-28": "Protocol 2026-07-28", "2025-11-25": "Protocol 2025-11-25"}

STYLE = """
    .card { fill: #ffffff; stroke: #d1d9e0 }
    .ours { fill: #0969da }
    .others { fill: #afb8c1 }
    text { fill: #1f2328; font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
    .head { font-size: 14px; font-weight: 600 }
    .soft { fill: #59636e; font-size: 12px }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #3d444d }
      .ours { fill: #4493f8 }
      .others { fill: #59636e }
      text { fill: #f0f6fc }
      .soft { fill: #9198a1 }
    }
"""


def ratios(samples: Mapping[str, Sequence[float]], version: str) -> dict[str, float]:
    """Calls a second over those of the bare SDK in the same rounds: the median for each server."""
    base = samples[f"calls a second, {version}: bare SDK"]
    found = {}
    for name in SHOWN:
        rates = samples.get(f"calls a second, {version}: {name}", ())
        if rates:
            found[name] = statistics.median(one / other for one, other in zip(rates, base, strict=True))
    return found


def draw(samples: Mapping[str, Sequence[float]]) -> str:
    """The drawing, for the figures of one run."""
    seen = {version: ratios(samples, version) for version in VERSIONS}
    longest = max(max(of.values()) for of in seen.values())
    drawn = ['<text class="head" x="20" y="34">Calls a second, in times of the bare MCP SDK for Python</text>']
    y = 62
    for version, of in seen.items():
        drawn.append(f'<text class="soft" x="20" y="{y}">{VERSIONS[version]}</text>')
        y += 10
        for name, ratio in of.items():
            kind = "ours" if SHOWN[name].startswith("Connector") else "others"
            width = max(2.0, (WIDTH - LEFT - RIGHT) * ratio / longest)
            drawn += [
                f'<text x="20" y="{y + BAR - 3}">{escape(SHOWN[name])}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}" rx="3"/>',
                f'<text x="{LEFT + width + 8:.0f}" y="{y + BAR - 3}">{ratio:.1f}</text>',
            ]
            y += LINE
        y += 22
    drawn.append(f'<text class="soft" x="20" y="{y - 8}">One tool, 16 connections; measured by `make bench`.</text>')
    height, body = y + 10, "\n".join(f"  {line}" for line in drawn)
    told = "; ".join(
        f"{VERSIONS[version]}: " + ", ".join(f"{SHOWN[name]} {ratio:.1f}" for name, ratio in of.items())
        for version, of in seen.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"  <title>Calls a second, in times of the bare MCP SDK for Python. {escape(told)}.</title>\n"
        f"  <style>{STYLE}  </style>\n"
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="12"/>\n{body}\n</svg>\n'
    )
