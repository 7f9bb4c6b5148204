"""The report as one HTML page that needs nothing else: no network, no script, no other file.

Takes results.json, figures as SVG and pictures as PNG bytes. Words of questions and answers come
from data and are escaped; numbers come from results.json alone.
"""

from collections.abc import Mapping
from typing import Any

from predictor import tables, trust_tables
from predictor.cards import gallery_cards
from predictor.explain import explanation
from predictor.markup import Markup, element, section, text
from predictor.palette import DARK, LIGHT, css_variables
from predictor.wording import gap, number, percent, points, span

Results = Mapping[str, Any]
Drawn = Mapping[str, tuple[str, str]]

STYLE = """
:root { color-scheme: light dark; LIGHT }
@media (prefers-color-scheme: dark) { :root { DARK } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--surface); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { max-width: 46rem; margin: .6rem 0; }
a { color: var(--router); }
code { font-size: .9em; overflow-wrap: anywhere; }
.quiet, figcaption, small { color: var(--muted); }
small { display: block; font-size: .8rem; line-height: 1.35; font-weight: 400; }
.tiles { display: grid; gap: .75rem; margin: 1.4rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr)); }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: .5rem;
  padding: .8rem 1rem; }
.tile b { display: block; font-size: clamp(1.4rem, 6vw, 1.75rem); line-height: 1.3;
  font-weight: 650; white-space: nowrap; }
.tile.first { grid-column: 1 / -1; }
@media (min-width: 62rem) { .tile.first { grid-column: auto; } }
.tile.first { border-color: var(--router); border-width: 2px; }
.tile.first b { color: var(--router); }
figure { margin: 1rem 0 1.5rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: inherit !important; }
figure .narrow { display: none; }
figcaption { font-size: .9rem; max-width: 46rem; margin-top: .4rem; }
.scroll { overflow-x: auto; margin: .8rem 0; border: 1px solid var(--grid); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .7rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
thead th { background: var(--card); color: var(--muted); font-size: .8rem; white-space: normal;
  vertical-align: bottom; min-width: 4.6rem; }
th:first-child { text-align: left; white-space: normal; min-width: 9rem; }
tbody tr { border-top: 1px solid var(--grid); }
tr.strong > * { background: color-mix(in srgb, var(--router) 9%, transparent); }
.about td, .about thead th { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.about th { font-weight: 400; }
.cards { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.card { border: 1px solid var(--grid); border-radius: .5rem; padding: .8rem; min-width: 0;
  background: var(--card); }
.card img { display: block; width: 100%; max-width: 15rem; aspect-ratio: 1; margin: 0 auto .7rem;
  border-radius: .25rem; background: #fff; object-fit: contain; image-rendering: auto; }
.card h3 { margin: 0; white-space: pre-line; }
.card p { margin: .25rem 0; }
.card .scroll { background: var(--surface); margin-bottom: 0; }
.card th, .card td { padding: .3rem .45rem; font-size: .85rem; min-width: 0; }
.card th:first-child { min-width: 0; }
.card th:nth-child(2), .card td.said { text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
.right { color: var(--good); font-weight: 600; }
.wrong { color: var(--bad); }
dt { font-weight: 600; margin-top: .8rem; }
dd { margin: .1rem 0 0; max-width: 46rem; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--router); }
@media (max-width: 40rem) {
  th:first-child { min-width: 7rem; }
  main { padding-top: 1.2rem; }
  figure .wide { display: none; }
  figure .narrow { display: block; }
}
"""

CAPTIONS = {
    "accuracy": (
        "Accuracy against mean visual tokens a question. Blue: the router as its knob turns, "
        "averaged over seeds; the circles are the reported budgets, with intervals. Everything on "
        "the thin solid line is reachable without a router; nothing can lie above the dotted one."
    ),
    "gap": (
        "How much of the distance from the hull to the oracle each contestant closes at its own "
        "mean cost, with intervals. Filled: the router, and the omniscient router as its limit. "
        "Hollow: baselines and controls."
    ),
    "scales": (
        "For each question family: the cheapest scale that was right, which nobody knows "
        "beforehand, beside the scale that the router chose at the headline budget. The numbers in "
        "the bars are visual tokens."
    ),
}


