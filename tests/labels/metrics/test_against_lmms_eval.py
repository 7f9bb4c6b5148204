"""The metrics against the scoring functions of lmms-eval, where that is installed.

What differs on purpose is in docs/metrics.md; these answers are of kinds that must not differ.
"""

import random

import pytest

from labels.metrics.pope import summarise_yes_no
from labels.metrics.registry import score_answer
from labels.questions import LETTERS, Question

REASON = "lmms-eval is not installed; its scoring functions are what this compares with"
N = 3000
WORDS = (
    "a the An red Red, blue two Three ten none dont can't its Jack's stop. 3.5 1,000 12 U.S. x-ray "
    "yes no? \"hi\" (b) and/or half-open 50% $5 coca cola o'clock wont shouldnt @home it's"
).split()


@pytest.fixture
def theirs():
    def find(module, function):
        actual = pytest.importorskip(f"lmms_eval.{module}", reason=REASON, exc_type=ImportError)
        return getattr(actual, function)

    return find


def draw_text(chance):
    words = chance.choices(WORDS, k=chance.randint(1, 3))
    return chance.choice((" ", "  ", "\n", " ")).join(words)


def draw_people(chance):
    """An answer, and ten people of whom some gave it, more or less; often all say the same."""
    reply = draw_text(chance)
    pool = [reply, reply.upper(), reply.strip(".,?"), draw_text(chance), draw_text(chance)]
    # VQA's own code and older releases treat people who all agree in another way.
    voices = pool if chance.random() < 0.7 else [chance.choice(pool)]
    return reply, chance.choices(voices, k=10)


def draw_near(chance):
    """An answer and accepted ones of which it is a damaged copy."""
    accepted = [draw_text(chance) for _ in range(chance.randint(1, 3))]
    letters = list(chance.choice(accepted))
    for _ in range(chance.randint(0, 4)):
        letters[chance.randrange(len(letters))] = chance.choice("abc .E")
    return "".join(letters), accepted


def draw_one(chance):
    reply, accepted = draw_near(chance)
    return reply, accepted[:1]


def draw_number(chance):
    target = chance.choice((chance.randint(1, 50), round(chance.uniform(-9, 9), 2), "12%"))
    value = float(str(target).rstrip("%")) * chance.choice((1, 0.94, 0.96, 1.04, 1.06, 2))
    reply = chance.choice((f"{value:g}", f"{value:g}%", str(target), "Yes", "blue"))
    return reply, [chance.choice((str(target), "yes", "Blue"))]


def draw_option(chance):
    letter, right = chance.choice("ABCD"), chance.choice("ABCD")
    return chance.choice((letter, f"{letter}. ", f"{letter}. cat")), [right]


def draw_bare_letter(chance):
    return chance.choice("ABCDabcd "), [chance.choice("ABCD")]


def ask(metric, answers, choices=()):
    return Question("q", "i", "What?", tuple(answers), metric, tuple(choices))


def compare(draw, metric, reference, choices=()):
    """The pairs that are scored differently."""
    chance, different = random.Random(0), []
    for _ in range(N):
        reply, accepted = draw(chance)
        ours = score_answer(reply, ask(metric, accepted, choices)).score
        if reply.strip() and abs(ours - reference(reply, accepted)) > 1e-9:
            different.append((reply, accepted, ours))
    return different


def people(process, reply, accepted, wrap):
    doc = {"answers": [wrap(k, text) for k, text in enumerate(accepted)], "question_id": 0}
    return process(doc, [reply])["exact_match"]


@pytest.mark.parametrize("task", ["textvqa", "vizwiz_vqa"])
def test_vqa(theirs, task):
    process = theirs(f"tasks.{task}.utils", f"{task}_process_results")
    differences = compare(
        draw_people, "vqa", lambda reply, right: people(process, reply, right, lambda _, text: text)
    )
    assert differences == []


def test_vqav2(theirs):
    process = theirs("tasks.vqav2.utils", "vqav2_process_results")

    def wrap(k, text):
        return {"answer": text, "answer_id": k}

    assert compare(draw_people, "vqav2", lambda *pair: people(process, *pair, wrap)) == []


def test_gqa(theirs):
    match = theirs("api.metrics", "exact_match_hf_evaluate")
    options = {"ignore_case": True, "ignore_punctuation": True}

    def reference(reply, right):
        return match([reply.strip()], [right[0].strip()], **options)["exact_match"]

    assert compare(draw_one, "gqa", reference) == []


def test_anls(theirs):
    anls = theirs("api.metrics", "anls")
    assert compare(draw_near, "anls", lambda reply, right: anls(right, [reply])["anls"]) == []


def test_relaxed(theirs):
    correct = theirs("tasks.chartqa.utils", "relaxed_correctness")
    assert compare(draw_number, "relaxed", lambda reply, right: correct(reply, right[0])) == []


def test_scienceqa(theirs):
    process = theirs("tasks.scienceqa.utils", "sqa_process_results")

    def reference(reply, right):
        doc = {"choices": list("wxyz"), "answer": LETTERS.index(right[0])}
        return process(doc, [reply])["exact_match"]

    assert compare(draw_option, "choice", reference, "wxyz") == []


def test_seedbench(theirs):
    process = theirs("tasks.seedbench.utils", "seed_process_result")
    total = theirs("tasks.seedbench.utils", "seed_aggregation_result")

    def reference(reply, right):
        doc = {"answer": right[0], "data_type": "image", "question_id": 0}
        return total([process(doc, [reply])["seed_all"]])

    assert compare(draw_bare_letter, "choice", reference, "wxyz") == []


def test_pope(theirs):
    names = ("precision", "recall", "f1_score")
    module = "tasks.pope.utils"
    process = theirs(module, "pope_process_results")
    totals = [theirs(module, f"pope_aggregate_{name}") for name in names]
    chance = random.Random(0)
    reply = chance.choices(("Yes", "no", "No ", "yes"), k=N)
    pairs = list(zip(reply, chance.choices(("yes", "no"), k=N), strict=True))
    rows = [process({"answer": right, "question_id": 0}, [reply]) for reply, right in pairs]
    ours = [score_answer(reply, ask("yes_no", [right])).score for reply, right in pairs]
    assert ours == [row["pope_accuracy"]["score"] for row in rows]
    actual = summarise_yes_no(*zip(*((s, ask("yes_no", [r])) for s, r in pairs), strict=True))
    wanted = [total([row["pope_f1_score"] for row in rows]) for total in totals]
    assert [actual["precision"], actual["recall"], actual["f1"]] == pytest.approx(wanted)


def test_mmmu(theirs):
    module = "tasks.mmmu.utils"
    parse, right = theirs(module, "parse_open_response"), theirs(module, "eval_open")

    def draw(chance):
        reply, accepted = draw_near(chance)
        lead = chance.choice(("", "", "the answer is ", "so 3 = ", "It may be x.\nFinal answer: "))
        return lead + reply, accepted

    assert compare(draw, "mmmu", lambda reply, gold: right(gold, parse(reply))) == []
