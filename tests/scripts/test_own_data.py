"""One data set in, three splits out: no picture in two, and nothing judged on what it learnt."""

import json
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from labels.questions import image_fingerprint
from scripts.cli import main
from scripts.stages.cutting import cut
from scripts.stages.splits import read_splits

PARTS = ("router-train", "calibration", "test")
HALF = [f"w{number}" for number in range(0, 128, 2)]
SCALES = ("--scale", 1, "--scale", 9, "--scale", 36)


def call(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exc_info)
    if code:
        assert result.stderr.count("\n") == 1, result.stderr
    return result


def write_data(folder, pictures, questions, seed=0):
    """Write one JSONL about pictures, of which every fifth is there again under two other names.

    One of these files has the same pixels, the other differs by one grey level in a corner.
    """
    rng = np.random.default_rng(seed)
    names = []
    for number in range(pictures):
        pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST)
        image.save(folder / f"{number}.png")
        names.append(f"{number}.png")
        if number % 5 == 0:
            image.save(folder / f"again-{number}.bmp")
            image.putpixel((0, 0), tuple(int(level) ^ 1 for level in pixels[0, 0]))
            image.save(folder / f"nearly-{number}.png")
            names += [f"again-{number}.bmp", f"nearly-{number}.png"]
    lines = [
        {
            "image": names[row % len(names)],
            "question": f"{('what', 'where')[row % 3 % 2]} ?",
            "answers": HALF,
            "group": ("often", "seldom", "often")[row % 3],
        }
        for row in range(questions)
    ]
    source = folder / "mine.jsonl"
    source.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return source, names


def demo(folder, source, model, *more):
    words = ("--source", source, "--model", model, "--out", folder / "run", "--quiet")
    return call(
        "demo", *words, *SCALES, "--max-new-tokens", 1, "--seeds", 1, "--kind", "linear", *more
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_model):
    """A data set, the folder of the run that one command made of it, and what that printed."""
    folder = tmp_path_factory.mktemp("own")
    source, names = write_data(folder, 25, 70)
    return folder, names, demo(folder, source, tiny_model)


def split_files(folder, names, percent, seed):
    """Give the files of each split, by the row numbers that name the questions."""
    [whole] = read_splits([folder / "run" / "outcomes" / "all"])
    splits = cut(whole, percent, seed)
    rows = [[int(q.sample_id.rpartition(":")[2]) for q in split.questions] for split in splits]
    return [[names[row % len(names)] for row in of_split] for of_split in rows], splits


def check_apart(folder, names, splits):
    """Compare the pictures of the files themselves: pixels, and almost equal pixels."""
    assert all(splits)
    of_picture = {}
    for part, files in enumerate(splits):
        for name in set(files):
            with Image.open(folder / name) as image:
                image = image.convert("RGB")
                coarse = np.asarray(image, np.int64)[4::8, 4::8].tobytes()
            of_picture.setdefault(image_fingerprint(image), set()).add(part)
            of_picture.setdefault(coarse, set()).add(part)
    assert Counter(map(len, of_picture.values())).keys() == {1}


def test_one_command_gives_a_report(made):
    folder, names, ran = made
    report = folder / "run" / "report"
    assert ran.stdout.splitlines()[-1] == f"{'report':<24}{report / 'index.html'}"
    assert "split 60/20/20, seed 0: router-train" in ran.stdout
    assert "5 of 30 images are near-equal to another" in ran.stdout
    meta = json.loads((report / "results.json").read_text("utf-8"))["meta"]
    router = json.loads((folder / "run" / "router" / "config.json").read_text("utf-8"))["meta"]
    assert meta["split"] == router["split"]
    card = (folder / "run" / "router" / "README.md").read_text("utf-8")
    assert f"outcomes `{meta['split']['outcomes']}`: `60/20/20` percent, seed `0`" in card
    assert meta["n_questions"] == meta["split"]["parts"]["test"]["questions"]
    for mine, theirs in (("train", "router-train"), ("calibration", "calibration")):
        assert router[mine]["fingerprint"] == meta["split"]["parts"][theirs]["fingerprint"]
    assert (report / "index.html").read_text("utf-8").count("60/20/20")


@pytest.mark.parametrize(("percent", "seed"), [((60, 20, 20), 0), ((50, 25, 25), 7)])
def test_no_picture_is_in_two_splits(made, percent, seed):
    folder, names, _ = made
    files, splits = split_files(folder, names, percent, seed)
    check_apart(folder, names, files)
    for split, share in zip(splits, percent, strict=True):
        groups = Counter(map(str, split.data.groups))
        asked = Counter(map(str, np.concatenate([one.data.groups for one in splits])))
        assert all(abs(groups[name] - asked[name] * share / 100) <= 4 for name in asked)


