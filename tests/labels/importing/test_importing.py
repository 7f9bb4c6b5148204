import numpy as np
import pytest

from labels.importing.importing import check_free, import_outcomes
from labels.outcomes.table import read_features, read_outcomes, read_questions, read_table


def make_rows():
    return [
        {"sample_id": sample, "scale": scale, "answer": f"{sample}{scale}", "score": scale > 1}
        for sample in ("b", "a")
        for scale in (9, 1)
    ]


def test_imported_rows_become_a_table_of_our_own(tmp_path):
    rows = make_rows()
    rows[0] |= {"group": "g", "image_id": "i", "cost": 7, "target": ["x", "y"], "question": "What?"}
    rows[1] |= {"image_id": "i"}
    rows[2] |= {"prompt_tokens": 12, "output_tokens": 3}
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "mine"))
    assert table.sample_ids.tolist() == ["b", "a"]
    assert table.scales == (1, 9)
    assert table.scores.tolist() == [[0, 1], [0, 1]]
    assert table.answers.tolist() == [["b1", "b9"], ["a1", "a9"]]
    assert table.visual_tokens.tolist() == [[1, 7], [1, 9]]
    assert np.isnan(table.flops).all()
    assert table.image_ids.tolist() == ["i", "unknown:a"]
    first, second = read_questions(tmp_path / "out")
    assert (first.question, first.answers, first.group) == ("What?", ("x", "y"), "g")
    assert (second.question, second.answers, second.metric) == ("a", (), "reference")
    frame = read_table(tmp_path / "out")
    assert set(frame["dataset"]) == {"mine"}
    assert frame["prompt_tokens"].tolist() == [0, 0, 12, 0]
    assert frame["output_tokens"].tolist() == [0, 0, 3, 0]


def test_no_training_on_an_imported_table(tmp_path):
    folder = import_outcomes(make_rows(), tmp_path / "out", "mine")
    with pytest.raises(ValueError, match="no features to train on; m3scale features adds them"):
        read_features(folder, ["a"])
    with pytest.raises(ValueError, match="holds a run already"):
        import_outcomes(make_rows(), folder, "mine")


def change_first(**cells):
    return [make_rows()[0] | cells, *make_rows()[1:]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "nothing to import"),
        (make_rows()[:-1], r"sample 'a' lacks scale 1; expected one row for each of \[1, 9\]"),
        ([*make_rows(), make_rows()[0]], "sample 'b' has more than one row of scale 9"),
        *(
            (change_first(score=score), r"sample 'b', scale 9: expected a score in \[0, 1\], got")
            for score in ("good", 90, -0.1, float("nan"), 10**400, [1], None, "")
        ),
        *(
            (change_first(**{field: value}), "a whole number of tokens of at least 1, got")
            for field in ("scale", "cost")
            for value in (1.9, True, 0, -1, float("inf"), float("nan"), 2**31, 2**63, "1e309", [9])
        ),
        *(
            (change_first(**{field: ["x"]}), "expected text, got")
            for field in ("sample_id", "answer", "image_id", "group", "question")
        ),
        (change_first(answer={"text": "x"}), "'b', answer: expected text, got {'text': 'x'}"),
        (change_first(sample_id=10**5000), "expected text, got a number of many digits"),
        (change_first(sample_id=""), "expected a sample_id, got none"),
        *(
            (change_first(**{field: "\0"}), "expected a name without the character NUL")
            for field in ("sample_id", "image_id", "group")
        ),
        (
            [row | {"cost": 10 - row["scale"]} for row in make_rows()],
            "a cost that does not fall as the scale grows, got 9, 1",
        ),
        *(
            (
                [row | {field: f"x{row['scale']}"} for row in make_rows()],
                f"'b': its {field} is 'x9' at scale 9 and 'x1' at scale 1; expected runs over the",
            )
            for field in ("question", "target", "image_id", "group", "doc_hash")
        ),
    ],
)
def test_bad_rows_leave_nothing_behind(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        import_outcomes(rows, tmp_path / "out", "mine")
    assert not (tmp_path / "out").exists()


def test_zero_is_a_name_and_a_group(tmp_path):
    rows = [row | {"image_id": 0, "group": False} for row in make_rows()]
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "mine"))
    assert set(table.image_ids) == {"0"}
    assert set(table.groups) == {"False"}


def test_halves_of_a_character_are_replaced_and_whole_ones_joined(tmp_path):
    rows = [row | {"answer": "x \ud835", "question": "\ud83d\ude00?"} for row in make_rows()]
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "mine"))
    assert set(table.answers.ravel()) == {"x \ufffd"}
    assert {one.question for one in read_questions(tmp_path / "out")} == {"\U0001f600?"}


def test_options_that_an_answer_names_make_a_choice(tmp_path):
    rows = [row | {"target": "B", "choices": ["cat", "dog"]} for row in make_rows()]
    [first, _] = read_questions(import_outcomes(rows, tmp_path / "out", "mine"))
    assert (first.metric, first.choices, first.answers) == ("choice", ("cat", "dog"), ("B",))


def test_other_things_in_the_folder_are_told_before_anything_is_read(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other things than a labelling run"):
        check_free(tmp_path)


def test_a_disk_that_fills_up_leaves_nothing_so_that_the_import_can_be_run_again(
    tmp_path, monkeypatch
):
    def fail(folder, manifest):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("labels.importing.importing.write_manifest", fail)
        with pytest.raises(OSError, match="^cannot write .*out: No space left on device"):
            import_outcomes(make_rows(), tmp_path / "out", "mine")
    assert not list(tmp_path.iterdir())
    import_outcomes(make_rows(), tmp_path / "out", "mine")