def build_page(results: Results, drawn: Drawn, pictures: Mapping[str, bytes]) -> str:
    """Build the page.

    Args:
        results: results.json.
        drawn: figure name to its SVG for a page and its SVG for a phone.
        pictures: sample id to the PNG of its image.

    Returns:
        The HTML of the whole page.
    """
    style = STYLE.replace("LIGHT", css_variables(LIGHT)).replace("DARK", css_variables(DARK))
    title = "Choosing visual tokens per question"
    body = "".join(
        [
            *(_header(results, title), _tiles(results), _figure("accuracy", drawn)),
            *(_compared(results, drawn), _fixed(results), _families(results, drawn)),
            *(_outside(results), _trust(results), gallery_cards(results, pictures)),
            *(explanation(results), _about(results)),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _header(results: Results, title: str) -> Markup:
    meta = results.get("meta", {})
    seeds = ", ".join(str(seed) for seed in results.get("seeds", []))
    told = (
        f"{meta.get('n_questions', results['headline']['n'])} test questions on "
        f"{meta.get('n_images', '?')} images, answered by the model at "
        f"{', '.join(str(scale) for scale in results['scales'])} visual tokens each. "
        f"Router trained with seeds {seeds}."
    )
    facts = [f"{key}: {meta[key]}" for key in ("checkpoint", "code_version") if meta.get(key)]
    lines = element("h1", text(title)) + element("p", text(told))
    return element("header", lines + element("p", text("; ".join(facts)), "quiet"))


def _tile(name: str, value: str, below: str, css: str = "tile") -> Markup:
    inner = f"{text(name)}{element('b', text(value))}{element('small', text(below))}"
    return element("div", inner, css)


def _tiles(results: Results) -> Markup:
    head = results["headline"]
    target, key = f"{head['target']:g}", f"ogc_{head['target']:g}"
    lost = span(points(head.get("parity_drop_high")), points(head.get("parity_drop_low")))
    tiles = [
        _tile(
            f"Gap closed at {target} tokens",
            gap(head[key]),
            f"{_level(results)} interval {span(gap(head[f'{key}_low']), gap(head[f'{key}_high']))}",
            "tile first",
        ),
        _tile(
            f"Accuracy at {target} tokens",
            percent(head.get("accuracy")),
            f"{number(head.get('tokens'))} tokens used; always {results['scales'][-1]}: "
            f"{percent(head.get('accuracy_dearest'))}",
        ),
        _tile(
            "Tokens to parity",
            number(head.get("parity_tokens"), 0),
            f"{percent(head.get('parity_share'))} of the dearest scale; accuracy "
            f"{points(head.get('parity_drop'))} points ({lost})",
        ),
        _tile(
            f"Regressions at {target} tokens",
            percent(head.get("regression_rate")),
            f"right at {results['scales'][-1]}, wrong as routed; the other way round: "
            f"{percent(head.get('rescue_rate'))}",
        ),
        _tile(
            "Router time a question",
            f"{number(head.get('router_ms'), 3)} ms",
            f"in a batch of 64; alone {number(head.get('router_ms_single'), 2)} ms; "
            f"{number(head.get('router_mb'), 2)} MB on disk",
        ),
    ]
    return element("div", "".join(tiles), "tiles")


def _level(results: Results) -> str:
    return percent(results.get("settings", {}).get("level", 0.95), 0)


def _figure(name: str, drawn: Drawn) -> Markup:
    if name not in drawn:
        return Markup("")
    wide, narrow = drawn[name]
    inner = f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
    return element("figure", inner + element("figcaption", text(CAPTIONS.get(name, ""))))


def _compared(results: Results, drawn: Drawn) -> Markup:
    target = f"{results['headline']['target']:g}"
    told = (
        f"Lambda, the price of a token, is solved on the calibration split for a mean of {target} "
        "visual tokens and then left alone; what it costs on the test split is in the table. "
        f"Below a number stands its {_level(results)} interval."
    )
    seeds = element("summary", "Every training by itself") + tables.seeds_table(results)
    parts = [
        *(element("p", text(told)), tables.compared_table(results), _figure("gap", drawn)),
        *(element("h3", "The router at every reported budget"), tables.budgets_table(results)),
        element("details", seeds),
    ]
    return section("compared", "What was compared", "".join(parts))


def _fixed(results: Results) -> Markup:
    inner = tables.fixed_table(results) + tables.oracles_table(results)
    return section("fixed", "Fixed scales and oracles", inner)


def _families(results: Results, drawn: Drawn) -> Markup:
    parts = [
        _figure("scales", drawn),
        *(element("h3", "Accuracy"), tables.families_table(results)),
        *(element("h3", "Share whose cheapest right scale is"), tables.needed_table(results)),
    ]
    return section("families", "Question families", "".join(parts))


def _outside(results: Results) -> Markup:
    outside = results.get("ood")
    if not outside:
        return Markup("")
    return section("outside", "Outside the training distribution", tables.outside_table(outside))


def _trust(results: Results) -> Markup:
    parts = {
        "What can be promised": ("certified", trust_tables.certified_table),
        "Going up when unsure": ("cascade", trust_tables.cascade_table),
        "Unseen content": ("fallback", trust_tables.fallback_table),
        "Calibration": ("calibration", trust_tables.calibration_table),
        "As other routing work measures": ("certified", trust_tables.metrics_table),
    }
    shown = [
        element("h3", text(title)) + make(results)
        for title, (key, make) in parts.items()
        if results.get(key)
    ]
    return (
        section("trust", "Promises, baselines and other metrics", "".join(shown))
        if shown
        else Markup("")
    )


def _about(results: Results) -> Markup:
    inner = element("div", tables.meta_table(results), "about")
    return section("about", "How this was made", inner)
