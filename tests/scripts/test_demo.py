import json

import pytest
from click.testing import CliRunner

from labels.outcomes.table import read_outcomes
from scripts.cli import main
from scripts.stages.profile import is_profiled
from scripts.stages.run_folder import SPLITS

SIZES = "--train-images 8 --calibration-images 4 --test-images 4 --outside-images 3".split()
SMALL = [*SIZES, "--rephrased-images", "2", "--seeds", "1", "--kind", "linear"]
SMALL += ["--draw", "scenes-v1", "--repeats", "2"]


@pytest.fixture(scope="module")
def demo(tiny_model, tmp_path_factory):
    """Run a small demo once: its folder, its arguments and how it ended."""
    out = tmp_path_factory.mktemp("runs") / "demo"
    arguments = ["demo", "--out", str(out), "--model", tiny_model, *SMALL]
    return out, arguments, CliRunner().invoke(main, arguments)


def test_demo_runs_once_and_then_skips(runner, demo):
    out, arguments, first = demo
    assert first.exit_code == 0, (first.output, first.exc_info)
    assert "done already" not in first.stderr
    lines = first.stdout.splitlines()
    assert lines[-1] == f"{'report':<24}{out / 'report' / 'index.html'}"
    # A random model is not worth routing, so the gap closed is no headline.
    assert lines[-4].startswith(("Undecided: ", "Not worth routing: "))
    assert lines[-2].startswith("Too few images: 4 images in the calibration split")
    assert lines[-8].startswith("tokens to parity")
    assert not any(line.startswith("OGC at") for line in lines)
    assert (out / "example.png").is_file()

    second = runner.invoke(main, arguments)
    assert second.exit_code == 0, (second.output, second.exc_info)
    # Five splits, the profile, the router and the report; asking takes a moment, so it is done
    # again.
    assert second.stderr.count("(done already)") == 8
    assert second.stdout.splitlines()[-9:] == lines[-9:]


def test_a_profile_of_another_checkpoint_is_not_taken(demo, tmp_path):
    known = json.loads((demo[0] / "profile.json").read_text(encoding="utf-8"))
    assert is_profiled(demo[0] / "profile.json", known["checkpoint"], "float32")
    assert not is_profiled(demo[0] / "profile.json", "feedbeef", "float32")
    assert not is_profiled(demo[0] / "profile.json", known["checkpoint"], "bfloat16")
    assert not is_profiled(tmp_path / "none", known["checkpoint"], "float32")
    (tmp_path / "old").write_text("[]", encoding="utf-8")
    assert not is_profiled(tmp_path / "old", known["checkpoint"], "float32")


def test_demo_with_other_sizes_refuses_the_old_folder(runner, demo):
    result = runner.invoke(main, [*demo[1], "--quiet", "--train-images", "9"])
    assert result.exit_code == 2
    assert "holds a run with other settings" in result.stderr


def test_demo_omniscient_router_knows_the_metadata(demo):
    results = json.loads((demo[0] / "report" / "results.json").read_text(encoding="utf-8"))
    assert results["omniscient"] is not None
    assert results["luck_floor"] is not None
    # The draw is named; of the test split alone each question is asked again.
    assert results["meta"]["draw"] == "scenes-v1"
    assert {one["repeats"] for one in results["attainable"].values()} == {2}
    asked = [read_outcomes(demo[0] / "outcomes" / name).repeats for name in SPLITS]
    assert [one is None for one in asked] == [True, True, False]
    assert results["ood"]["n"] > 0
    assert results["ood"]["router_at_72"]["tokens"] <= 576
    assert results["paraphrase"]["images"] == 2
    assert set(results["costs"]) == {"tokens", "flops", "ms"}
    assert set(results["meta"]["profile"]["scales"]) == set(results["fixed"])
    assert set(results["meta"]["profile"]["extras_ms"]) == {"pixels", "state"}
