"""The commands one after the other on a tiny random model, and everything a user may get wrong."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from labels.outcomes.table import read_table
from scripts.cli import main

SPLITS = {"router-train": 16, "calibration": 8, "test": 8}


@pytest.fixture(scope="session")
def run(tmp_path_factory, tiny_model, write_source):
    """A run's folder with three labelled splits and a linear router; sources beside it."""
    folder = tmp_path_factory.mktemp("run")
    for seed, (split, count) in enumerate(SPLITS.items()):
        source = write_source(folder / "sources" / split, count, seed)
        out = folder / "outcomes" / split
        invoke("label", "--source", source, "--model", tiny_model, "--out", out, *SHORT)
    invoke("train", "--run", folder, "--kind", "linear")
    return folder


SHORT = ("--max-new-tokens", 1)


def invoke(*arguments):
    from click.testing import CliRunner

    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exc_info)
    return result


def refuse(runner, *arguments):
    """Run a command that must fail: exit 2, one line on stderr, nothing on stdout."""
    result = runner.invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exc_info)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def list_files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_label_again_does_nothing(run, tiny_model, tmp_path):
    out, source = run / "outcomes" / "test", run / "sources" / "test" / "questions.jsonl"
    before = list_files(out / "parts")
    again = ("--source", source, "--model", tiny_model, "--out", out, *SHORT)
    result = invoke("label", *again, "--json", tmp_path / "table.json")
    assert list_files(out / "parts") == before
    assert result.stdout.startswith(f"16 questions, 8 images: {out}\nscale  accuracy  tokens")
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [row["scale"] for row in table["fixed"]] == [1, 9, 36, 144, 576]
    assert [row["tokens"] for row in table["fixed"]] == [1, 9, 36, 144, 576]
    assert table["n_questions"] == 16


def test_label_on_a_full_disk_is_one_line_and_goes_on_once_there_is_room(
    run, tiny_model, small_disk, runner
):
    disk, make_room = small_disk
    source, out = run / "sources" / "test" / "questions.jsonl", disk / "run"
    again = ("label", "--source", source, "--model", tiny_model, "--out", out, *SHORT)
    (disk / "filler").write_bytes(bytes(248 * 1024))
    error = refuse(runner, *again)
    assert error.startswith(f"Error: cannot write {out}/")
    assert "No space left on device; what was written before is whole: make room" in error
    assert not list(out.rglob("*.tmp"))
    make_room()
    invoke(*again)
    expected, actual = (read_table(folder) for folder in (run / "outcomes" / "test", out))
    assert actual["answer"].equals(expected["answer"])


@pytest.mark.parametrize("device", ["meta", "hpu"])
def test_a_device_that_cannot_be_used_is_one_line(run, tiny_model, tmp_path, runner, device):
    chosen = ("--model", tiny_model, "--device", device)
    source, image = run / "sources" / "test" / "questions.jsonl", run / "sources" / "test" / "0.png"
    out = tmp_path / "new"
    for call in (
        ("ask", "--image", image, "--scale", 1, "what ?"),
        ("label", "--source", source, "--out", out),
        ("profile", "--limit", 1, "--repeats", 1, "--out", out),
    ):
        assert f"device '{device}' cannot be used here: " in refuse(runner, *call, *chosen)
    assert not out.exists()


def test_train_prints_what_budgets_give(run, tmp_path):
    out = tmp_path / "router"
    result = invoke("train", "--run", run, "--kind", "linear", "--out", out, "--json", out / "t")
    assert result.stdout.startswith("linear router, 32 + 16 questions, ")
    rows = json.loads((out / "t").read_text(encoding="utf-8"))["calibration"]
    assert [row["budget"] for row in rows] == [36, 72, 144]
    assert all(row["tokens"] <= row["budget"] for row in rows)


def test_train_auto_shows_its_candidates(run, tmp_path):
    out = tmp_path / "router"
    options = ("--kind", "auto", "--no-tune", "--out", out, "--json", tmp_path / "t.json")
    result = invoke("train", "--run", run, *options)
    actual = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert actual["kind"] == actual["candidates"][0]["kind"]
    assert len(actual["candidates"]) == 4
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["meta"]["candidates"] == actual["candidates"]
    assert result.stdout.startswith(f"{actual['kind']} router, 32 + 16 questions, ")
    assert "kind     budget" in result.stdout


