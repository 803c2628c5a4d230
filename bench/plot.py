"""Draws curves as SVG, one panel under the other on the same steps; legible on light and on dark pages."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 720, 210
LEFT, RIGHT, TOP, GAP = 64, 24, 44, 46

STYLE = """
  svg { font: 12px system-ui, sans-serif; color-scheme: light dark }
  .paper { fill: #ffffff } text { fill: #24292f } .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #d0d7de } .line { fill: none; stroke-width: 2 }
  .c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 }
  .d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
    .c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 }
    .d0 { fill: #58a6ff } .d1 { fill: #f0883e } .d2 { fill: #3fb950 }
  }
"""


def plot(
    title: str, steps_name: str, steps: Sequence[str], panels: Sequence[tuple[str, Sequence[float]]], every: int = 1
) -> str:
    """Draw each panel's values over the steps, which lie at equal distances; `every` so many of them is labelled."""
    height = TOP + len(panels) * (HEIGHT + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    for place, (name, values) in enumerate(panels):
        parts += _panel(place, TOP + place * (HEIGHT + GAP), name, steps, values, every)
    parts.append(f'<text x="{WIDTH / 2}" y="{height - 8}" text-anchor="middle">{escape(steps_name)}</text></svg>')
    return "\n".join(parts) + "\n"


def _panel(place: int, top: float, name: str, steps: Sequence[str], values: Sequence[float], every: int) -> list[str]:
    tick = _tick(max(values))
    highest = tick * (int(max(values) / tick) + 1)
    bottom = top + HEIGHT

    def x(step: int) -> float:
        return LEFT + 20 + (WIDTH - LEFT - RIGHT - 40) * step / max(1, len(steps) - 1)

    def y(value: float) -> float:
        return bottom - (HEIGHT - 20) * value / highest

    parts = [f'<text x="{LEFT}" y="{top + 6:.0f}">{escape(name)}</text>']
    for number in range(round(highest / tick) + 1):
        level = y(number * tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
        label = f"{number * tick:,g}"
        parts.append(f'<text x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{label}</text>')
    points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in enumerate(values))
    parts.append(f'<polyline class="line c{place}" points="{points}"/>')
    for step, (label, value) in enumerate(zip(steps, values, strict=True)):
        if (step + 1) % every:
            continue
        parts.append(f'<circle class="d{place}" cx="{x(step):.1f}" cy="{y(value):.1f}" r="4"/>')
        parts.append(f'<text x="{x(step):.1f}" y="{y(value) - 9:.1f}" text-anchor="middle">{value:,.0f}</text>')
        parts.append(f'<text x="{x(step):.1f}" y="{bottom + 18}" text-anchor="middle">{escape(label)}</text>')
    return parts


def _tick(highest: float) -> float:
    """Return the distance of the lines: 1, 2 or 5 with zeros, so that there are about five."""
    size = 1.0
    while size * 50 < highest:
        size *= 10
    return next(size * step for step in (1, 2, 5, 10) if size * step * 6 > highest)
