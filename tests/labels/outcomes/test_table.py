import numpy as np
import pandas as pd
import pytest

from labels.outcomes.formats import (
    OUTCOME_TYPES,
    Features,
    pack_features,
    pack_outcomes,
    pack_questions,
)
from labels.outcomes.manifest import QUESTIONS_FILE, Manifest, write_manifest
from labels.outcomes.parts import FEATURES, TABLE, Part, part_path, prepare_folder, write_part
from labels.outcomes.table import (
    OUTCOME_COLUMNS,
    read_features,
    read_outcomes,
    read_questions,
    read_table,
    wide_table,
)
from labels.questions import Question, fingerprint_questions

SAMPLES = ("b", "a", "c")
QUESTIONS = [
    Question(sample, f"image-{sample}", "What?", ("x",), "exact", group="g", meta={"size": size})
    for size, sample in enumerate(SAMPLES)
]


def make_row(sample, scale):
    text = {name: "x" for name, kind in OUTCOME_TYPES.items() if str(kind) == "string"}
    number = {name: 0 for name, kind in OUTCOME_TYPES.items() if str(kind) in ("int32", "double")}
    return {
        **text,
        **number,
        "parse_ok": True,
        "sample_id": sample,
        "image_id": f"image-{sample}",
        "group": "g",
        "scale": scale,
        "answer": f"{sample} at {scale}",
        "score": scale / 10,
        "visual_tokens": scale,
        "flops": 2.0 * scale,
        "wall_ms": 0.5 * scale,
    }


ROWS = [make_row(sample, scale) for sample in SAMPLES for scale in (1, 9)]


@pytest.fixture
def folder(tmp_path):
    """A finished run of two parts: samples b and a, then c."""
    settings = {"questions": fingerprint_questions(QUESTIONS)}
    manifest = Manifest("toy", settings, 3, 3, 2, finished=True)
    prepare_folder(tmp_path)
    write_manifest(tmp_path, manifest)
    (tmp_path / QUESTIONS_FILE).write_bytes(pack_questions(QUESTIONS))
    for index, samples in enumerate((SAMPLES[:2], SAMPLES[2:])):
        rows = [row for row in ROWS if row["sample_id"] in samples]
        values = np.array([ord(sample) for sample in samples], np.float16)
        features = Features(
            sample_ids=np.array(samples),
            image_rows=np.arange(len(samples)),
            coarse=np.tile(values[:, None, None], (1, 10, 2)),
            question=np.tile(values[:, None], (1, 2)),
        )
        contents = {TABLE: pack_outcomes(rows), FEATURES: pack_features(features)}
        write_part(Part(index, index, tmp_path), manifest.run, contents, [])
    return tmp_path


def test_table_as_written(folder):
    frame = read_table(folder)
    assert tuple(frame.columns) == OUTCOME_COLUMNS
    assert frame["sample_id"].tolist() == ["b", "b", "a", "a", "c", "c"]


def test_outcomes_in_the_order_of_labelling(folder):
    table = read_outcomes(folder)
    assert table.sample_ids.tolist() == ["b", "a", "c"]
    assert table.image_ids.tolist() == ["image-b", "image-a", "image-c"]
    assert table.groups.tolist() == ["g"] * 3
    assert table.scales == (1, 9)
    np.testing.assert_allclose(table.scores, [[0.1, 0.9]] * 3)
    assert table.visual_tokens.tolist() == [[1, 9]] * 3
    assert table.visual_tokens.dtype == np.float64
    assert table.flops.tolist() == [[2, 18]] * 3
    assert table.wall_ms.tolist() == [[0.5, 4.5]] * 3
    assert table.answers.tolist() == [[f"{name} at 1", f"{name} at 9"] for name in "bac"]
    assert table.meta == [{"size": 0}, {"size": 1}, {"size": 2}]


def test_features_in_the_order_asked_for(folder):
    coarse, question = map(np.asarray, read_features(folder, ["c", "b"]))
    assert coarse.shape == (2, 10, 2)
    assert coarse.dtype == question.dtype == np.float32
    assert coarse[:, 9, 1].tolist() == [ord("c"), ord("b")]
    assert question[:, 0].tolist() == [ord("c"), ord("b")]


def test_features_of_an_unknown_sample(folder):
    with pytest.raises(ValueError, match="has no features of 1 samples, e.g. 'z'"):
        read_features(folder, np.array(["a", "z"]))


def test_wide_table_takes_rows_in_any_order():
    frame = pd.DataFrame(ROWS)
    table = wide_table(frame.sample(frac=1, random_state=0))
    straight = wide_table(frame)
    order = [straight.sample_ids.tolist().index(sample) for sample in table.sample_ids]
    assert table.answers.tolist() == straight.answers[order].tolist()
    assert table.meta == [{}, {}, {}]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:-1],
        [*ROWS, ROWS[-1]],
        [*ROWS[:-1], ROWS[-2]],
    ],
    ids=["missing", "double", "double instead of missing"],
)
def test_wide_table_refuses_gaps_and_doubles(rows):
    with pytest.raises(ValueError, match=r"sample 'c' does not have each of the scales \[1, 9\]"):
        wide_table(pd.DataFrame(rows))


def test_wide_table_refuses_nothing():
    with pytest.raises(ValueError, match="has no rows"):
        wide_table(pd.DataFrame(ROWS[:0], columns=list(OUTCOME_COLUMNS)))


@pytest.mark.parametrize("read", [read_table, read_outcomes, lambda path: read_features(path, [])])
def test_unfinished_run_is_refused(folder, read):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("true", "false"))
    with pytest.raises(ValueError, match="is not finished; run m3scale label again"):
        read(folder)


def test_folder_without_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no labelling run"):
        read_outcomes(tmp_path)


@pytest.mark.parametrize("suffix", [TABLE, FEATURES])
def test_damaged_part_is_never_parsed(folder, suffix):
    path = part_path(folder, 1, suffix)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"part-00001\{suffix} is damaged"):
        read_table(folder) if suffix == TABLE else read_features(folder, ["a"])


def test_missing_questions(folder):
    (folder / QUESTIONS_FILE).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"questions\.parquet is missing; run m3scale label"
    ):
        read_questions(folder)


def test_damaged_questions(folder):
    (folder / QUESTIONS_FILE).write_bytes(b"no parquet at all")
    with pytest.raises(ValueError, match=r"questions\.parquet is damaged"):
        read_questions(folder)


def test_questions_of_another_run(folder):
    (folder / QUESTIONS_FILE).write_bytes(pack_questions(QUESTIONS[:2]))
    with pytest.raises(ValueError, match="does not hold the questions of the run; delete it"):
        read_questions(folder)