def test_train_holds_a_share_back_without_a_calibration_split(run, tmp_path):
    # A quarter of the 16 images, two questions each, is for calibration.
    outcomes = ("--outcomes", run / "outcomes" / "router-train", "--out", tmp_path / "router")
    assert "24 + 8 questions" in invoke("train", *outcomes, "--kind", "linear").stdout


@pytest.fixture(scope="module")
def certified(run, tmp_path_factory):
    """A router with a certificate, and what `train` printed."""
    out = tmp_path_factory.mktemp("certified") / "router"
    claim = ("--certify", "0.4,0.3", "--json", out.parent / "t.json")
    return out, invoke("train", "--run", run, "--kind", "linear", "--out", out, *claim).stdout


SENTENCE = "With confidence 70 %, for images like those of the calibration split, at most 40 %"


def test_a_certified_router_is_trained_and_verified(run, certified, tmp_path, runner):
    out, output = certified
    assert f"regression:0.4,0.3: {SENTENCE}" in output
    [row] = json.loads((out.parent / "t.json").read_text(encoding="utf-8"))["certified"]
    assert (row["alpha"], row["delta"], row["images"]) == (0.4, 0.3, 8)
    verify = ("verify", "--router", out)
    assert "not computed again" in invoke(*verify).stdout
    labels, table = run / "outcomes", tmp_path / "t.json"
    verify = (*verify, "--outcomes", labels / "calibration")
    output = invoke(*verify, "--json", table).stdout
    assert output.startswith("files whole, 1 certificates computed again, not where their lambdas")
    assert SENTENCE in output
    actual = json.loads(table.read_text(encoding="utf-8"))
    assert actual == {"certified": [row], "proven_again": True, "candidates_proven": False}


def test_verify_proves_where_the_lambdas_come_from(run, certified, runner):
    verify, labels = ("verify", "--router", certified[0]), run / "outcomes"
    train = ("--train-outcomes", labels / "router-train")
    both = (*verify, "--outcomes", labels / "calibration")
    output = invoke(*both, *train).stdout
    assert "computed again, no lambda comes from the calibration split\n" in output
    other = refuse(runner, *both, "--train-outcomes", labels / "test")
    assert "give the folder that the router learnt from" in other
    assert "need --outcomes" in refuse(runner, *verify, *train)
    assert "give no more" in refuse(runner, *both, *train, "--split", "60/20/20")
    other = ("--outcomes", labels / "test")
    assert "was calibrated on" in refuse(runner, *verify, *other)


def test_a_certified_router_is_asked(run, certified, tiny_model, runner):
    known = ("ask", "--image", run / "sources" / "test" / "0.png", "--model", tiny_model)
    known = (*known, "--router", certified[0], "what ?")
    asked = invoke(*known, "--certified", "0.4,0.3").stdout
    assert "P(correct)" in asked and f"certified  {SENTENCE}" in asked
    # Shares are at most 1, and nearly every one is below: this asks for the largest scale.
    strange = invoke(*known, "--budget", 1, "--outlier", 1).stdout
    assert ("unfamiliar" in strange) == ("scale      576 (" in strange)
    assert "certified" not in strange
    assert "outlier must be a number from 0 to 1" in refuse(runner, *known, "--outlier", 2)
    other = refuse(runner, *known, "--certified", "net:0.4,0.3")
    assert "certified for regression:0.4,0.3, not for net:0.4,0.3" in other


def test_verify_without_certificates_checks_the_files(run):
    assert invoke("verify", "--router", run / "router").stdout == "files whole, 0 certificates\n"


def test_too_few_calibration_images_leave_no_router(run, runner, tmp_path):
    out = ("--out", tmp_path / "router", "--certify", "0.02,0.1")
    message = refuse(runner, "train", "--run", run, "--kind", "linear", *out)
    assert "needs at least 114 calibration images, got 8" in message
    assert not (tmp_path / "router").exists()


