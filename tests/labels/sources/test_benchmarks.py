import datasets
import pytest
from PIL import Image

from labels.metrics.registry import METRICS, score_answer
from labels.sources.benchmarks import PRESETS
from labels.sources.columns import FIELDS
from labels.sources.loading import load_questions

# One row of each copy, with what it holds beside the image: the columns of the data card.
ROWS = {
    "textvqa": {"question_id": 3, "question": "Brand?", "answers": ["nokia"] * 10},
    "vizwiz": {"question_id": "v1", "question": "What?", "answers": ["soup"] * 10},
    "vqav2": {
        "question_id": 5,
        "question": "How many?",
        "answers": [{"answer": "2", "answer_confidence": "yes", "answer_id": k} for k in range(10)],
    },
    "gqa": {"id": "7", "question": "Where?", "answer": "left", "fullAnswer": "On the left."},
    "pope": {"id": "1", "question": "Is there?", "answer": "no", "category": "popular"},
    "mmbench": {
        "index": 9,
        "question": "Which?",
        "hint": "nan",
        "answer": "B",
        "category": "action",
        "A": "dog",
        "B": "cat",
        "C": "nan",
        "D": "nan",
    },
    "seed": {
        "question_id": "s1",
        "question": "Which?",
        "answer": "B",
        "question_type_id": 2,
        "choice_a": "dog",
        "choice_b": "cat",
        "choice_c": "cow",
        "choice_d": "hen",
    },
    "scienceqa": {
        "question": "Which?",
        "hint": "Look.",
        "choices": ["B", "A"],
        "answer": 1,
        "subject": "physics",
    },
    "ai2d": {"question": "Which?", "options": ["1", "0"], "answer": "1"},
    "chartqa": {"question": "How much?", "answer": "14", "type": "human_test"},
    "docvqa": {"questionId": "d1", "question": "Who?", "answers": ["Ann Lee", "A. Lee"]},
    "mmmu": {
        "id": "m1",
        "question": "Which?",
        "options": "['dog', 'cat']",
        "answer": "B",
        "subfield": "art",
    },
}
RIGHT = {
    "textvqa": "Nokia",
    "vizwiz": "soup.",
    "vqav2": "two",
    "gqa": "Left",
    "pope": "No",
    "mmbench": "B",
    "seed": "cat",
    "scienceqa": "B",
    "ai2d": "B",
    "chartqa": "14.5",
    "docvqa": "Ann Leo",
    "mmmu": "B",
}


@pytest.fixture
def load(monkeypatch):
    def load(name):
        preset = PRESETS[name]
        columns = dict(pair.split("=") for pair in preset.columns)
        image = Image.new("RGB", (8, 8), "red")
        ways = columns.get("image", "image").split("|")
        column = next(way for way in ways if not set(way) & set("{,"))
        row = {column: image, **ROWS[name]}
        dataset = datasets.Dataset.from_list([row])
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, split: dataset)
        return load_questions(
            preset.source, split=preset.split, columns=columns, metric=preset.metric
        )

    return load


@pytest.mark.parametrize("name", PRESETS)
def test_preset_reads_and_scores_a_row_of_its_copy(load, name):
    (question,) = load(name)
    score = score_answer(RIGHT[name], question)
    assert score.parse_ok
    assert score.score == pytest.approx(6 / 7 if name == "docvqa" else 1)
    if question.choices:
        assert score_answer("A", question).score == 0


def test_hints_choices_and_groups(load):
    mmbench, science = load("mmbench")[0], load("scienceqa")[0]
    assert (mmbench.question, mmbench.choices, mmbench.group) == (
        "Which?",
        ("dog", "cat"),
        "action",
    )
    assert (science.question, science.answers) == ("Look.\nWhich?", ("A",))
    assert load("mmmu")[0].choices == ("dog", "cat")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_name_what_there_is(preset):
    assert preset.metric in METRICS
    fields = {pair.partition("=")[0] for pair in preset.columns}
    assert fields <= set(FIELDS)
    assert preset.source.startswith("lmms-lab/")
