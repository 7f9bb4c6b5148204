"""import, audit and oracle, on tables that need no model."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scripts.audit import _print
from scripts.cli import main
from scripts.stages.audit import audit
from scripts.stages.splits import read_answered

SCALES = (1, 9, 36, 144, 576)


def invoke(runner, *arguments):
    result = runner.invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exc_info)
    return result.stdout


def refuse(runner, *arguments):
    result = runner.invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exc_info)
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def make_folder(tmp_path, runner):
    """Import a table of scores [n, 5]; right answers are yes, wrong ones no, the rest is empty."""

    def make(name, scores, empty=()):
        lines = ["sample_id,scale,answer,score,group,target"]
        for row, of_row in enumerate(scores):
            for scale, score in zip(SCALES, of_row, strict=True):
                answer = "" if (row, scale) in empty else "yes" if score else "no"
                lines.append(f"q{row},{scale},{answer},{int(score)},g{row % 2},yes")
        path = tmp_path / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
        out = tmp_path / name
        text = invoke(runner, "import", "--table", path, "--out", out)
        assert text.startswith(f"{len(scores)} samples, 5 scales: {out}\n")
        return out

    return make


LADDER = np.arange(5) >= (np.arange(100) % 5)[:, None]


def test_questions_with_an_image_in_common_are_one_image(make_folder):
    table, questions = read_answered(make_folder("chains", LADDER))
    chained = [
        replace(question, images=(f"{row // 4}-{row % 4}", f"{row // 4}-{row % 4 + 1}"))
        for row, question in enumerate(questions)
    ]
    alone, joined = audit(table, questions), audit(table, chained)
    assert (alone["images"], joined["images"]) == (100, 25)
    assert {"n", "fixed", "hull"} <= {name for name in alone if alone[name] == joined[name]}
    assert {part["images"] for part in joined["groups"].values()} == {25}


def test_audit_says_what_it_found(make_folder, runner, tmp_path):
    folder = make_folder("useful", LADDER, empty={(4, 1), (4, 9)})
    text = invoke(runner, "audit", "--outcomes", folder, "--json", tmp_path / "a.json")
    assert text.splitlines()[0].split("  ")[0] == "scale"
    assert text.splitlines()[-1].startswith("Perhaps worth routing: an oracle on ")
    assert "luck floor of the oracle, from the options  unknown\n" in text
    actual = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert actual["verdict"] == "possible"
    assert actual["parse_failures"] == [0.01, 0.01, 0, 0, 0]
    assert (actual["always_right"], actual["always_wrong"], actual["non_monotone"]) == (0.2, 0, 0)
    assert [actual["groups"][name]["n"] for name in ("g0", "g1")] == [50, 50]
    # All are asked for yes, so another question's answer is as good as one's own.
    assert actual["guess_answers"][4] == 1
    # An import has no options, so nobody knows what a guess is worth.
    assert actual["floor_options"] is actual["guess_options"] is None
    assert actual["granularity"]["576"] == 0.2
    assert actual["groups"]["g0"]["granularity"]["tokens"] == 766 / 5


def test_audit_refuses_an_unknown_router_before_work(make_folder, runner):
    message = refuse(runner, "audit", "--outcomes", make_folder("some", LADDER), "--kind", "tree")
    assert "router must be one of" in message


def test_audit_goes_by_what_a_router_gains(make_folder):
    table, questions = read_answered(make_folder("useful", LADDER))
    knows, guesses = LADDER.astype(float), np.full(LADDER.shape, 0.5)
    known, guessed = (audit(table, questions, predicted) for predicted in (knows, guesses))
    # Who knows the outcomes gains what the oracle does.
    assert known["verdict"] == "worth"
    assert known["attainable"]["from"] == "router"
    assert known["attainable"]["gain"] > 0.15
    assert guessed["verdict"] == "small"
    assert guessed["attainable"]["gain"] == 0


def test_audit_goes_by_repeats_where_there_are_some(make_folder, capsys):
    table, questions = read_answered(make_folder("useful", LADDER))
    asked = replace(table, repeats=np.tile(table.scores[:, None], (1, 3, 1)))
    result = audit(asked, questions)
    assert result["repeats"] == 3 and "asked 3 times" in result["sentence"]
    assert len([point["cross_fitted"] for point in result["headroom"]]) == 5
    _print(result)
    assert "cross-fitted" in capsys.readouterr().out.splitlines()[0]
    known = audit(asked, questions, LADDER.astype(float))
    _print(known)
    printed = capsys.readouterr().out
    assert "Asked 3 times: at these tokens an oracle on estimated success probabilities" in printed


def test_audit_gives_f1_of_yes(make_folder):
    table, questions = read_answered(make_folder("useful", LADDER))
    asked = [replace(question, metric="yes_no") for question in questions]
    # At 36 tokens 60 of 100 say yes, and all should: precision 1, recall 0.6.
    assert audit(table, asked)["yes_no"][2] == {
        **{"precision": 1, "recall": 0.6, "f1": 0.75, "yes_ratio": 0.6}
    }


def test_audit_compares_two_runs(make_folder, runner, tmp_path):
    first, again = make_folder("first", LADDER), LADDER.copy()
    again[:10, 0] ^= True
    options = ("--again", make_folder("again", again), "--json", tmp_path / "a.json")
    assert "verdicts flip" in invoke(runner, "audit", "--outcomes", first, *options)
    flips = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["flips"]
    assert flips == {"n": 100, "answers": [0.1, 0, 0, 0, 0], "verdicts": [0.1, 0, 0, 0, 0]}


def test_audit_and_import_refuse_options_that_would_change_nothing(make_folder, runner, tmp_path):
    folder = make_folder("some", LADDER)
    asked = ("audit", "--outcomes", folder)
    assert "either --again or --rerun" in refuse(runner, *asked, "--again", folder, "--rerun", 2)
    assert "go with --rerun" in refuse(runner, *asked, "--again", folder, "--dtype", "bfloat16")
    table = ("--table", tmp_path / "some.csv", "--out", tmp_path / "out")
    message = refuse(runner, "import", *table, "--score", "nonsense")
    assert "--score is of --samples" in message


def test_oracle_prints_the_paper_s_table(make_folder, runner, tmp_path):
    scores = LADDER.copy()
    scores[:20] = False
    folder = make_folder("some", scores)
    options = ("--by", "group", "--always-wrong", "drop", "--json", tmp_path / "o.json")
    text = invoke(runner, "oracle", "--outcomes", folder, *options)
    assert text.splitlines()[0].split() == ["some", "some/g0", "some/g1"]
    assert text.splitlines()[1].split() == ["questions", "100", "50", "50"]
    column = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["columns"]["some"]
    assert column["fixed"]["36"] == {"accuracy": 0.48, "tokens": 36}
    # Of the 80 that are kept, a fifth needs each scale.
    kept = {"accuracy": 1, "tokens": 766 / 5, "kept": 0.8}
    assert column["oracle"]["minimal-correct"] == column["oracle"]["stable"] == kept
    assert column["granularity"]["never"] == 0.2
    assert column["granularity"]["tokens"] == 766 / 5


def test_oracle_shows_every_folder_whatever_its_name(make_folder, runner, monkeypatch, tmp_path):
    folders = make_folder("one/test", LADDER), make_folder("two/test", ~LADDER)
    options = [f"--outcomes={folder}" for folder in folders]
    text = invoke(runner, "oracle", *options, "--json", tmp_path / "o.json")
    assert text.splitlines()[0].split() == ["one/test", "two/test"]
    written = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert list(written["columns"]) == list(written["image_notes"]) == ["one/test", "two/test"]
    assert "\ntwo/test: Image unknown for 100 of 100 questions" in text
    monkeypatch.chdir(folders[0])
    assert invoke(runner, "oracle", "--outcomes", ".").splitlines()[0].split() == ["test"]


def test_oracle_still_takes_the_former_name_of_the_largest_scale(make_folder, runner):
    folder = make_folder("some", LADDER & (np.arange(100) >= 20)[:, None])
    now, before = (
        invoke(runner, "oracle", "--outcomes", folder, "--always-wrong", wrong)
        for wrong in ("largest", "dearest")
    )
    assert now == before
    assert "A question that no scale answers: largest." in now
    assert "[cheapest|largest|drop]" in invoke(runner, "oracle", "--help")


def test_sample_logs_are_joined_by_scale(runner, tmp_path):
    for scale in (1, 9):
        lines = [
            {"doc_id": k, "target": "a", "filtered_resps": ["a"], "acc": float(k < scale)}
            for k in range(4)
        ]
        (tmp_path / f"{scale}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    logs = [f"--samples={scale}={tmp_path / str(scale)}.jsonl" for scale in (1, 9)]
    assert invoke(runner, "import", *logs, "--out", tmp_path / "out").startswith("4 samples, 2 sc")
    lines = invoke(runner, "oracle", "--outcomes", tmp_path / "out").splitlines()
    assert [line.split()[2] for line in lines[2:4]] == ["1", "0.25"]  # scales 9 and 1


def test_import_refuses_in_one_line(runner, tmp_path):
    out = ("--out", tmp_path / "out")
    assert "give either --samples" in refuse(runner, "import", *out)
    assert "expected SCALE=FILE, got 'x'" in refuse(runner, "import", "--samples", "x", *out)
    assert "File '1.jsonl' does not exist" in refuse(
        runner, "import", "--samples", "9=1.jsonl", *out
    )


def test_imported_tables_cannot_be_trained_on(make_folder, runner, tmp_path):
    folder = make_folder("some", LADDER)
    message = refuse(runner, "train", "--outcomes", folder, "--out", tmp_path / "router")
    assert "was imported and has no features to train on" in message


def test_preset_fills_the_defaults_and_options_win(runner, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("scripts.label.run_label", lambda request, *_: asked.append(request))
    monkeypatch.setattr("scripts.label._print_result", lambda *_: None)
    options = ("--max-new-tokens", 4, "--column", "group=docId", "--out", tmp_path)
    invoke(runner, "label", "--preset", "docvqa", *options)
    (request,) = asked
    assert (request.source, request.split) == ("lmms-lab/DocVQA:DocVQA", "validation")
    assert (request.metric, request.max_new_tokens) == ("anls", 4)
    assert request.columns == {"sample_id": "questionId", "group": "docId"}
    assert request.suffix == "Answer the question using a single word or phrase."
    unknown = refuse(runner, "label", "--preset", "ocrbench", "--out", tmp_path)
    assert "'ocrbench' is not one of 'textvqa', 'vizwiz'" in unknown
