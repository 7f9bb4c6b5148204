"""The report of a made-up results dict: well-formed, escaped, and made of its numbers alone."""

import copy
import json
import re
from html.parser import HTMLParser

import pytest

from predictor.page import build_page
from predictor.report import read_results, write_report

PNG = b"\x89PNG\r\n\x1a\n made up"
VOID = {"meta", "img", "br", "link", "path", "use", "rect", "defs", "clipPath"}


class Reader(HTMLParser):
    """Checks that elements nest, and collects text outside styles and figures."""

    def __init__(self):
        super().__init__()
        self.open, self.found, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if "style" not in self.open and "svg" not in self.open:
            self.found.append((tuple(self.open), data))

    def text(self, inside=None):
        return " ".join(data for path, data in self.found if inside is None or inside in path)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def make_point(target, tokens, accuracy, ogc):
    run = {"seed": 7, "tokens": tokens, "accuracy": accuracy, "ogc": ogc, "regression_rate": 0.0123}
    return {
        **{"target": target, "lambda": 0.000321, "tokens": tokens, "accuracy": accuracy},
        **{"accuracy_low": accuracy - 0.0111, "accuracy_high": accuracy + 0.0122},
        **{"hull": accuracy - 0.0333, "oracle": accuracy + 0.0777},
        **{"ogc": ogc, "ogc_low": ogc - 0.0909, "ogc_high": ogc + 0.0808},
        **{"regression_rate": 0.0456, "rescue_rate": 0.0234, "per_seed": [run]},
        "histogram": {"1": 0.5, "9": 0.3, "36": 0.2},
    }


def make_router(shift):
    at = {
        "9": make_point(9.0, 8.71 + shift, 0.6123 + shift / 100, 0.4321 - shift / 10),
        "18": make_point(18.0, 17.32 + shift, 0.7123 + shift / 100, 0.5321 - shift / 10),
    }
    curve = [{"tokens": t, "accuracy": a, "lambda": 0.1} for t, a in ((1, 0.31), (36, 0.82))]
    return {"curve": curve, "at": at}


@pytest.fixture
def results():
    share = {"1": 0.41, "9": 0.22, "36": 0.19, "never": 0.18}
    control = {"ogc_9": 0.1, "behind_router": 0.2626, "behind_router_low": 0.1717}
    return {
        "meta": {"n_questions": 1234, "n_images": 217, "checkpoint": "c0ffee", "seeds": [7]},
        **{"scales": [1, 9, 36], "seeds": [7], "settings": {"level": 0.95, "seed": 0}},
        "fixed": {
            "1": {"accuracy": 0.3131, "tokens": 1.0, "accuracy_low": 0.3, "accuracy_high": 0.33},
            "9": {"accuracy": 0.5252, "tokens": 9.0, "accuracy_low": 0.5, "accuracy_high": 0.55},
            "36": {"accuracy": 0.8383, "tokens": 36.0, "accuracy_low": 0.8, "accuracy_high": 0.85},
        },
        "hull": [[1.0, 0.3131], [36.0, 0.8383]],
        "random_mixing": [{"tokens": 1, "accuracy": 0.3131}, {"tokens": 36, "accuracy": 0.8383}],
        "oracle_curve": [{"tokens": 1, "accuracy": 0.3131}, {"tokens": 36, "accuracy": 0.9}],
        "oracle": {
            rule: {
                **{"accuracy": 0.8989, "tokens": 11.4, "tokens_dearest": 14.6},
                **{"tokens_drop": 12.7, "never": 0.1011},
            }
            for rule in ("minimal-correct", "stable")
        },
        "router": make_router(0.0),
        "omniscient": make_router(0.5),
        "baselines": {"question_only": make_router(1.0), "shuffled_labels": make_router(2.0)},
        "controls": {"question_only": {**control, "behind_router_high": 0.3535}},
        "families": {
            "gist": {
                **{"n": 617, "1": 0.62, "9": 0.71, "36": 0.86, "minimal_share": share},
                "routed": {"accuracy": 0.77, "tokens": 6.0},
            },
            "<b>reading</b>": {"n": 618, "1": 0.1, "9": 0.4, "36": 0.8, "minimal_share": share},
        },
        "scale_histogram": {"gist": {"1": 0.55, "9": 0.33, "36": 0.12}, "<b>reading</b>": {}},
        **{"minimal_share": share, "non_monotone_share": 0.0654, "luck_floor": 0.0987},
        "headline": {
            **{"n": 1234, "target": 9.0, "ogc_9": 0.4321, "ogc_9_low": 0.3412, "ogc_9_high": 0.513},
            **{"tokens": 8.71, "accuracy": 0.6123, "accuracy_dearest": 0.8383},
            **{"regression_rate": 0.0456, "rescue_rate": 0.0234, "parity_tokens": 13.57},
            **{"parity_share": 0.3769, "parity_accuracy": 0.8346, "parity_drop": 0.0037},
            **{"parity_drop_low": -0.0021, "parity_drop_high": 0.0096},
            **{"router_ms": 0.0314, "router_ms_single": 0.276, "router_mb": 1.375},
        },
        "gallery": [
            {
                **{"sample_id": "s1", "family": "gist", "image": "gallery/s1.png", "chosen": 9},
                "question": 'Is "1 < 2" & <script>alert(1)</script>?',
                "answers": ["<img src=x onerror=alert(2)>"],
                "scales": {
                    "1": {"answer": "<i>no</i>", "score": 0.0, "probability": 0.2727},
                    "9": {"answer": "yes", "score": 1.0, "probability": 0.8484},
                    "36": {"answer": "nearly", "score": 0.6, "probability": 0.9191},
                },
            }
        ],
    }