@pytest.mark.parametrize("command", ["train", "ablate", "demo"])
def test_an_unknown_router_is_refused_before_anything_is_read(runner, tmp_path, command):
    place = ("--out", tmp_path) if command == "demo" else ("--run", tmp_path)
    message = refuse(runner, command, *place, "--kind", "nope")
    assert "router must be one of ['blend', 'boosted'," in message and "got 'nope'" in message
    assert not any(tmp_path.iterdir())


def test_ask_shows_answer_scale_and_probabilities(run, tiny_model, tmp_path):
    image, questions = run / "sources" / "test" / "0.png", ("what ?", "where ?")
    options = ("--image", image, "--model", tiny_model, "--router", run / "router")
    result = invoke("ask", *options, "--budget", 576, "--json", tmp_path / "a.json", *questions)
    rows = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["question"] for row in rows] == list(questions)
    for row in rows:
        assert row["scale"] == row["visual_tokens"]
        assert list(row["probabilities"]) == ["1", "9", "36", "144", "576"]
        assert f"answer     {row['answer']}\nscale      {row['scale']} (" in result.stdout
    assert result.stdout.count("P(correct)") == 2


def test_ask_at_a_scale_needs_no_router(run, tiny_model):
    image = run / "sources" / "test" / "0.png"
    result = invoke("ask", "--image", image, "--model", tiny_model, "--scale", 9, "what ?")
    assert "scale      9 (9 visual tokens)" in result.stdout
    assert "P(correct)" not in result.stdout


def test_report_writes_page_and_results(run, tmp_path):
    result = invoke("report", "--run", run, "--seeds", 1, "--json", tmp_path / "r.json")
    lines = result.stdout.splitlines()
    assert lines[-1] == f"{'report':<24}{run / 'report' / 'index.html'}"
    # Eight images do not show that routing pays, so there may be no gap closed to print.
    assert any(line.startswith("tokens to parity   ") for line in lines[-8:])
    assert lines[-2].startswith("Too few images: 8 images in the calibration split")
    results = json.loads((run / "report" / "results.json").read_text(encoding="utf-8"))
    assert results == json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    meta = results["meta"]
    assert (meta["n_questions"], meta["n_images"], meta["seeds"]) == (16, 8, [0])
    assert {"checkpoint", "code_version", "hardware", "command", "timings"} <= set(meta)
    assert meta["timings"]["label_test_s"] > 0
    assert results["headline"]["router_mb"] > 0
    for card in results["gallery"]:
        with Image.open(run / "report" / card["image"]) as picture:
            assert picture.size == (48, 48)
    assert len(results["gallery"]) == 12


def test_report_without_images_has_no_gallery(run, tmp_path, caplog):
    copy = tmp_path / "copy"
    shutil.copytree(run / "outcomes" / "test", copy)
    (copy / "request.json").unlink()
    invoke("report", "--run", run, "--test", copy, "--seeds", 1, "--out", tmp_path / "report")
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    assert results["gallery"] == []
    assert "the report has no gallery" in caplog.text


def test_report_refuses_what_was_seen_in_training(run, runner, tmp_path):
    seen = ("--test", run / "outcomes" / "calibration", "--out", tmp_path / "report")
    assert "split by image" in refuse(runner, "report", "--run", run, *seen)
    assert not (tmp_path / "report").exists()


