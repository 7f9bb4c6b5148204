"""The report in a real Chromium, on a desk and on a phone, light and dark: nothing sticks out."""

import io
import itertools
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from predictor.report.figures.palette import DARK, LIGHT
from predictor.report.report import write_report

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
SETTINGS = list(itertools.product((1280, 375), ("light", "dark")))

LOOK = """(() => {
  const out = (inner, outer) => inner.width > 0 &&
    (inner.right > outer.right + 1 || inner.left < outer.left - 1);
  const page = {left: 0, right: innerWidth};
  const name = (e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40);
  const shown = (e) => e.getClientRects().length > 0;
  const box = (e) => e.getBoundingClientRect();
  const labelled = (svg, axis) =>
    [...svg.querySelectorAll(`g[id*="matplotlib.axis_${axis}"] > g[id*="text_"] text`)]
      .some((e) => e.textContent.trim());
  return {
    over: document.documentElement.scrollWidth - innerWidth,
    sticking: [...document.querySelectorAll('main *:not(svg *)')]
      .filter((e) => !e.parentElement.closest('.scroll') && out(box(e), page)).map(name),
    cut: [...document.querySelectorAll('svg text')]
      .filter((e) => shown(e) && out(box(e), box(e.closest('svg')))).map(name),
    figures: [...document.querySelectorAll('figure')].map((figure) => {
      const [svg, ...others] = [...figure.querySelectorAll('svg')].filter(shown);
      return {
        alone: Boolean(svg) && others.length === 0,
        caption: figure.querySelector('figcaption').textContent,
        label: svg.getAttribute('aria-label'), x: labelled(svg, 1), y: labelled(svg, 2),
        ink: getComputedStyle(svg.querySelector('text')).fill,
      };
    }),
    unnamed: [...document.querySelectorAll('img')].filter((e) => !e.alt).length,
    broken: [...document.querySelectorAll('img')]
      .filter((e) => e.complete && !e.naturalWidth).length,
    lost: [...document.querySelectorAll('a')]
      .filter((e) => !document.getElementById(e.hash.slice(1))).map(name),
    ground: getComputedStyle(document.body).backgroundColor,
  };
})()"""


class Browser:
    """Chromium, spoken to in its DevTools protocol over two pipes: no driver, no port."""

    def __init__(self, program, folder):
        command = shlex.join([program, *FLAGS, f"--user-data-dir={folder}"])
        # It reads commands from descriptor 3 and answers on 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {command} 3<&0 4>&1 </dev/null >/dev/null 2>&1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.numbers, self.events, self.session = itertools.count(1), [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self.read()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def read(self):
        parts = iter(lambda: self.process.stdout.read(1), b"\0")
        return json.loads(b"".join(itertools.takewhile(bool, parts)))

    def open(self, path, width, scheme):
        """Open a page from disk; give what it asked for and what it complained of."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())

    def look(self, script):
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"][
            "value"
        ]

    def close(self):
        self.send("Browser.close")
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def write_made_up(results, folder):
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(buffer, format="PNG")
    return write_report(results, folder, {"s1": buffer.getvalue()})


def complaints(events):
    """What the browser logged as wrong, and addresses outside the page itself."""
    for event in events:
        method = event["method"]
        params = event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:")):
                yield f"asked for {url}"
        elif method == "Runtime.exceptionThrown" or (
            method in ("Log.entryAdded", "Runtime.consoleAPICalled")
            and params.get("type", params.get("entry", {}).get("level")) in ("error", "warning")
        ):
            yield str(params)


def rgb(color):
    return f"rgb({', '.join(str(int(color[k : k + 2], 16)) for k in (1, 3, 5))})"


def check(browser, path):
    for width, scheme in SETTINGS:
        browser.open(path, width, scheme)
        page = browser.look(LOOK)
        colors = {"light": LIGHT, "dark": DARK}[scheme]
        where = f"{path.name} at {width}, {scheme}"
        assert not list(complaints(browser.events)), where
        assert page["over"] <= 0, where
        for key in ("sticking", "cut", "lost"):
            assert not page[key], (where, key)
        assert page["unnamed"] == page["broken"] == 0, where
        assert page["figures"], where
        for figure in page["figures"]:
            assert figure["alone"] and figure["caption"] and figure["label"], (where, figure)
            assert figure["x"] and figure["y"], (where, figure)
            assert figure["ink"] == rgb(colors["ink"]), (where, figure)
        assert page["ground"] == rgb(colors["surface"]), where


@pytest.mark.parametrize("name", ["results", "whole_results"])
def test_a_report_fits_its_window_and_needs_nothing(browser, request, tmp_path, name):
    check(browser, write_made_up(request.getfixturevalue(name), tmp_path))


def test_the_page_that_was_named(browser, request):
    page = request.config.getoption("--page")
    if page is None:
        pytest.skip("no page was named: pytest --page runs/demo/report/index.html")
    check(browser, Path(page).resolve())
