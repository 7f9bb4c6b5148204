"""Label folders, routers and profiles that an older version wrote still open."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from m3_backbone import backbone
from predictor.bundle.bundle import RouterBundle
from scripts.cli import main
from scripts.stages.cutting import Cutting
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


@pytest.fixture
def marked_as_then(monkeypatch):
    """Give the embedded model, whatever its weights are, the fingerprint that these are for."""
    mark = read_manifest_settings()["checkpoint"]
    monkeypatch.setattr(backbone, "fingerprint_folder", lambda _: mark)


def read_manifest_settings():
    return json.loads((OUTCOMES / "manifest.json").read_text(encoding="utf-8"))["settings"]


def test_a_request_of_before_is_read():
    assert read_request(OUTCOMES) == ASKED
    assert read_seconds(OUTCOMES) == 1.612  # as its parts say; its request has the whole session
    settings = read_manifest_settings()
    model = {name: settings[name] for name in ("checkpoint", "dtype")}
    assert is_labelled(OUTCOMES, ASKED, model)


def test_the_manifest_of_the_same_run_has_the_same_settings():
    expected = ASKED.to_manifest()
    settings = read_manifest_settings()
    assert {**expected, "scales": settings["scales"]}.items() <= settings.items()


def label_again(copy, *options):
    source = ("--source", "scenes:calibration", "--limit", "3", "--out", str(copy))
    return ["label", *source, "--max-new-tokens", "8", *options]


def read_files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("marked_as_then")
def test_a_finished_label_folder_is_left_as_it_is(invoke, copy):
    before = read_files(copy / "parts")
    output = invoke(*label_again(copy))
    assert output.startswith(f"18 questions, 3 images: {copy}\n")
    assert read_files(copy / "parts") == before


def test_labels_of_another_checkpoint_are_refused_in_one_line(runner, copy, tiny_model):
    before = read_files(copy)
    result = runner.invoke(main, label_again(copy, "--model", tiny_model))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert f"checkpoint is '{read_manifest_settings()['checkpoint']}' there but" in result.stderr
    assert read_files(copy) == before


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
    assert output.splitlines()[2].split() == ["36", "0.0005703", "34.5", "0.9444"]
    [row] = [line.split() for line in output.splitlines() if line.startswith("regression:0.6,0.5 ")]
    assert row[1:3] == ["0.6", "0.5"] and row[-1] == "3"


@pytest.mark.usefixtures("marked_as_then")
def test_certificates_that_do_not_name_their_loss_are_refused(runner, tmp_path):
    verify = ["verify", "--router", str(OLD / "router")]
    ask = ["ask", "--image", str(tmp_path / "x.png"), "--router", str(OLD / "router")]
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    for command in (verify, [*ask, "--certified", "0.6,0.5", "what?"]):
        result = runner.invoke(main, command)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "train the router again" in result.stderr


def test_an_old_router_picks_what_it_picked():
    """On the features that it was calibrated with; what each price gave there lies beside it."""
    router = RouterBundle.load(OLD / "router")
    [calibration] = [split.data for split in Cutting().read([OUTCOMES])]
    belief = router.predict_proba(calibration.coarse, calibration.question)
    scales = np.array(router.scales, np.float64)
    points = [(router.policy, scales, router.price)]
    for unit, prices in router.prices.items():
        points.append((prices.table, prices.price(scales), partial(router.price, unit=unit)))
    assert [table.unit for table, _, _ in points] == ["visual tokens", "GFLOP", "ms"]
    for table, costs, price in points:
        for cost, accuracy in zip(table.costs, table.accuracies, strict=True):
            chosen = price(cost).choose(belief, scales)
            assert costs[chosen].mean() == pytest.approx(cost)
            score = calibration.scores[np.arange(len(chosen)), chosen].mean()
            assert score == pytest.approx(accuracy)


@pytest.fixture
def asked(tmp_path):
    """A command that asks the router something about a scene."""
    questions = LabelRequest(source="scenes:calibration", limit=1).load_questions()
    questions.image(questions.image_ids[0]).save(tmp_path / "x.png")
    text = questions.questions[0].question
    files = ["--image", str(tmp_path / "x.png"), "--router", str(OLD / "router")]
    return ["ask", *files, "--max-new-tokens", "2", text]


@pytest.mark.usefixtures("marked_as_then")
@pytest.mark.parametrize("point", [(), ("--budget", "170", "--unit", "ms")])
def test_an_old_router_is_asked(invoke, asked, point):
    told = [line.split() for line in invoke(*asked, *point).splitlines()]
    [scale] = [line[1] for line in told if line and line[0] == "scale"]
    [shares] = [line[1::2] for line in told if line and line[0] == "P(correct)"]
    assert f"{scale}:" in shares and len(shares) == 5


def test_an_old_router_is_refused_for_another_checkpoint(runner, asked, tiny_model):
    result = runner.invoke(main, [*asked, "--model", tiny_model])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    mark = read_manifest_settings()["checkpoint"]
    assert f"the router was trained for checkpoint '{mark}'" in result.stderr
