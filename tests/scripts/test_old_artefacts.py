"""Label folders, routers and profiles that an older version wrote still open."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from m3_backbone.checkpoints.fingerprint import fingerprint_folder
from m3_backbone.checkpoints.loading import find_folder
from scripts.cli import main
from scripts.stages.label import LabelRequest, is_labelled, read_request, read_seconds

OLD = Path(__file__).parent / "old_artefacts"
OUTCOMES = OLD / "outcomes" / "calibration"
ASKED = LabelRequest(source="scenes:calibration", limit=3, max_new_tokens=8)


@pytest.fixture
def invoke(runner):
    def run(*arguments):
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, (result.output, result.exc_info)
        return result.stdout

    return run


@pytest.fixture
def copy(tmp_path):
    """The label folder, where it may be written to."""
    return Path(shutil.copytree(OUTCOMES, tmp_path / "copy"))


def read_manifest_settings():
    return json.loads((OUTCOMES / "manifest.json").read_text(encoding="utf-8"))["settings"]


def test_a_request_of_before_is_read():
    assert read_request(OUTCOMES) == ASKED
    assert read_seconds(OUTCOMES) == 13.376
    settings = read_manifest_settings()
    model = {name: settings[name] for name in ("checkpoint", "dtype")}
    assert is_labelled(OUTCOMES, ASKED, model)


def test_the_manifest_of_the_same_run_has_the_same_settings():
    expected = ASKED.to_manifest()
    settings = read_manifest_settings()
    assert {**expected, "scales": settings["scales"]}.items() <= settings.items()


def is_same_model():
    """Whether the embedded model is the one that these were made with."""
    return fingerprint_folder(find_folder("m3-mini")) == read_manifest_settings()["checkpoint"]


def label_again(copy, *options):
    source = ("--source", "scenes:calibration", "--limit", "3", "--out", str(copy))
    return ["label", *source, "--max-new-tokens", "8", *options]


def test_a_finished_label_folder_is_left_as_it_is(invoke, copy):
    if not is_same_model():
        pytest.skip("the embedded model is another one by now")
    before = {path: path.read_bytes() for path in copy.rglob("part-*") if path.is_file()}
    output = invoke(*label_again(copy))
    assert output.startswith(f"18 questions, 3 images: {copy}\n")
    assert {path: path.read_bytes() for path in copy.rglob("part-*") if path.is_file()} == before


def test_another_request_is_refused_in_one_line(runner, copy):
    result = runner.invoke(main, label_again(copy, "--max-new-tokens", "4"))
    assert result.exit_code == 2
    assert "max_new_tokens is 8 there but 4 now" in result.stderr
    assert result.stderr.count("\n") == 1


def test_old_outcomes_are_audited_and_their_oracles_measured(invoke):
    audited = invoke("audit", "--outcomes", OUTCOMES).splitlines()
    assert [line.split()[:3] for line in audited[1:6]] == [
        ["1", "1", "0.4444"],
        ["9", "9", "0.8889"],
        ["36", "36", "0.8889"],
        ["144", "144", "0.9444"],
        ["576", "576", "0.8889"],
    ]
    measured = invoke("oracle", "--outcomes", OUTCOMES).splitlines()
    assert measured[1].split() == ["questions", "18"]
    assert measured[2].split() == ["scale", "576", "0.8889"]


def test_old_outcomes_and_an_old_profile_are_trained_on(invoke, tmp_path):
    options = ("--kind", "linear", "--no-tune", "--certify", "0.6,0.5")
    output = invoke("train", "--run", OLD, "--out", tmp_path / "router", *options)
    assert output.startswith("linear router, 30 + 18 questions, ")
    assert output.splitlines()[2].split() == ["36", "0.0005707", "34.5", "0.9444"]
    [row] = [line.split() for line in output.splitlines() if line.startswith("regression:0.6,0.5 ")]
    assert row[1:3] == ["0.6", "0.5"] and row[-1] == "3"


def test_certificates_that_do_not_name_their_loss_are_refused(runner, tmp_path):
    verify = ["verify", "--router", str(OLD / "router")]
    ask = ["ask", "--image", str(tmp_path / "x.png"), "--router", str(OLD / "router")]
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    for command in (verify, [*ask, "--certified", "0.6,0.5", "what?"]):
        result = runner.invoke(main, command)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "train the router again" in result.stderr


@pytest.mark.parametrize(
    ("point", "scale"),
    [((), 144), (("--budget", "170", "--unit", "ms"), 144)],
)
def test_an_old_router_picks_what_it_picked(runner, tmp_path, point, scale):
    questions = LabelRequest(source="scenes:test", limit=1).load_questions()
    questions.image(questions.image_ids[0]).save(tmp_path / "x.png")
    known = ["ask", "--image", str(tmp_path / "x.png"), "--router", str(OLD / "router")]
    text = questions.questions[0].question
    result = runner.invoke(main, [*known, *point, "--max-new-tokens", "2", text])
    if is_same_model():
        assert result.exit_code == 0, result.output
        assert f"scale      {scale} (" in result.stdout
    else:
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "the router was trained for checkpoint" in result.stderr