def test_report_refuses_a_router_of_other_outcomes(run, runner, tmp_path):
    swapped = ("--train", run / "outcomes" / "test", "--out", tmp_path / "report")
    assert "made with other outcomes" in refuse(runner, "report", "--run", run, *swapped)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train --out r", "give --outcomes FOLDER, or --run FOLDER"),
        ("train --run nowhere --certify 1", "expected [LOSS:]ALPHA,DELTA[,UNIT] such as"),
        (
            "train --run nowhere --certify nan,0.1",
            "alpha must lie strictly between 0 and 1, got nan",
        ),
        ("ask what --image x --certified 0.1,1", "delta must lie strictly between 0 and 1, got 1"),
        ("verify --router nowhere", "no router in nowhere"),
        ("train --run nowhere", "holds no labelling run"),
        ("train --outcomes nowhere --out r", "holds no labelling run"),
        ("report --run nowhere", "no router in nowhere"),
        ("label --source nowhere.jsonl --out r", "there is no data set at nowhere.jsonl"),
        ("label --source scenes:nothing --out r", "nothing"),
        ("label --source scenes --out r --column image", "expected FIELD=NAME, got 'image'"),
        ("label --source scenes:test --limit 0 --out r", "0 is not in the range x>=1"),
        ("demo --test-images 1", "1 is not in the range x>=2"),
    ],
)
def test_bad_folders_and_options(runner, monkeypatch, tmp_path, command, message):
    monkeypatch.chdir(tmp_path)
    assert message in refuse(runner, *command.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ({"picture": "0.png"}, (), "has no column 'image'"),
        ({"image": "missing.png"}, (), "there is no image file"),
        ({"image": "text.png"}, (), "not an image"),
        ({"image": "short.png"}, (), "short"),
        ({"image": "0.png", "question": " "}, (), "empty question"),
        ({"image": "0.png"}, ("--metric", "best"), "unknown metric 'best'"),
        ({"image": "0.png"}, ("--scale", 10), "10"),
    ],
)
def test_bad_questions_leave_nothing(runner, tmp_path, tiny_model, run, line, options, message):
    make_bad_images(tmp_path, run)
    source = tmp_path / "questions.jsonl"
    content = {"question": "what ?", "answers": ["w1"], **line}
    source.write_text(json.dumps(content), encoding="utf-8")
    out = ("--out", tmp_path / "out", "--model", tiny_model)
    stderr = refuse(runner, "label", "--source", source, *out, *options)
    assert message in stderr
    assert not (tmp_path / "out").exists()


def make_bad_images(folder, run):
    good = (run / "sources" / "test" / "0.png").read_bytes()
    (folder / "0.png").write_bytes(good)
    (folder / "text.png").write_text("not a picture", encoding="utf-8")
    (folder / "short.png").write_bytes(good[:200])
    Image.new("RGB", (1, 1)).save(folder / "1x1.png")
    Image.new("1", (30000, 20)).save(folder / "wide.png")


@pytest.mark.parametrize(
    ("image", "question", "options", "message"),
    [
        ("missing.png", "what ?", (), "no image file at"),
        ("text.png", "what ?", (), "is not an image"),
        ("short.png", "what ?", (), "cut short"),
        ("1x1.png", "what ?", (), "1x1"),
        ("wide.png", "what ?", (), "30000x20"),
        ("0.png", "  ", (), "question is empty"),
        ("0.png", "what ?", ("--scale", 10), "1, 9, 36, 144, 576"),
        ("0.png", "what ?", ("--budget", 0.5), "budget 0.5 is below"),
        ("0.png", "what ?", ("--lambda", -1), "lambda must be"),
        ("0.png", "what ?", ("--scale", 9, "--budget", 9), "only one of --budget"),
        ("0.png", "what ?", ("--model", "nowhere"), "nowhere"),
        ("0.png", "what ?", ("--router", "nowhere"), "no router in nowhere"),
        ("0.png", "what ?", ("--device", "toaster"), "toaster"),
    ],
)
def test_ask_refuses(runner, tmp_path, tiny_model, run, image, question, options, message):
    make_bad_images(tmp_path, run)
    known = ("--image", tmp_path / image, "--model", tiny_model, "--router", run / "router")
    assert message in refuse(runner, "ask", *known, *options, question)


def test_ask_refuses_a_tampered_router(runner, tmp_path, tiny_model, run):
    router = Path(shutil.copytree(run / "router", tmp_path / "router"))
    weights = next(path for path in sorted(router.iterdir()) if path.suffix in (".npz", ".txt"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    known = ("--image", run / "sources" / "test" / "0.png", "--model", tiny_model)
    assert "was changed or damaged" in refuse(runner, "ask", *known, "--router", router, "what ?")
