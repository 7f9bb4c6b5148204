import pytest

from labels.metrics.anls import edit_distance
from labels.metrics.pope import summarise_yes_no
from labels.metrics.registry import METRICS, check_scorable, score_answer, settle_reference
from labels.metrics.score import Score
from labels.questions import Question

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
    assert score_answer(answer, ask("exact", ["red", "Dark red"])) == expected


def test_vqa_counts_people():
    question = ask("vqa", ["tea"] * 2 + ["milk"] * 8)
    # Two of ten: eight people see 2 matches among the others, two see 1.
    assert score_answer("Tea", question).score == pytest.approx((8 * 2 / 3 + 2 * 1 / 3) / 10)
    assert score_answer("milk", question) == RIGHT
    assert score_answer("rice", question) == WRONG
    assert score_answer(" ", question) == UNREADABLE


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
    assert score_answer(answer, ask("choice", [right], ["a dog", "a cat", "bird"])) == expected


def test_an_option_in_full_is_no_letter():
    question = ask("choice", ["C. elegans"], ["C. elegans", "E. coli", "A. thaliana"])
    assert score_answer("C. elegans", question) == RIGHT
    assert score_answer("C. something", question) == WRONG  # the letter of another one
    assert score_answer("A", question) == RIGHT


def test_choice_takes_the_text_of_the_right_answer_before_its_letter():
    question = ask("choice", ["A"], ["B", "A"])
    assert score_answer("B", question) == RIGHT  # the option lettered B reads "A"


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
    assert score_answer(answer, ask("relaxed", ["100"])) == expected


def test_relaxed_knows_thousands_and_zero_and_words():
    assert score_answer("1,020", ask("relaxed", ["1000"])) == RIGHT
    assert score_answer("0.0", ask("relaxed", ["0"])) == RIGHT
    assert score_answer("0.01", ask("relaxed", ["0"])) == WRONG
    assert score_answer("-98", ask("relaxed", ["-100"])) == RIGHT
    assert score_answer("May", ask("relaxed", ["may"])) == RIGHT
    assert score_answer("7", ask("relaxed", ["May"])) == WRONG


def test_vqav2_keeps_what_textvqa_drops():
    # A comma beside a blank vanishes in both; one inside a word is a blank for VQAv2 only.
    assert score_answer("red,blue", ask("vqa", ["redblue"] * 10)) == RIGHT
    assert score_answer("red,blue", ask("vqav2", ["red blue"] * 10)) == RIGHT
    assert score_answer("1,000 x-rays", ask("vqav2", ["1000 xrays"] * 10)) == RIGHT
    assert score_answer("x-ray", ask("vqav2", ["x ray"] * 10)) == RIGHT
    assert score_answer(" ", ask("vqav2", ["x"] * 10)) == UNREADABLE


def test_gqa_ignores_case_and_punctuation():
    assert score_answer("T-shirt.", ask("gqa", ["tshirt"])) == RIGHT
    assert score_answer("the shirt", ask("gqa", ["shirt"])) == WRONG
    assert score_answer("...", ask("gqa", ["shirt"])) == UNREADABLE


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", RIGHT),
        ("yes, there is. No more", RIGHT),
        ("No", WRONG),
        ("It is not there", WRONG),
        ("'Yes'", RIGHT),
        ("'no'", WRONG),
        ("Yes and no", WRONG),
        ("nothing to see", UNREADABLE),
        ("", UNREADABLE),
    ],
)
def test_yes_no_reads_the_first_sentence(answer, expected):
    assert score_answer(answer, ask("yes_no", ["yes"])) == expected


def test_yes_no_over_a_set():
    questions = [ask("yes_no", [right]) for right in ("yes", "yes", "yes", "no")]
    # Three times yes, two of them right, of three that are: 2/3, 2/3.
    actual = summarise_yes_no(["Yes", "yes", "a dog", "Yes"], questions)
    assert actual == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "yes_ratio": 0.75}
    )
    nothing = {"precision": 0, "recall": 0, "f1": 0, "yes_ratio": 0}
    assert summarise_yes_no([], []) == nothing


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)],
)
def test_edit_distance(first, second, distance):
    assert edit_distance(first, second) == edit_distance(second, first) == distance


def test_anls_forgives_up_to_half_the_letters():
    question = ask("anls", ["12 May 1999", "May 1999"])
    assert score_answer("12 MAY  1999", question).score == 1
    assert score_answer("May 1998", question).score == pytest.approx(1 - 1 / 8)
    assert score_answer("June", question) == WRONG
    assert score_answer("  ", question) == UNREADABLE
    assert score_answer("ab", ask("anls", ["ax"])).score == 0.5


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("3", RIGHT),
        ("x = 3.0", RIGHT),
        ("So the answer is 3 apples", RIGHT),
        ("So the value is \n3", RIGHT),  # a key phrase with nothing behind it says nothing
        ("31", WRONG),
        ("", UNREADABLE),
    ],
)
def test_mmmu_open_answers(answer, expected):
    assert score_answer(answer, ask("mmmu", ["3"])) == expected


def test_mmmu_texts_and_options():
    assert score_answer("It is a Doric column.", ask("mmmu", ["doric"])) == RIGHT
    assert score_answer("cab", ask("mmmu", ["a"])) == WRONG  # a letter is a word of its own
    assert score_answer("B", ask("mmmu", ["cat"], ["dog", "cat"])) == RIGHT
    assert score_answer("none", ask("mmmu", ["cat"], ["dog", "cat"])) == UNREADABLE


def test_reference_is_what_the_largest_scale_says():
    question = ask("exact", ["red"])
    assert settle_reference(question, "blue") is question
    text = settle_reference(ask("reference", []), "Blue.")
    assert (score_answer("blue", text), score_answer("red", text)) == (RIGHT, WRONG)
    option = settle_reference(ask("reference", [], ["dog", "cat"]), "B")
    assert (score_answer("a cat", option), score_answer("cat", option)) == (UNREADABLE, RIGHT)
    lost = settle_reference(ask("reference", [], ["dog", "cat"]), "no idea")
    assert (score_answer("No idea", lost), score_answer("A", lost)) == (RIGHT, WRONG)


def test_check_accepts_what_can_be_scored():
    check_scorable(ask("exact", ["x"]))
    check_scorable(ask("vqa", ["x"] * 10))
    check_scorable(ask("choice", ["B"], ["dog", "cat"]))
    check_scorable(ask("yes_no", ["Yes"]))
    check_scorable(ask("mmmu", ["3"]))
    check_scorable(ask("reference", []))
    open_ones = {"exact", "vqa", "vqav2", "gqa", "relaxed", "anls"}
    assert set(METRICS) == open_ones | {"choice", "yes_no", "mmmu", "reference"}


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (ask("bleu", ["x"]), "unknown metric 'bleu'; known: exact, vqa, vqav2, gqa, choice"),
        (ask("vqa", ["x"]), "has 1 answer.* use metric exact"),
        (ask("vqav2", ["x"]), "metric vqav2 wants the ten of its people"),
        (ask("yes_no", ["maybe"]), "the answer 'maybe'; expected yes or no"),
        (ask("mmmu", ["C"], ["dog", "cat"]), "answer 'C' is neither a letter nor the text"),
        (ask("choice", ["x"], ["x"]), "fewer than two choices"),
        (ask("choice", ["C"], ["dog", "cat"]), "answer 'C' is neither a letter nor the text"),
    ],
)
def test_check_refuses_what_cannot_be_scored(question, message):
    with pytest.raises(ValueError, match=message):
        check_scorable(question)