@pytest.fixture
def page(results):
    return build_page(results, {"accuracy": ("<svg></svg>", "<svg></svg>")}, {"s1": PNG})


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    reader = read(page)
    assert page.startswith("<!DOCTYPE html>")
    assert "script" not in reader.tags and "link" not in reader.tags
    assert reader.links and all(link.startswith("data:image/png;base64,") for link in reader.links)
    assert "http" not in page


def test_data_is_escaped_everywhere(page):
    reader = read(page)
    assert page.count("<img") == 1 and "<script" not in page and "<i>" not in page
    assert 'Is "1 < 2" & <script>alert(1)</script>?' in reader.text("h3")
    assert "<img src=x onerror=alert(2)>" in reader.text("article")
    assert "<b>reading</b>" in reader.text("tbody")


def test_headline_numbers_are_at_the_top(page):
    top = page[: page.index("<h2>")]
    for wanted in ("0.43", "0.34 to 0.51", "61.2 %", "<b>14</b>", "37.7 %", "4.6 %", "0.031 ms"):
        assert wanted in top
    assert "accuracy -0.4 points (-1.0 to +0.2)" in top


def numbers_of(value):
    """List every number in nested results."""
    if isinstance(value, dict):
        return [n for key, part in value.items() for n in (*numbers_of(key), *numbers_of(part))]
    if isinstance(value, list):
        return [n for part in value for n in numbers_of(part)]
    if isinstance(value, str):
        return [float(n) for n in re.findall(r"\d+\.?\d*", value)]
    return [] if value is None else [float(value)]


def test_every_number_in_tables_and_tiles_is_in_the_results(page, results):
    """Each is some number of the results, as it is or in percent, at the digits shown."""
    known = numbers_of(results)
    reader = read(page)
    shown = " ".join((reader.text("tbody"), reader.text("b")))
    found = re.findall(r"-?\d+(?:\.\d+)?", shown)
    assert len(found) > 100
    for written in found:
        digits = len(written.partition(".")[2])
        same = [f"{factor * n:.{digits}f}" for n in known for factor in (1, -1, 100, -100)]
        # The gap closed is 0 on the hull and 1 at the oracle by definition.
        assert written in same or written in ("0", "1"), written


