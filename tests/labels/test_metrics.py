import pytest

from labels.metrics import METRICS, check_judgeable, judge
from labels.questions import Question
from labels.score import Score

RIGHT, WRONG, UNREADABLE = Score(1.0, True), Score(0.0, True), Score(0.0, False)


def ask(metric, answers, choices=()):
    return Question("q0", "i0", "What?", tuple(answers), metric, tuple(choices))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Red", RIGHT),
        ("  dark   RED. ", RIGHT),
        ('"red"', RIGHT),
        ("reddish", WRONG),
        ("red car", WRONG),
        ("", UNREADABLE),
        (" . ", UNREADABLE),
    ],
)
def test_exact(answer, expected):
    assert judge(answer, ask("exact", ["red", "Dark red"])) == expected


def test_vqa_counts_people():
    question = ask("vqa", ["tea"] * 2 + ["milk"] * 8)
    # Two of ten: eight people see 2 matches among the others, two see 1.
    assert judge("Tea", question).score == pytest.approx((8 * 2 / 3 + 2 * 1 / 3) / 10)
    assert judge("milk", question) == RIGHT
    assert judge("rice", question) == WRONG
    assert judge(" ", question) == UNREADABLE


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", RIGHT),
        ("b", RIGHT),
        ("(B)", RIGHT),
        ("B.", RIGHT),
        ("B. a cat", RIGHT),
        ("(B) cat", RIGHT),
        ("The answer is B.", RIGHT),
        ("Answer: B", RIGHT),
        ("A cat", RIGHT),
        ("a cat.", RIGHT),
        ("A", WRONG),
        ("a dog", WRONG),
        ("C: bird", WRONG),
        ("D", UNREADABLE),
        ("I see nothing", UNREADABLE),
        ("", UNREADABLE),
    ],
)
@pytest.mark.parametrize("right", ["a cat", "B"])
def test_choice(answer, expected, right):
    assert judge(answer, ask("choice", [right], ["a dog", "a cat", "bird"])) == expected


def test_choice_takes_the_text_of_the_right_answer_before_its_letter():
    question = ask("choice", ["A"], ["B", "A"])
    assert judge("B", question) == RIGHT  # the option lettered B reads "A"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("100", RIGHT),
        ("95", RIGHT),
        ("105.0", RIGHT),
        ("$ 104.9", RIGHT),
        ("94.9", WRONG),
        ("105.1", WRONG),
        ("10000%", RIGHT),
        ("nan", UNREADABLE),
        ("about 100", UNREADABLE),
        ("", UNREADABLE),
    ],
)
def test_relaxed_number(answer, expected):
    assert judge(answer, ask("relaxed", ["100"])) == expected


def test_relaxed_knows_thousands_and_zero_and_words():
    assert judge("1,020", ask("relaxed", ["1000"])) == RIGHT
    assert judge("0.0", ask("relaxed", ["0"])) == RIGHT
    assert judge("0.01", ask("relaxed", ["0"])) == WRONG
    assert judge("-98", ask("relaxed", ["-100"])) == RIGHT
    assert judge("May", ask("relaxed", ["may"])) == RIGHT
    assert judge("7", ask("relaxed", ["May"])) == WRONG


def test_check_accepts_what_can_be_judged():
    check_judgeable(ask("exact", ["x"]))
    check_judgeable(ask("vqa", ["x"] * 10))
    check_judgeable(ask("choice", ["B"], ["dog", "cat"]))
    assert set(METRICS) == {"exact", "vqa", "choice", "relaxed"}


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (ask("bleu", ["x"]), "unknown metric 'bleu'; known: exact, vqa, choice, relaxed"),
        (ask("vqa", ["x"]), "has 1 answer.* use metric exact"),
        (ask("choice", ["x"], ["x"]), "fewer than two choices"),
        (ask("choice", ["C"], ["dog", "cat"]), "answer 'C' is neither a letter nor the text"),
    ],
)
def test_check_refuses_what_cannot_be_judged(question, message):
    with pytest.raises(ValueError, match=message):
        check_judgeable(question)