def test_the_single_commands_take_the_same_split(made, tmp_path):
    folder = made[0]
    labels = ("--outcomes", folder / "run" / "outcomes" / "all", "--split", "60/20/20")
    train = ("--kind", "linear", "--no-tune", "--certify", "0.6,0.5", "--out", tmp_path / "router")
    assert "split 60/20/20, seed 3" in call("train", *labels, "--seed", 3, *train).stdout
    verify = ("verify", "--router", tmp_path / "router", *labels)
    assert (
        "1 certificates computed again, no lambda comes from the cali"
        in call(*verify, "--seed", 3).stdout
    )
    assert "calibration split" in call(*verify, "--seed", 4, code=2).stderr
    ablate = ("--kind", "linear", "--seeds", 1, "--json", tmp_path / "ablate.json")
    call("ablate", *labels, "--seed", 3, *ablate)
    assert json.loads((tmp_path / "ablate.json").read_text("utf-8"))["split"]["seed"] == 3

    report = ("report", *labels, "--router", tmp_path / "router", "--out", tmp_path / "report")
    refused = call(*report, "--seed", 4, "--seeds", 1, code=2).stderr
    assert "may have seen the images of the test split" in refused
    assert "--split 60/20/20 --seed 3, here --split 60/20/20 --seed 4" in refused


def test_a_shared_picture_is_left_out_of_the_later_split(made, tmp_path, tiny_model):
    folder, names, _ = made
    (tmp_path / "other").mkdir()
    source, others = write_data(tmp_path / "other", 6, 16, seed=1)
    # The first of them is a picture of the other data set, under a name of its own.
    (tmp_path / "other" / others[0]).write_bytes((folder / names[0]).read_bytes())
    label = ("--source", source, "--model", tiny_model, "--quiet", *SCALES)
    call("label", *label, "--max-new-tokens", 1, "--out", tmp_path / "labels")

    whole = folder / "run" / "outcomes" / "all"
    words = ("--calibration", tmp_path / "labels", "--kind", "linear", "--no-tune")
    train = ("train", "--outcomes", whole, *words, "--out", tmp_path / "router")
    assert "leave them out of the later split with --drop-shared" in call(*train, code=2).stderr
    ran = call(*train, "--drop-shared")
    assert "1 images with 2 questions left out of calibration" in ran.stdout
    facts = json.loads((tmp_path / "router" / "config.json").read_text("utf-8"))["meta"]
    assert facts["dropped"] == {"calibration": {"questions": 2, "images": 1}}
    assert facts["calibration"]["questions"] == 14


def test_a_run_with_one_folder_asks_for_the_split(made):
    for command in ("train", "report", "ablate"):
        assert "add --split" in call(command, "--run", made[0] / "run", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --split 60/20/20", "give --outcomes FOLDER, or --run"),
        ("train --split 60/20/20 --outcomes a --calibration b", "leave --calibration out"),
        ("train --split 60/40 --outcomes a", "expected three percentages such as 60/20/20"),
        ("train --split 60/20/nan --outcomes a", "expected three percentages"),
        ("train --split 80/20/20 --outcomes a", "expected three percentages"),
        ("train --split 100/0/0 --outcomes a", "expected three percentages"),
        ("report --outcomes a --router b", "--outcomes needs --split"),
        ("report --split 60/20/20 --test a --router b", "leave --test out"),
        ("ablate --split 60/20/20 --outcomes nowhere --calibration b", "leave --calibration out"),
        ("verify --router a --split 60/20/20", "--split and --train-outcomes need --outcomes"),
        ("demo --split 60/20/20", "--split needs --source"),
        ("demo --source a.jsonl --test-images 9", "--test-images is for the built-in benchmark"),
        ("demo --source a.jsonl --draw scenes-v3", "--draw is for the built-in benchmark"),
    ],
)
def test_what_does_not_fit_together_is_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2 and message in result.stderr, result.output
    assert not list(tmp_path.iterdir())


def test_a_demo_that_cannot_begin_says_one_line(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("question,answers\nwhat?,a\n", encoding="utf-8")
    arguments = ("demo", "--source", table, "--out", tmp_path / "run")
    assert "no column 'image'" in call(*arguments, code=2).stderr
    source, _ = write_data(tmp_path, 5, 10)
    (tmp_path / "model").mkdir()
    arguments = ("demo", "--source", source, "--model", tmp_path / "model", *arguments[3:])
    assert "config.json" in call(*arguments, code=2).stderr


@pytest.mark.slow
def test_a_thousand_questions_about_three_hundred_pictures(tmp_path, tiny_model):
    source, names = write_data(tmp_path, 300, 1000)
    ran = demo(tmp_path, source, tiny_model)
    assert (tmp_path / "run" / "report" / "index.html").is_file()
    assert "60 of 360 images are near-equal to another" in ran.stdout
    files, splits = split_files(tmp_path, names, (60, 20, 20), 0)
    check_apart(tmp_path, names, files)
    assert [len(split.data) for split in splits] == pytest.approx([600, 200, 200], abs=10)
    again = ("--run", tmp_path / "run", "--split", "60/20/20", "--out", tmp_path / "again")
    assert "split 60/20/20, seed 0" in call("report", *again, "--seeds", 1).stdout
