"""Negative log-likelihood of given answers: the loss that fine-tuning minimises, answer by answer.

Nothing is generated.
"""

from collections.abc import Sequence

from torch import Tensor

from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.prompts import IGNORED, pack_turns

ROWS = 32
"""Answers that are scored at once."""


def reference_losses(
    engine: AnswerEngine,
    questions: Sequence[str],
    answers: Sequence[str],
    features: Sequence[Tensor],
) -> list[float]:
    """Measure the negative log-likelihood of given answers.

    Args:
        engine: holds the model and its prompts.
        questions: what is asked.
        answers: the answer to each question.
        features: visual tokens of each question [n_visual, D].

    Returns:
        Mean over the tokens of each answer and its end [nats], in the caller's order.

    Raises:
        ValueError: if the model reads prompts both ways, or an answer cannot be told from its
            question.
    """
    if engine.host.reads_both_ways:
        raise ValueError(
            f"losses of given answers are not known for {engine.model.config.model_type}, which "
            "reads a prompt both ways"
        )
    prompts = engine.prompts
    rows = []
    packed = pack_turns(prompts, list(zip(questions, answers, strict=True)))
    for question, (behind, labels), tokens in zip(questions, packed, features, strict=True):
        before = [*prompts.tokenize(question).before, *[prompts.image_token_id] * len(tokens)]
        # The labels that are left stand at the end: an answer is the last thing in its row.
        rows.append((before + behind, [label for label in labels if label != IGNORED]))
    # Rows of like length together, so that little is padded.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    losses: dict[int, float] = {}
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        means = engine.score_rows([rows[i] for i in batch], [features[i] for i in batch])
        losses.update(zip(batch, means, strict=True))
    return [losses[i] for i in range(len(rows))]
