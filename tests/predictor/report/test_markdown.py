"""The Markdown says what the page says, and words from data cannot change its form."""

import re

import pytest

from predictor.report.document import Cell, Document, Section, Table
from predictor.report.html import Pictures, build_page
from predictor.report.markdown import build_markdown, escape
from predictor.report.outline import build_document


@pytest.fixture
def document(whole_results):
    return build_document(whole_results)


def numbers(text):
    return re.findall(r"\d+\.\d+", text)


def test_it_has_every_number_of_the_page_in_the_same_order(document):
    page = build_page(document, Pictures({}, {}))
    bare = re.sub(r"(?s)<style>.*?</style>|<[^>]+>", " ", page)
    assert numbers(build_markdown(document)) == numbers(bare)
    assert len(numbers(bare)) > 200


def test_every_section_and_figure_is_there(document):
    written = build_markdown(document)
    for section in document.sections:
        assert f"\n## {escape(section.title)}\n" in written
    for name in ("accuracy", "flops", "ms", "gap", "zoo", "ablation", "scales", "reliability"):
        assert f"](figures/{name}.png)\n" in written


def test_without_figures_no_heading_is_left_over_a_figure(document):
    written = build_markdown(document, command="m3scale report")
    assert "### In FLOPs" in build_markdown(document) and "### Parity in each unit" in written
    assert "### In FLOPs" not in written and "](figures/" not in written


def test_pictures_are_shown_where_there_are_some(document):
    assert "gallery/s1.png" not in build_markdown(document)
    assert "](gallery/s1.png)" in build_markdown(document, ["s1"])


def test_tables_keep_their_columns(document):
    lines = build_markdown(document).splitlines()
    for before, line in zip(lines, lines[1:], strict=False):
        if line.startswith("|") and before.startswith("|"):
            bars = [len(re.findall(r"(?<!\\)\|", text)) for text in (before, line)]
            assert bars[0] == bars[1], (before, line)


def test_words_of_data_stay_words(document):
    written = build_markdown(document)
    assert "<" not in re.sub(r"\\<", "", written)
    assert r"\<script\>alert(1)\</script\>" in written
    assert escape("a|b\n*c*_d_ [e](f) `g` &lt;") == r"a\|b \*c\*\_d\_ \[e\](f) \`g\` &amp;lt;"


def test_a_cell_says_its_remark_behind_it_and_a_strong_row_is_bold():
    table = Table(("who", "value"), [[Cell("a", "what a is"), "1"], ["b", ""]], strong=0)
    document = Document("T", "lead", "", [], [Section("s", "S", [table])])
    lines = build_markdown(document).splitlines()
    assert lines[-4:] == [
        "| who | value |",
        "| :-- | --: |",
        "| **a (what a is)** | **1** |",
        "| b |  |",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- item", r"\- item"),
        ("+ item", r"\+ item"),
        ("1. x", r"1\. x"),
        ("12) x", r"12\) x"),
        ("---", r"\---"),
        ("-0.5 and 1.5", "-0.5 and 1.5"),
        ("3.2", "3.2"),
        ("@name", "@\u2060name"),
        ("https://x.y", "https:\u2060//x.y"),
        ("www.x.y", "www\u2060.x.y"),
        ("a\0b\u2028c\r\nd", "a b c d"),
    ],
)
def test_a_name_is_no_list_link_or_mention(text, expected):
    assert escape(text) == expected
