import json

from click.testing import CliRunner

from scripts.fuzzing.counts import COMMAND, main


def test_counts_take_their_place_in_the_page(tmp_path):
    fuzz = {
        "seed": 3,
        "commit": "abc",
        "distinct": 5,
        "counts": {"a": {"refused": 4}, "b": {"hang": 1, "refused": 1}},
    }
    kills = {"seed": 1, "commit": "", "kills": [["train", "kill at a write", 9, 5, 4, 0, 0]]}
    sources = []
    for name, content in (("fuzz", fuzz), ("kills", kills)):
        sources.append(str(tmp_path / f"{name}.json"))
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- counts: written by hand -->\nold\n<!-- end of counts -->\nafter\n"
    )
    for _ in range(2):
        assert CliRunner().invoke(main, [*sources, str(page)]).exit_code == 0
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", f"<!-- counts: written by {COMMAND} -->"]
    assert lines[-2:] == ["<!-- end of counts -->", "after"]
    assert "old" not in lines
    assert "Seed 3, commit abc, 5 distinct inputs:" in lines
    assert "| inputs | calls | hang | refused |" in lines
    assert "| all | 6 | 1 | 5 |" in lines
    assert "Seed 1, commit unknown:" in lines
    assert "| train | kill at a write | 9 | 5 | 4 | 0 | 0 |" in lines
