import pytest

from scripts.terminal.marked import cut_marked, write_marked

PLACE = "<!-- figures: written by hand -->\nold\n<!-- end of figures -->"


def test_a_text_takes_its_place_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{PLACE}\nAfter, with <!-- end of others -->.\n")
    for text in ("first", "| a \\1 |\n"):
        write_marked(page, "figures", "make figures", text)
    assert page.read_text() == (
        "Before.\n<!-- figures: written by make figures -->\n\n| a \\1 |\n\n"
        "<!-- end of figures -->\nAfter, with <!-- end of others -->.\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "No place.",
        PLACE + PLACE,
        PLACE.partition("old")[0],
        "<!-- end of figures --> <!-- figures: written by hand -->",
        PLACE.replace("figures", "others"),
    ],
)
def test_a_file_without_the_one_place_is_refused_and_stays(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    for attempt in (cut_marked, lambda *place: write_marked(*place, "make", "new")):
        with pytest.raises(ValueError, match="must have a line that begins with '<!-- figures: "):
            attempt(page, "figures")
    assert page.read_text() == text