def test_numbers_follow_the_results(results):
    other = copy.deepcopy(results)
    other["router"]["at"]["9"]["accuracy"] = 0.5555
    other["headline"]["parity_tokens"] = 22.0
    page = build_page(other, {}, {})
    assert "55.5 %" in page and "22" in read(page).text("b")


def test_right_and_wrong_are_words_and_marks(page):
    text = read(page).text("article")
    assert "✗ wrong" in text and "✓ right" in text and "0.60" in text
    assert "➜ 9" in text and "➜ 36" not in text


def test_rules_convention_seeds_and_floor_are_printed(page):
    text = read(page).text()
    for wanted in (
        "minimal-correct: the cheapest scale whose answer is right",
        "stable: the cheapest scale that is right and all dearer ones are right too",
        "cheapest scale",
        "each of the seeds 7",
        "oracle accuracy of 9.9 %",
        "6.5 % of the questions",
        "3.21e-04",
    ):
        assert wanted in text


def test_tables_scroll_in_their_own_box(page):
    assert page.count("<table>") == page.count('<div class="scroll"')
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page


def test_optional_sections_may_be_missing(results):
    for name in ("gallery", "omniscient", "baselines", "controls", "luck_floor", "hull", "meta"):
        del results[name]
    del results["headline"]["router_ms"]
    results["headline"]["parity_tokens"] = None
    text = read(build_page(results, {}, {})).text()
    assert "Gallery" not in text and "– ms" in text


def test_a_value_that_does_not_exist_is_a_dash(results):
    results["router"]["at"]["18"].update(ogc=None, ogc_low=None, ogc_high=None)
    assert "–" in read(build_page(results, {}, {})).text("tbody")


def test_outside_section(results):
    fixed = {"36": {"accuracy": 0.7474, "tokens": 36.0}}
    routed = {"tokens": 9.9, "accuracy": 0.6565, "ogc": 0.2121, "ogc_low": 0.1, "ogc_high": 0.3}
    results["ood"] = {"fixed": fixed, "router_at_9": routed, "regression_rate": 0.0858}
    text = read(build_page(results, {}, {})).text("tbody")
    for wanted in ("74.7 %", "router, budget 9", "65.6 %", "0.21", "8.6 %"):
        assert wanted in text


def test_write_report_and_draw_it_again(results, tmp_path):
    path = write_report(results, tmp_path / "report", {"s1": PNG})
    assert path == tmp_path / "report" / "index.html"
    files = {str(p.relative_to(path.parent)) for p in path.parent.rglob("*") if p.is_file()}
    figures = {f"figures/{name}.png" for name in ("accuracy", "gap", "scales")}
    assert files == {"index.html", "results.json", "gallery/s1.png", *figures}
    assert (path.parent / "gallery" / "s1.png").read_bytes() == PNG
    assert json.loads((path.parent / "results.json").read_text("utf-8")) == results
    page = path.read_text("utf-8")
    assert len(re.findall("<svg", page)) == 6 and len(read(page).links) > 1
    write_report(read_results(path.parent), path.parent)
    assert path.read_text("utf-8") == page


def test_ids_are_unique_and_references_find_them(results, tmp_path):
    page = write_report(results, tmp_path, {}).read_text("utf-8")
    made = re.findall(r' id="([^"]+)"', page)
    assert len(made) == len(set(made)) > 100
    used = re.findall(r'(?:url\(|href=")#([^)"]+)', page)
    assert used and set(used) <= set(made)


@pytest.mark.parametrize("image", ["../s1.png", "gallery/../s1.png", "gallery/a\\b.png", "s1.png"])
def test_a_picture_may_not_leave_its_folder(results, tmp_path, image):
    results["gallery"][0]["image"] = image
    with pytest.raises(ValueError, match="gallery/NAME.png"):
        write_report(results, tmp_path, {"s1": PNG})
    assert not list(tmp_path.iterdir())


def test_missing_sections_are_named(results, tmp_path):
    del results["router"], results["families"]
    with pytest.raises(ValueError, match="results lack router, families"):
        write_report(results, tmp_path, {})


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `m3scale report`"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no results"):
        read_results(tmp_path)
