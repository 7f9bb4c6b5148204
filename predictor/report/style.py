"""The look of the report's page: one style sheet, its colours from `palette.py`."""

from predictor.report.figures.palette import DARK, LIGHT, css_variables

_RULES = """
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
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 0; padding: 0;
  list-style: none; }
nav a { display: inline-block; padding: .15rem 0; }
code { font-size: .9em; overflow-wrap: anywhere; }
.quiet, figcaption, small { color: var(--muted); }
small { display: block; font-size: .8rem; line-height: 1.35; font-weight: 400; }
.tiles { display: grid; gap: .75rem; margin: 1.4rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr)); }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: .5rem;
  padding: .8rem 1rem; }
.tile b { display: block; font-size: clamp(1.4rem, 6vw, 1.75rem); line-height: 1.3;
  font-weight: 650; white-space: nowrap; }
.tile:first-child { grid-column: 1 / -1; }
@media (min-width: 62rem) { .tile:first-child { grid-column: auto; } }
.tile:first-child { border-color: var(--router); border-width: 2px; }
.tile:first-child b { color: var(--router); }
figure { margin: 1rem 0 1.5rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: inherit !important; }
figure .narrow { display: none; }
figcaption { font-size: .9rem; max-width: 46rem; margin-top: .4rem; }
.scroll { overflow-x: auto; margin: .8rem 0; border: 1px solid var(--grid); border-radius: .5rem; }
.scroll:focus-visible { outline: 2px solid var(--router); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .7rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
thead th { background: var(--card); color: var(--muted); font-size: .8rem; white-space: normal;
  vertical-align: bottom; min-width: 4.6rem; }
th:first-child { text-align: left; white-space: normal; min-width: 9rem; }
tbody tr { border-top: 1px solid var(--grid); }
tr.strong > * { background: color-mix(in srgb, var(--router) 9%, transparent); }
.wordy td, .wordy thead th { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.wordy th { font-weight: 400; }
.cards { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.card { border: 1px solid var(--grid); border-radius: .5rem; padding: .8rem; min-width: 0;
  background: var(--card); }
.card img { display: block; width: 100%; max-width: 15rem; aspect-ratio: 1; margin: 0 auto .7rem;
  border-radius: .25rem; background: #fff; object-fit: contain; image-rendering: auto; }
.card h3 { margin: 0; white-space: pre-line; }
.card p { margin: .25rem 0; }
.card .scroll { background: var(--surface); margin-bottom: 0; }
.card th, .card td { padding: .3rem .32rem; font-size: .84rem; min-width: 0; }
.card th:first-child { min-width: 0; }
.card th:nth-child(2), .card td.said { text-align: left; white-space: normal;
  overflow-wrap: break-word; }
.card .decision { font-size: .9rem; margin-top: .6rem; }
.right { color: var(--good); font-weight: 600; }
.wrong { color: var(--bad); }
dt { font-weight: 600; margin-top: .8rem; }
dd { margin: .1rem 0 0; max-width: 46rem; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--router); }
@media (max-width: 40rem) {
  th:first-child { min-width: 8.5rem; }
  .card th:first-child { min-width: 0; }
  main { padding-top: 1.2rem; }
  figure .wide { display: none; }
  figure .narrow { display: block; }
}
"""


def style_sheet() -> str:
    """Give the style sheet with the colours in place.

    Returns:
        CSS.
    """
    return _RULES.replace("LIGHT", css_variables(LIGHT)).replace("DARK", css_variables(DARK))
