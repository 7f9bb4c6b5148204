"""The plug-in in inspect-ai: a small task at two scales and with a router, and its logs imported.

It runs in another environment, named by a variable:
`INSPECT_PYTHON=/path/to/bin/python pytest -m slow tests/scripts/harnesses/test_inspect_ai.py`.
That environment needs inspect-ai, what m3_backbone imports, and m3scale itself
(`pip install --no-deps -e .`), for its entry point; the code that runs is this one.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from labels.outcomes.table import read_outcomes
from labels.sources.loading import load_questions
from m3_backbone.images import load_image
from predictor.adaptive import AdaptiveM3
from scripts.cli import main

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("INSPECT_PYTHON")
SPLITS = {"router-train": 12, "calibration": 6, "test": 6}
SCALES = (9, 144)

TASK = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate, system_message
from labels.metrics.score import score_exact
from labels.questions import Question

@scorer(metrics=[accuracy()])
def right():
    async def score(state, target):
        asked = Question("q", "i", "?", tuple(target), "exact")
        return Score(value=score_exact(state.output.completion, asked).score)
    return score

@task
def scenes(source: str):
    samples = []
    for number, row in enumerate(map(json.loads, open(source))):
        said = [ContentImage(image=row["image"]), ContentText(text=row["question"])]
        told = {"group": row["group"]}
        sample = Sample([ChatMessageUser(content=said)], target=row["answers"], id=number)
        samples.append(sample.model_copy(update={"metadata": told}))
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=right())
"""

needs_inspect = pytest.mark.skipif(
    PYTHON is None, reason="INSPECT_PYTHON names no environment of inspect-ai"
)


def invoke(*words):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exc_info)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Questions as anybody's data, what `label` and `train` make of them, and the task."""
    folder = tmp_path_factory.mktemp("inspect")
    for split, images in SPLITS.items():
        (folder / split).mkdir()
        scenes = load_questions(f"scenes:{split}", limit=images)
        rows = []
        for question in scenes:
            if question.metric == "exact" and not question.choices:
                place = folder / split / f"{question.image_id}.png"
                scenes.image(question.image_id).save(place)
                facts = {"question": question.question, "answers": list(question.answers)}
                rows.append({"image": str(place), **facts, "group": question.group})
        source = folder / split / "questions.jsonl"
        source.write_text("\n".join(map(json.dumps, rows)))
        invoke("label", "--source", source, "--out", folder / "outcomes" / split, "--quiet")
    invoke("train", "--run", folder)
    (folder / "task.py").write_text(TASK)
    return folder


def run_inspect(run, arguments, logs):
    command = [PYTHON, "-m", "inspect_ai", "eval", "task.py", "--model", "m3scale/m3-mini"]
    command += ["-T", f"source={run / 'test' / 'questions.jsonl'}", "--display", "plain"]
    command += ["--log-format", "json", "--log-dir", str(logs)]
    command += [word for argument in arguments for word in ("-M", argument)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        command, env=environment, cwd=run, capture_output=True, text=True, check=False
    )


def evaluate(run, arguments, logs):
    """Run inspect-ai; give its log."""
    done = run_inspect(run, arguments, logs)
    found = list(logs.glob("*.json"))
    assert done.returncode == 0 and len(found) == 1, (done.stdout[-3000:], done.stderr[-3000:])
    return found[0]


@pytest.mark.slow
@needs_inspect
def test_logs_of_inspect_hold_what_label_finds(tmp_path, run):
    words = []
    for scale in SCALES:
        log = evaluate(run, [f"scale={scale}"], tmp_path / f"logs{scale}")
        words += ["--samples", f"{scale}={log}"]
        for sample in json.loads(log.read_text())["samples"]:
            assert sample["output"]["metadata"] == {"scale": scale, "visual_tokens": scale}
            assert sample["output"]["choices"][0]["stop_reason"] == "stop"
    out = tmp_path / "outcomes"
    invoke("import", *words, "--out", out)
    ours, read = read_outcomes(run / "outcomes" / "test"), read_outcomes(out)
    columns = [ours.scales.index(scale) for scale in SCALES]
    assert read.scales == SCALES
    assert read.image_ids.tolist() == ours.image_ids.tolist()
    assert read.groups.tolist() == ours.groups.tolist()
    for name in ("answers", "scores", "visual_tokens"):
        assert getattr(read, name).tolist() == getattr(ours, name)[:, columns].tolist(), name


@pytest.mark.slow
@needs_inspect
def test_a_router_answers_in_inspect_as_adaptive_m3_does(tmp_path, run):
    arguments = [f"router={run / 'router'}", "budget=72", "outlier=0.1"]
    samples = json.loads(evaluate(run, arguments, tmp_path / "logs").read_text())["samples"]
    rows = map(json.loads, (run / "test" / "questions.jsonl").read_text().splitlines())
    model = AdaptiveM3.from_pretrained("m3-mini", run / "router", outlier=0.1)
    pairs = [(load_image(row["image"]), row["question"]) for row in rows]
    expected = model.generate(*zip(*pairs, strict=True), budget=72)
    assert len({answer.scale for answer in expected}) > 1
    for sample, answer in zip(samples, expected, strict=True):
        output, facts = sample["output"], sample["output"]["metadata"]
        assert output["completion"] == answer.text
        assert (facts["scale"], facts["visual_tokens"]) == (answer.scale, answer.visual_tokens)
        assert (facts["unfamiliar"], facts["reason"]) == (answer.unfamiliar, answer.reason)
        believed = {int(scale): p for scale, p in facts["probabilities"].items()}
        assert believed == pytest.approx(answer.probabilities, abs=1e-5)
        assert output["usage"]["input_tokens"] == answer.prompt_tokens
        assert output["usage"]["output_tokens"] == answer.output_tokens


@pytest.mark.slow
@needs_inspect
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scale=36", "bugdet=72"], "unknown model argument 'bugdet'"),
        (["scale=36", "pretrained=m3-mini"], "the model argument 'pretrained' is given twice"),
        (["router=/nowhere"], "/nowhere"),
    ],
)
def test_bad_model_arguments_end_inspect_in_one_line(tmp_path, run, arguments, message):
    done = run_inspect(run, arguments, tmp_path / "logs")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert message in " ".join((done.stdout + done.stderr).split())
    assert not list((tmp_path / "logs").glob("*.json"))


REFUSED = {
    "top_k": 1, "frequency_penalty": 0.5, "presence_penalty": -0.5, "logit_bias": {5: -100},
    "num_choices": 2, "best_of": 2,
}  # fmt: skip

ASK_FOR_EACH = """
from inspect_ai.model import GenerateConfig
from scripts.harnesses.inspect_ai import read_config
read_config(GenerateConfig(frequency_penalty=0, num_choices=1), 16)
for name, value in {refused}.items():
    try:
        read_config(GenerateConfig(**{{name: value}}), 16)
    except ValueError as error:
        print(error)
"""


@pytest.mark.slow
@needs_inspect
def test_what_would_not_be_done_is_refused():
    command = [PYTHON, "-c", ASK_FOR_EACH.format(refused=REFUSED)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    expected = [f"m3scale does not know {name}: leave it out" for name in REFUSED]
    assert done.stdout.splitlines() == expected
