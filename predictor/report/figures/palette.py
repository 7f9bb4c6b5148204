"""The report's colours, by role, in a light and a dark setting.

A figure is drawn in the light colours; since no two roles share a light colour, an SVG's colours
can be swapped for CSS variables afterwards. No meaning rests on colour alone: lines differ in
dashes, marks in shape, bars carry their number.
"""

import re
from typing import Final

LIGHT: Final = {
    "surface": "#ffffff",
    "card": "#f6f8fa",
    "ink": "#1b2026",
    "muted": "#5a6572",
    "grid": "#dde2e8",
    "router": "#0b5fcc",
    "omniscient": "#b8480b",
    "oracle": "#9c1f6b",
    "good": "#0c6b3f",
    "bad": "#a8201a",
    "step1": "#d6e4f7",
    "step2": "#a3c6f0",
    "step3": "#649fe4",
    "step4": "#2b6bc2",
    "step5": "#123d7a",
    "onstep": "#fdfdfd",
    "never": "#c3c9d1",
}

DARK: Final = {
    "surface": "#0f1419",
    "card": "#182029",
    "ink": "#e8edf2",
    "muted": "#9aa7b5",
    "grid": "#2b3540",
    "router": "#62a8ff",
    "omniscient": "#ff9d5c",
    "oracle": "#f58ac6",
    "good": "#5ed39b",
    "bad": "#ff8f85",
    "step1": "#1c2f4a",
    "step2": "#274a78",
    "step3": "#3668a8",
    "step4": "#74a8ee",
    "step5": "#cfe1fb",
    "onstep": "#0c1116",
    "never": "#4b5663",
}

STEPS: Final = ("step1", "step2", "step3", "step4", "step5")
"""Roles of the scales, cheapest first; more visual tokens stand out more from the page."""


def step_roles(count: int) -> list[str]:
    """Give each of `count` scales a role, the cheapest the faintest; above five some share one."""
    if count <= 1:
        return [STEPS[-1]] * count
    return [STEPS[round(k * (len(STEPS) - 1) / (count - 1))] for k in range(count)]


def label_role(role: str) -> str:
    """Give the role of text on a bar of some role, readable on it in both settings."""
    return "onstep" if role in ("step4", "step5") else "ink"


def to_variables(svg: str) -> str:
    """Swap the light colours in an SVG for CSS variables that fall back to them.

    Args:
        svg: SVG text with colours as `#rrggbb`.

    Returns:
        The same with `var(--role, #rrggbb)` for every colour of ours.
    """
    roles = {color: role for role, color in LIGHT.items()}

    def swap(match: re.Match[str]) -> str:
        color = match.group(0).lower()
        return f"var(--{roles[color]}, {color})" if color in roles else color

    return re.sub(r"#[0-9a-fA-F]{6}\b", swap, svg)


def css_variables(colors: dict[str, str]) -> str:
    """Write `LIGHT` or `DARK` as CSS declarations: `--role: #rrggbb;` for each role."""
    return " ".join(f"--{role}: {color};" for role, color in colors.items())
