"""The plug-in in lmms-eval: a local task at five scales and with a router, and its logs imported.

lmms-eval wants releases of its own, so it runs in another environment, named by a variable:
`LMMS_EVAL_PYTHON=/path/to/bin/python pytest -m slow tests/scripts/harnesses/test_lmms_eval.py`.
That environment needs lmms-eval 0.7.3 with filelock below 4.3, what m3_backbone imports, and
m3scale itself (`pip install --no-deps -e .`), for its entry point; the code that runs is this one.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from labels.outcomes.parts import FEATURES, part_path
from labels.outcomes.table import read_outcomes
from labels.sources.loading import load_questions
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn
from scripts.cli import main

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("LMMS_EVAL_PYTHON")
SPLITS = {"router-train": 12, "calibration": 6, "test": 6}
SCALES = (1, 9, 36, 144, 576)

UTILS = """
from PIL import Image
from labels.metrics.score import score_exact
from labels.questions import Question

def show(doc):
    return [Image.open(doc["image"]).convert("RGB")]

def tell(doc):
    [image] = show(doc)
    shown = {"type": "image", "url": image}
    parts = [{"type": "text", "text": doc["question"]}, {"type": "image", "url": doc["image"]}]
    return [
        {"role": "user", "content": [shown, shown, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "signs"}]},
        {"role": "user", "content": [*parts, {"type": "text", "text": "Say it."}]},
    ]

def judge(doc, results):
    asked = Question("q", "i", doc["question"], tuple(doc["answers"]), "exact")
    return {"right": score_exact(results[0], asked).score}
"""

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.show
doc_to_text: question
doc_to_target: answers
generation_kwargs: {{max_new_tokens: 16}}
process_results: !function utils.judge
metric_list: [{{metric: right, aggregation: mean, higher_is_better: true}}]
"""

# A conversation about three images, with a stop that is in many answers.
CHATS = TASK.replace("16}}", "4, until: e}}").replace(
    "doc_to_visual:", "doc_to_messages: !function utils.tell\ndoc_to_visual:"
)


def invoke(*words):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exc_info)
    return result.stdout


def write_source(folder, split, images):
    """Write scenes as anybody's data: pictures and a JSONL."""
    folder.mkdir(parents=True)
    scenes = load_questions(f"scenes:{split}", limit=images)
    rows = []
    for question in scenes:
        if question.metric == "exact" and not question.choices:
            place = folder / f"{question.image_id}.png"
            scenes.image(question.image_id).save(place)
            facts = {"question": question.question, "answers": list(question.answers)}
            rows.append({"image": str(place), **facts, "group": question.group})
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def write_tasks(folder, sources):
    folder.mkdir()
    (folder / "utils.py").write_text(UTILS)
    for name, file in sources.items():
        for task, text in ((name_task(name), TASK), (f"{name_task(name)}_chats", CHATS)):
            (folder / f"{task}.yaml").write_text(text.format(name=task, file=file))
    return folder


def name_task(source):
    return source.replace("-", "_")


def run_harness(tasks, model_args, names, out):
    command = [PYTHON, "-m", "lmms_eval", "--model", "m3scale", "--model_args", model_args]
    command += ["--tasks", ",".join(names), "--include_path", str(tasks), "--batch_size", "5"]
    command += ["--log_samples", "--output_path", str(out)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tasks / "cache"),
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def evaluate(tasks, model_args, names, out):
    """Run lmms-eval; give the log of each task."""
    done = run_harness(tasks, model_args, names, out)
    assert done.returncode == 0, done.stderr[-3000:]
    logs = [list(out.rglob(f"*_samples_{name}.jsonl")) for name in names]
    assert all(len(found) == 1 for found in logs), (logs, done.stdout[-3000:], done.stderr[-3000:])
    return [found[0] for found in logs]


def read_log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


needs_lmms_eval = pytest.mark.skipif(
    PYTHON is None, reason="LMMS_EVAL_PYTHON names no environment of lmms-eval"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {name: write_source(folder / name, name, images) for name, images in SPLITS.items()}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, sources):
    return write_tasks(tmp_path_factory.mktemp("lmms") / "tasks", sources)


