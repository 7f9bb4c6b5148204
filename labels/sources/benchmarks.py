"""How well-known benchmarks are asked and scored, as one table.

What this is not: a loader. Sources are the usual copies on the Hub; columns are those of the copies
and, behind a |, those of the files that the benchmarks' authors publish, which `--source` can name
too: VQAv2 and OK-VQA have the answers in a second file (`--answers`), MMBench its images within.
What is mapped otherwise wins. GQA's copy keeps its images in a second data set, which has to be
joined first.

Source: prompts and metrics of the task files of lmms-eval 0.7.3. Lengths are what these answers
    need; some of its files allow more. Column names could not be compared with the Hub's copies
    here: where one differs, the error names the columns that are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WORD = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."


@dataclass(frozen=True)
class Preset:
    """How one benchmark is asked and scored.

    Attributes:
        source: its usual copy on the Hub.
        split: the split with answers that papers report.
        metric: its metric, a key of `labels.metrics.registry.METRICS`.
        columns: FIELD=COLUMN where the name is another, as `--column` takes it.
        suffix: instruction after an open question.
        max_new_tokens: longest answer, in tokens.
        choice_suffix: instruction after a multiple-choice question.
    """

    source: str
    split: str
    metric: str
    columns: tuple[str, ...]
    suffix: str = WORD
    max_new_tokens: int = 16
    choice_suffix: str = LETTER


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "textvqa": Preset(
            "lmms-lab/textvqa",
            "validation",
            "vqa",
            ("sample_id=question_id", "image=image|{image_id}.jpg"),
        ),
        "vizwiz": Preset(
            "lmms-lab/VizWiz-VQA",
            "val",
            "vqa",
            ("sample_id=question_id|image",),
            f"{UNANSWERABLE}\n{WORD}",
        ),
        "vqav2": Preset(
            "lmms-lab/VQAv2",
            "validation",
            "vqav2",
            ("sample_id=question_id", "image=image|COCO_val2014_{image_id:012}.jpg"),
        ),
        "gqa": Preset(
            "lmms-lab/GQA:testdev_balanced_instructions",
            "testdev",
            "gqa",
            ("sample_id=id", "answers=answer", "image=image|{imageId}.jpg"),
        ),
        "pope": Preset(
            "lmms-lab/POPE",
            "test",
            "yes_no",
            (
                "sample_id=id|question_id",
                "question=question|text",
                "answers=answer|label",
                "group=category|",
            ),
        ),
        "mmbench": Preset(
            "lmms-lab/MMBench:en",
            "dev",
            "choice",
            (
                "sample_id=index",
                "answers=answer",
                "choices=A,B,C,D",
                "context=hint|",
                "group=category|",
            ),
        ),
        "seed": Preset(
            "lmms-lab/SEED-Bench",
            "test",
            "choice",
            (
                "sample_id=question_id",
                "answers=answer",
                "group=question_type_id",
                "choices=choice_a,choice_b,choice_c,choice_d",
                "image=image|data_id",
            ),
        ),
        "scienceqa": Preset(
            "lmms-lab/ScienceQA:ScienceQA-IMG",
            "test",
            "choice",
            (
                "sample_id=id|",
                "answer_index=answer",
                "context=hint|",
                "group=subject",
                "image={split}/{id}/{image}|image",
            ),
        ),
        "ai2d": Preset(
            "lmms-lab/ai2d", "test", "choice", ("answer_index=answer", "choices=options")
        ),
        "chartqa": Preset(
            "lmms-lab/ChartQA",
            "test",
            "relaxed",
            (
                "answers=answer|label",
                "question=question|query",
                "image=image|imgname",
                "group=type|",
            ),
            "Answer the question with a single word.",
        ),
        "docvqa": Preset(
            "lmms-lab/DocVQA:DocVQA",
            "validation",
            "anls",
            ("sample_id=questionId",),
            max_new_tokens=32,
        ),
        "mmmu": Preset(
            "lmms-lab/MMMU",
            "validation",
            "mmmu",
            (
                "sample_id=id",
                "image=image_1,image_2,image_3,image_4,image_5,image_6,image_7|image_1",
                "answers=answer",
                "choices=options",
                "group=subfield",
            ),
            max_new_tokens=128,
        ),
    }
)
