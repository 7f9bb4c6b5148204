"""The report of a made-up results dict: well-formed, escaped, and made of its numbers alone."""

import copy
import json
import re
from html.parser import HTMLParser

import pytest

from predictor.report.folder import read_results
from predictor.report.html import Pictures, build_page
from predictor.report.outline import build_document
from predictor.report.report import write_report

PNG = b"\x89PNG\r\n\x1a\n made up"


class Reader(HTMLParser):
    """Checks that elements nest, and collects text outside styles and figures."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if "style" not in self.open and "svg" not in self.open:
            self.texts.append((tuple(self.open), data))

    def text(self, inside=None):
        return " ".join(data for path, data in self.texts if inside is None or inside in path)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def make_page(results, drawn=None, photos=None):
    return build_page(build_document(results), Pictures(drawn or {}, photos or {}))


@pytest.fixture
def page(results):
    return make_page(results, {"accuracy": ("<svg ></svg>", "<svg ></svg>")}, {"s1": PNG})


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    reader = read(page)
    assert page.startswith("<!DOCTYPE html>")
    assert "script" not in reader.tags
    assert all(link.startswith(("data:", "#")) for link in reader.links)
    assert any(link.startswith("data:image/png;base64,") for link in reader.links)
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
    text = " ".join((reader.text("tbody"), reader.text("b")))
    numbers = re.findall(r"-?\d+(?:\.\d+)?", text)
    assert len(numbers) > 100
    for written in numbers:
        digits = len(written.partition(".")[2])
        same = [f"{factor * n:.{digits}f}" for n in known for factor in (1, -1, 100, -100)]
        # The gap closed is 0 on the hull and 1 at the oracle by definition.
        assert written in same or written in ("0", "1"), written


def test_numbers_follow_the_results(results):
    other = copy.deepcopy(results)
    other["router"]["at"]["9"]["accuracy"] = 0.5555
    other["headline"]["parity_tokens"] = 22.0
    page = make_page(other)
    assert "55.5 %" in page and "22" in read(page).text("b")


def test_right_and_wrong_are_words_and_marks(page):
    text = read(page).text("article")
    assert "✗ wrong" in text and "✓ right" in text and "0.60" in text
    assert "➜ 9" in text and "➜ 36" not in text


def test_rules_convention_seeds_and_floor_are_printed(page):
    text = read(page).text()
    for wanted in (
        "minimal-correct: the cheapest scale whose answer is right",
        "stable: the cheapest scale that is right and all larger ones are right too",
        "cheapest scale",
        "each of the seeds 7",
        "oracle accuracy of 9.9 %",
        "6.5 % of the questions",
        "3.21e-04",
    ):
        assert wanted in text


def test_tables_scroll_in_their_own_box(page):
    assert page.count("<table>") == page.count('<div class="scroll')
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page


def test_optional_sections_may_be_missing(results):
    for name in ("gallery", "omniscient", "baselines", "controls", "luck_floor", "hull", "meta"):
        del results[name]
    del results["headline"]["router_ms"]
    results["headline"]["parity_tokens"] = None
    text = read(make_page(results)).text()
    assert "Gallery" not in text and "– ms" in text


def test_a_value_that_does_not_exist_is_a_dash(results):
    results["router"]["at"]["18"].update(ogc=None, ogc_low=None, ogc_high=None)
    assert "–" in read(make_page(results)).text("tbody")


def test_outside_section(results):
    fixed = {"36": {"accuracy": 0.7474, "tokens": 36.0}}
    routed = {"tokens": 9.9, "accuracy": 0.6565, "ogc": 0.2121, "ogc_low": 0.1, "ogc_high": 0.3}
    results["ood"] = {"fixed": fixed, "router_at_9": routed, "regression_rate": 0.0858}
    text = read(make_page(results)).text("tbody")
    for wanted in ("74.7 %", "router, budget 9", "65.6 %", "0.21", "8.6 %"):
        assert wanted in text


def test_write_report_and_draw_it_again(results, tmp_path):
    path = write_report(results, tmp_path / "report", {"s1": PNG})
    assert path == tmp_path / "report" / "index.html"
    files = {str(p.relative_to(path.parent)) for p in path.parent.rglob("*") if p.is_file()}
    figures = {f"figures/{name}.png" for name in ("accuracy", "gap", "scales")}
    assert files == {"index.html", "report.md", "results.json", "gallery/s1.png", *figures}
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
    with pytest.raises(ValueError, match="results.json cannot be used: invalid JSON"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(ValueError, match="input should be an object"):
        read_results(tmp_path)


def test_every_study_has_its_section_and_without_it_none(results, whole_results):
    text = read(make_page(whole_results)).text()
    for wanted in (
        "Kinds of router",
        "neural network, ranked",
        "rounds 200, rate 0.05",
        "one coarse token 2",
        "Families left out of training",
        "70 % fell back",
        "trained on: 66.7 %",
        "In FLOPs",
        "0.549",
        "0.354 to 0.409",
        "8.9 %",
        "7.0 % to 11.0 %",
        "93 % of the omniscient",
        "before: 0.071",
        "1000 calibration splits",
        "0.06 to 0.14",
        "301",
        "Worth routing: 11 tokens",
        "17.0 %",
        "without 2.9 %",
        "6.1 %",
        "bound certified",
        "no bound is certified",
        "1.42",
    ):
        assert wanted in text, wanted
    bare = {key: results[key] for key in ("scales", "fixed", "oracle", "router", "headline")}
    text = read(make_page({**bare, "families": {}})).text()
    assert "FLOPs and milliseconds: not measured." in text
    for unwanted in (
        "Kinds of router",
        "block of features",
        "Families left out",
        "Whether more labels",
        "certified",
        "Certificates",
        "Calibration",
    ):
        assert unwanted not in text


def test_what_noise_may_have_made_is_told(whole_results):
    whole_results["meta"]["profile"] = {"noise": 0.1016}
    whole_results["ablation"]["rows"][0]["ms"] = -0.02
    whole_results["ablation"]["ms_noise"] = 0.015
    worst = {"name": "counting", "questions": 163, "risk": 0.0982}
    whole_results["certified"]["0.02,0.1"]["worst_family"] = {
        **worst,
        "risk_low": 0.06,
        "risk_high": 0.14,
        "of": 7,
    }
    text = read(make_page(whole_results)).text()
    assert "the median was 10 % higher" in text
    assert "within noise" in text and "-0.02" not in text
    assert "9.8 %" in text and "6.0 % to 14.0 %; counting, 163 questions, worst of 7" in text
    whole_results["ablation"]["ms_noise"] = 0.005
    assert "-0.02" in read(make_page(whole_results)).text()


def test_what_was_not_measured_is_told(whole_results):
    whole_results["ablation"]["unmeasured"] = ["pixels", "state"]
    text = read(make_page(whole_results)).text()
    assert "Milliseconds are without measuring pixels, state" in text


def test_what_the_test_split_decides_is_told(whole_results):
    whole_results["headline"]["share"] = 0.25
    text = read(make_page(whole_results)).text()
    assert "no outcome of the third, the test split, chooses anything of the router." in text
    assert "the worst family do use them. In the comparison" in text


def test_a_decision_is_explained_by_its_neighbours(page):
    # From 1 to 9: 0.5757 of P for 0.0154 - 0.0017. From 9 to 36: 0.0707 for 0.1271 - 0.0154.
    text = read(page).text("article")
    assert "Takes 9 tokens. Compared with 1 it gains 0.576 in P, for a price of 0.014." in text
    assert "36 would add 0.071 in P, for a price of 0.112." in text


def test_a_larger_scale_that_is_less_likely_right_adds_nothing(results):
    results["gallery"][0]["scales"]["36"].update(probability=0.8, net=0.6729)
    text = read(make_page(results)).text("article")
    assert "36 would add nothing, for a price of 0.112." in text


def test_a_scale_that_is_not_shown_to_pay_is_no_alternative(results):
    results["gallery"][0]["scales"]["36"]["pays"] = False
    text = read(make_page(results)).text("article")
    assert "36 is not shown to pay on the calibration split." in text


def test_an_old_gallery_without_prices_has_no_explanation(results):
    for answer in results["gallery"][0]["scales"].values():
        del answer["net"]
    assert "Takes" not in read(make_page(results)).text("article")


def test_the_report_opens_with_the_verdict(whole_results):
    document = build_document(whole_results)
    assert document.lead.startswith("Worth routing: 11 tokens per question can keep what 36 get. ")
    assert document.tiles[0].name == "Gap closed at 9 tokens"
    # Older results judged by hindsight.
    old = {key: whole_results["ladder"][key] for key in ("sentence", "verdict", "headroom")}
    assert build_document({**whole_results, "ladder": old}).lead.startswith("1234 test questions")


@pytest.mark.parametrize("verdict", ["small", "luck", "undecided"])
def test_where_routing_does_not_pay_no_gap_closed_is_a_headline(whole_results, verdict):
    ladder = {**whole_results["ladder"], "verdict": verdict}
    tile = build_document({**whole_results, "ladder": ladder}).tiles[0]
    assert (tile.name, tile.value) == ("Gain over mixing fixed scales", "+4.1")
    assert tile.below == "points, 95 % interval -0.1 to +5.7"


def test_what_luck_may_be_is_told_with_its_bounds(whole_results):
    text = read(make_page(whole_results)).text()
    for figure in ("64.6 %", "62.6 % to 66.7 %", "0.43", "0.72", "0.61 to 0.82"):
        assert figure in text
    # An older results.json does not know it.
    del whole_results["attainable"]
    assert "What of it luck may be" not in read(make_page(whole_results)).text()


def test_with_repeats_the_ceiling_has_its_name_and_stands_at_the_top(whole_results):
    whole_results["attainable"]["9"].update(repeats=3, cross_fitted=0.6363, trainings=2)
    text = read(make_page(whole_results)).text()
    assert "Each question was asked 3 times, as it stands" in text
    assert "noise ceiling" in text and "attainable, at least" not in text and "63.6 %" in text
    [tile, *_] = build_document(whole_results).tiles
    assert tile.below.endswith(
        "; 0.72 (0.61 to 0.82) of what luck leaves attainable, probably an overestimate"
    )
    assert "; 93 % of the omniscient router's (88 % to 97 %); 0.72" in tile.below
    whole_results["attainable"]["9"]["ceiling_ogc"] = 0.6161
    row = read(make_page(whole_results)).text()
    assert "oracle on estimated success probabilities (from repeats)" in row and "0.62" in row
    # Older results knew it of the first seed alone, and the others are of all.
    del whole_results["attainable"]["9"]["trainings"]
    assert "luck leaves" not in build_document(whole_results).tiles[0].below
    row = read(make_page(whole_results)).text()
    assert "oracle on estimated success probabilities (from repeats)" not in row


def test_parity_that_is_not_established_has_no_figure(whole_results):
    assert (
        build_document(whole_results).tiles[2].value == "14"
    )  # of older results, which do not say
    whole_results["headline"].update(parity_established=False, parity_tokens=None)
    whole_results["settings"]["parity_drop"] = 0.005
    whole_results["costs"]["ms"]["parity"].update(established=False, cost=None)
    tile = build_document(whole_results).tiles[2]
    assert tile.value == "not established"
    assert (
        tile.below == "these splits do not show any choice to lose less than 0.5 % of the answers"
    )
    assert "not established" in read(make_page(whole_results)).text("td")


def test_too_few_images_are_told_above_all_else(whole_results):
    assert build_document(whole_results).banner == ""
    whole_results["settings"]["fewest"] = 50
    whole_results["meta"]["splits"] = {"calibration": {"images": 49}, "test": {"images": 50}}
    page = make_page(whole_results)
    assert 'role="alert"' in page
    assert "Too few images: 49 images in the calibration split, at least 50" in read(page).text("p")


def test_a_router_above_its_limit_is_flagged(whole_results):
    whole_results["headline"]["above_omniscient"] = True
    whole_results["omniscient"]["at"]["9"]["ogc"] = 0.4
    text = read(make_page(whole_results)).text()
    assert "At 9, 18 tokens the router closes more of the gap than the omniscient router" in text
    [tile, *_] = build_document(whole_results).tiles
    assert "above the omniscient router, which is no limit here" in tile.below