@pytest.fixture(scope="module")
def own(tmp_path_factory, sources):
    """What `label` and `train` make of the same questions."""
    folder = tmp_path_factory.mktemp("own")
    for name, source in sources.items():
        invoke("label", "--source", source, "--out", folder / "outcomes" / name, "--quiet")
    invoke("train", "--run", folder)
    return folder


@pytest.mark.slow
@needs_lmms_eval
def test_logs_of_lmms_eval_train_the_router_that_labels_train(tmp_path, sources, tasks, own):
    names = [name_task(name) for name in sources]
    logs = {
        scale: dict(
            zip(
                sources,
                evaluate(tasks, f"scale={scale}", names, tmp_path / f"logs{scale}"),
                strict=True,
            )
        )
        for scale in SCALES
    }
    for name, source in sources.items():
        samples = [word for s in SCALES for word in ("--samples", f"{s}={logs[s][name]}")]
        out = tmp_path / "outcomes" / name
        invoke("import", *samples, "--out", out)
        invoke("features", "--outcomes", out, "--source", source, "--quiet")
        ours, read = read_outcomes(own / "outcomes" / name), read_outcomes(out)
        assert read.answers.tolist() == ours.answers.tolist()
        assert read.scores.tolist() == ours.scores.tolist()
        assert read.visual_tokens.tolist() == ours.visual_tokens.tolist()
        first, second = (part_path(f, 0, FEATURES) for f in (own / "outcomes" / name, out))
        assert first.read_bytes() == second.read_bytes()
    invoke("train", "--run", tmp_path)
    for path in (own / "router").glob("*.npz"):
        assert path.read_bytes() == (tmp_path / "router" / path.name).read_bytes()
    invoke("report", "--run", tmp_path, "--out", tmp_path / "report", "--seeds", 1)
    assert json.loads((tmp_path / "report" / "results.json").read_text())["headline"]


@pytest.mark.slow
@needs_lmms_eval
def test_a_router_answers_in_lmms_eval_as_adaptive_m3_does(tmp_path, sources, tasks, own):
    model_args = f"pretrained=m3-mini,router={own / 'router'},drop=0.05,outlier=0.1"
    names = ["test", "test_chats"]
    logged = list(map(read_log, evaluate(tasks, model_args, names, tmp_path / "logs")))
    rows = [json.loads(line) for line in sources["test"].read_text().splitlines()]
    model = AdaptiveM3.from_pretrained("m3-mini", own / "router", outlier=0.1)
    single = [Request.about(row["image"], row["question"], Knob(drop=0.05)) for row in rows]
    expected = [model.answer(requests) for requests in (single, list(map(make_chat, rows)))]
    assert len({answer.scale for answer in expected[0]}) > 1
    for log, answers in zip(logged, expected, strict=True):
        assert [row["filtered_resps"] for row in log] == [answer.text for answer in answers]
        for row, answer in zip(log, answers, strict=True):
            assert row["token_counts"] == [
                {
                    "input_tokens": answer.prompt_tokens,
                    "output_tokens": answer.output_tokens,
                    "visual_tokens": answer.visual_tokens,
                    "scale": answer.scale,
                }
            ]
    [results] = (tmp_path / "logs").rglob("*_results.json")
    throughput = json.loads(results.read_text())["throughput"]
    tokens = [answer.visual_tokens for answers in expected for answer in answers]
    assert throughput["avg_visual_tokens"] == pytest.approx(sum(tokens) / len(tokens))


def make_chat(row):
    """What `tell` asks of the row."""
    image = row["image"]
    turns = (
        Turn("user", "What is it?", (image, image)),
        Turn("assistant", "signs"),
        Turn("user", f"{row['question']}\nSay it.", (image,)),
    )
    return Request(turns, Knob(drop=0.05), Sampling(4, stop=("e",)))


@pytest.mark.slow
@needs_lmms_eval
@pytest.mark.parametrize(
    ("model_args", "message"),
    [
        ("scale=36,bugdet=72", "unknown model argument 'bugdet'"),
        ("scale=7", "7"),
        ("router=/nowhere,budget=72", "/nowhere"),
    ],
)
def test_bad_model_arguments_end_lmms_eval_in_one_line(tmp_path, tasks, model_args, message):
    done = run_harness(tasks, model_args, ["test"], tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert message in line
