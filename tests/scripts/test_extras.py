"""Optional features from labelling to asking."""

import json

import pytest
from click.testing import CliRunner

from scripts.cli import main


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_model, write_source):
    """Two label folders, with the state in both and pixel statistics in one."""
    folder = tmp_path_factory.mktemp("extras")
    for split, count, extras in (("router-train", 12, ("pixels",)), ("calibration", 6, ())):
        source = write_source(folder / split, count, seed=count)
        asked = [word for name in ("state", *extras) for word in ("--extra", name)]
        options = ("--out", folder / "outcomes" / split, "--max-new-tokens", 1, *asked)
        actual = invoke("label", "--source", source, "--model", tiny_model, *options)
        assert actual.exit_code == 0, (actual.output, actual.exc_info)
    return folder


def test_a_router_with_extras_is_trained_and_asked(run, tiny_model):
    actual = invoke("train", "--run", run, "--kind", "linear", "--extra", "state")
    assert actual.exit_code == 0, (actual.output, actual.exc_info)
    config = json.loads((run / "router" / "config.json").read_text(encoding="utf-8"))
    assert config["meta"]["settings"]["features"]["blocks"][-1] == "state"
    known = ("--model", tiny_model, "--router", run / "router", "--budget", 72, "what ?")
    actual = invoke("ask", "--image", run / "calibration" / "0.png", *known)
    assert "P(correct)" in actual.stdout, (actual.output, actual.exc_info)


def test_extras_that_were_not_measured_are_refused(run, tmp_path):
    options = ("--out", tmp_path / "router", "--extra", "pixels", "--kind", "linear")
    actual = invoke("train", "--run", run, *options)
    assert (actual.exit_code, actual.stdout) == (2, "")
    assert actual.stderr.startswith("Error: the block 'pixels' is not in these labels")
    assert not (tmp_path / "router").exists()


def test_ablate_compares_the_extras_of_both_splits(run, tmp_path):
    table = tmp_path / "t.json"
    options = ("--kind", "constant", "--seeds", 2, "--json", table)
    actual = invoke("ablate", "--run", run, *options)
    assert actual.exit_code == 0, (actual.output, actual.exc_info)
    assert "ms without measuring state: give --profile" in actual.stdout
    assert actual.stdout.startswith("all blocks: there is no gap to close, ")  # of random weights
    assert "nan" not in actual.stdout
    # A profile whose state takes a second outweighs everything else.
    profile = tmp_path / "profile.json"
    times = {"scales": {"1": {"total_ms": 3.0}}, "extras_ms": {"state": 1000.0}}
    profile.write_text(json.dumps(times), encoding="utf-8")
    assert (
        "without" not in invoke("ablate", "--run", run, *options, "--profile", profile).stdout[-80:]
    )
    results = json.loads(table.read_text(encoding="utf-8"))
    costs = {row["block"]: row["ms"] for row in results["rows"]}
    assert costs["state"] == pytest.approx(1000, abs=20) and abs(costs["one"]) < 20
    blocks = {"one", "grid", "statistics", "question", "interactions", "state"}
    assert {row["block"] for row in results["rows"]} == blocks
    assert results["seeds"] == 2
