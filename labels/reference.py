"""Which answer of a question stands for the right one where only one can: for its loss.

What this is not: a judge; a question may accept many answers.
"""

from collections import Counter

from labels.choice import right_options
from labels.questions import LETTERS, Question


def reference_text(question: Question) -> str:
    """Pick the answer whose loss the rule loss-ranking looks at.

    Args:
        question: the question, its reference settled where it has no answers of its own.

    Returns:
        The letter of the (first) right option; else the answer that most people gave, the first
        one in a tie.
    """
    options = right_options(question) if question.choices else set()
    if options:
        return LETTERS[min(options)]
    return Counter(question.answers).most_common(1)[0][0]
