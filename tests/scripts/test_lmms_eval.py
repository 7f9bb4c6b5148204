"""A round trip: lmms-eval asks a local task at five scales, its logs are imported and routed over.

lmms-eval wants releases of its own, so it runs in another environment, named by a variable:
`LMMS_EVAL_PYTHON=/path/to/bin/python pytest -m slow tests/scripts/test_lmms_eval.py`. That
environment needs lmms-eval 0.7.3 with filelock below 4.3, and what m3_backbone imports.
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
from scripts.cli import main

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("LMMS_EVAL_PYTHON")
SPLITS = {"router-train": 12, "calibration": 6, "test": 6}
SCALES = (1, 9, 36, 144, 576)

MODEL = """
from lmms_eval.api.model import lmms
from m3_backbone.backbone import M3Backbone

class M3(lmms):
    def __init__(self, scale, batch_size=1, device="cpu", **_):
        super().__init__()
        self.scale, self.backbone = int(scale), M3Backbone.from_pretrained("m3-mini")

    def generate_until(self, requests):
        contexts, images = [], []
        for context, _, visual, doc_id, task, split in [request.args for request in requests]:
            contexts.append(context)
            images += visual(self.task_dict[task][split][doc_id])
        answers = self.backbone.generate(self.backbone.encode(images), contexts, self.scale)
        return [answer.text for answer in answers]

    def loglikelihood(self, requests): ...
    def generate_until_multi_round(self, requests): ...
"""

UTILS = """
from PIL import Image
from labels.metrics.score import score_exact
from labels.questions import Question

def show(doc):
    return [Image.open(doc["image"]).convert("RGB")]

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


def write_plugin(folder, sources):
    package = folder / "m3plugin"
    for part in ("models", "tasks"):
        (package / part).mkdir(parents=True)
        (package / part / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "models" / "__init__.py").write_text('AVAILABLE_MODELS = {"m3": "M3"}\n')
    (package / "models" / "m3.py").write_text(MODEL)
    (package / "tasks" / "utils.py").write_text(UTILS)
    for name, file in sources.items():
        task = TASK.format(name=name.replace("-", "_"), file=file)
        (package / "tasks" / f"{name}.yaml").write_text(task)
    return folder


def evaluate(plugin, scale, out):
    """Run lmms-eval at one scale; give the log of each task."""
    tasks = [name.replace("-", "_") for name in SPLITS]
    command = [PYTHON, "-m", "lmms_eval", "--model", "m3", "--model_args", f"scale={scale}"]
    command += ["--tasks", ",".join(tasks), "--include_path", str(plugin / "m3plugin" / "tasks")]
    command += ["--batch_size", "1", "--log_samples", "--output_path", str(out)]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{plugin}",
        "LMMS_EVAL_PLUGINS": "m3plugin",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(plugin / "cache"),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    logs = {task: list(out.rglob(f"*_samples_{task}.jsonl")) for task in tasks}
    assert all(len(found) == 1 for found in logs.values()), (logs, done.stderr[-3000:])
    return {name: logs[name.replace("-", "_")][0] for name in SPLITS}


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="LMMS_EVAL_PYTHON names no environment of lmms-eval")
def test_logs_of_lmms_eval_train_the_router_that_labels_train(tmp_path):
    sources = {
        name: write_source(tmp_path / "sources" / name, name, images)
        for name, images in SPLITS.items()
    }
    plugin = write_plugin(tmp_path / "plugin", sources)
    logs = {scale: evaluate(plugin, scale, tmp_path / f"logs{scale}") for scale in SCALES}
    own, theirs = tmp_path / "own", tmp_path / "theirs"
    for name, source in sources.items():
        invoke("label", "--source", source, "--out", own / "outcomes" / name, "--quiet")
        samples = [word for s in SCALES for word in ("--samples", f"{s}={logs[s][name]}")]
        out = theirs / "outcomes" / name
        invoke("import", *samples, "--out", out)
        invoke("features", "--outcomes", out, "--source", source, "--quiet")
        ours, read = read_outcomes(own / "outcomes" / name), read_outcomes(out)
        assert read.answers.tolist() == ours.answers.tolist()
        assert read.scores.tolist() == ours.scores.tolist()
        first, second = (part_path(f, 0, FEATURES) for f in (own / "outcomes" / name, out))
        assert first.read_bytes() == second.read_bytes()
    for run in (own, theirs):
        invoke("train", "--run", run)
    for path in (own / "router").glob("*.npz"):
        assert path.read_bytes() == (theirs / "router" / path.name).read_bytes()
    invoke("report", "--run", theirs, "--out", theirs / "report", "--seeds", 1)
    assert json.loads((theirs / "report" / "results.json").read_text())["headline"]
