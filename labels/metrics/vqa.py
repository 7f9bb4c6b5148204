"""Answer normalisation and soft accuracy of the VQA family (VQAv2, TextVQA, VizWiz, GQA).

What this is not: a general text normaliser; it repeats what the official evaluation does, its
oddities included, so that scores can be compared with published ones.
"""

import re
import string
from collections.abc import Callable, Sequence

from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

ARTICLES = frozenset({"a", "an", "the"})

NUMBERS = {
    word: str(digits)
    for digits, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
PERIOD = re.compile(r"\.(?!\d)")
COMMA_IN_NUMBER = re.compile(r"\d,+\d")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
MOST_PERIODS = 32  # the official code passes a regex flag in place of the count; its value is 32

CONTRACTED = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't "
    "haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't "
    "mightn't've might've mustn't must've needn't not've o'clock oughtn't shan't she'd've "
    "should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've "
    "someone'll someone's something'd something'd've something'll that's there'd there'd've "
    "there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't "
    "what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's "
    "who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've "
    "you'd you'd've you'll you're you've"
).split()


def _drop_apostrophes(form: str) -> dict[str, str]:
    # "couldn't've" is also written "couldnt've" and "couldn'tve": one apostrophe is missing.
    places = [place for place, letter in enumerate(form) if letter == "'"]
    return {form[:place] + form[place + 1 :]: form for place in places}


CONTRACTIONS = {
    sloppy: form for form in CONTRACTED for sloppy, form in _drop_apostrophes(form).items()
} | {"somebody'd": "somebodyd"}


def normalise_vqa(text: str) -> str:
    """Bring an answer into the form that the official evaluation compares.

    Returns:
        Lower case, number words as digits, no articles, no punctuation, apostrophes repaired.

    Source: `EvalAIAnswerProcessor` of mmf as used by LLaVA, M3 and lmms-eval, rewritten; three
        dialect forms of its contraction list are left out.
    """
    # Without these marks, the steps for VQAv2 do what the older evaluation does.
    return normalise_vqav2(text.lower().replace(",", "").replace("?", "").replace("'s", " 's"))


def normalise_vqav2(text: str) -> str:
    """Bring an answer into the form that VQAv2's evaluation compares.

    Returns:
        As `normalise_vqa`, but commas, question marks and a possessive 's are punctuation like
        any other, and where a comma stands inside a number all punctuation vanishes.

    Source: the steps that lmms-eval 0.7.3 applies to VQAv2, rewritten. Its releases before 0.5
        and VQA's own code leave the people's answers as they are where all ten are the same.
    """
    lowered = text.lower().replace("\n", " ").replace("\t", " ").strip()
    # Punctuation goes first, so that "two," is a number word as well.
    words = [NUMBERS.get(word, word) for word in _strip_punctuation(lowered).split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def soft_accuracy(
    answer: str, references: Sequence[str], normalise: Callable[[str], str] = normalise_vqa
) -> float:
    """Score an answer by how many people gave it, leaving each of them out once.

    Args:
        answer: the answer to score.
        references: the people's answers, officially ten.
        normalise: brings an answer into the form that is compared.

    Returns:
        Mean over references of min(1, matches among the others / 3), in [0, 1].

    Source: VQA evaluation (arXiv 1505.00468, section 5 and the code published with it).
    """
    given = normalise(answer)
    matches = [normalise(reference) == given for reference in references]
    total = sum(matches)
    # Each person is left out once: `total - match` of the others agree with the answer.
    return sum(min(1.0, (total - match) / 3) for match in matches) / len(matches)


def score_vqa(
    answer: str, question: Question, normalise: Callable[[str], str] = normalise_vqa
) -> Score:
    """Score by agreement with people, see `soft_accuracy`.

    Args:
        answer: what the model said.
        question: what it was asked, with the answers of (officially ten) people.
        normalise: brings an answer into the form that is compared.

    Returns:
        A score in [0, 1]; an empty answer counts as unreadable.

    >>> people = ("tea",) * 2 + ("milk",) * 8
    >>> score_vqa("Milk.", Question("q", "i", "What is it?", people, "vqa"))
    Score(score=1.0, parse_ok=True)
    """
    if not answer.strip():
        return UNREADABLE
    return Score(soft_accuracy(answer, question.answers, normalise), True)


def score_vqav2(answer: str, question: Question) -> Score:
    """Score by agreement with people, with VQAv2's own, milder normalisation."""
    return score_vqa(answer, question, normalise_vqav2)


def score_gqa(answer: str, question: Question) -> Score:
    """Compare texts without case and punctuation.

    Returns:
        A score of 0 or 1; an empty answer counts as unreadable.

    Source: lmms-eval's exact_match with `ignore_case` and `ignore_punctuation`.
    """
    given = _only_words(answer)
    if not given:
        return UNREADABLE
    return Score(float(given in map(_only_words, question.answers)), True)


def _strip_punctuation(text: str) -> str:
    stripped = text
    in_number = COMMA_IN_NUMBER.search(text) is not None
    for mark in PUNCTUATION:
        # A mark beside a blank vanishes, one inside a word becomes a blank: decided on the input.
        beside_blank = f"{mark} " in text or f" {mark}" in text
        stripped = stripped.replace(mark, "" if beside_blank or in_number else " ")
    # A full stop in front of a digit is a decimal point and stays.
    return PERIOD.sub("", stripped, count=MOST_PERIODS)


def _only_words(text: str) -> str:
    return text.lower().translate(NO_PUNCTUATION).strip()
