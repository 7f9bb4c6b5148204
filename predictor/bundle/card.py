"""The README of a saved router, which is its model card on the Hugging Face Hub.

For people and the Hub's search; nothing of ours reads it back, and changing it changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from predictor.policy.budgets import OperatingTable
from predictor.policy.certificates import Certificate
from predictor.policy.shares import pick_headline, read_budgets

FRONT_MATTER = """---
library_name: m3scale
pipeline_tag: visual-question-answering
tags:
- m3scale
- llm-routing
- visual-tokens
- matryoshka
- multimodal
---"""
"""What the Hub reads: YAML. A licence is for whoever owns the labels to add."""

USE = """```python
from m3_backbone.images import load_image
from predictor.adaptive import AdaptiveM3

model = AdaptiveM3.from_pretrained("the checkpoint", "this folder, or OWNER/NAME on the Hub")
[answer] = model.generate([load_image("x.png")], ["What does the sign say?"], budget=BUDGET)
print(answer.text, answer.visual_tokens)
```

`m3scale ask --router` takes the same names, `m3scale verify --router FOLDER` checks its files."""

LONGEST = 80
"""Characters of a name that are shown."""


def write_card(
    kind: str,
    scales: Sequence[int],
    meta: Mapping[str, Any],
    policy: OperatingTable,
    certificates: Sequence[Certificate],
) -> str:
    """Write the card.

    Args:
        kind: name of the router.
        scales: its scales [s].
        meta: facts of its training.
        policy: what each lambda did on the calibration split.
        certificates: proven bounds.
    """
    budgets = read_budgets(meta, policy.costs, scales)
    shape = [f"- kind: {kind}", f"- scales: {', '.join(map(str, scales))} visual tokens"]
    sections = [
        FRONT_MATTER,
        "# A router of m3scale",
        "Picks, per question, how many visual tokens its checkpoint reads. It belongs to that "
        "checkpoint and to questions like those of its splits; elsewhere its figures do not hold.",
        "\n".join([*shape, *_list_facts(meta)]),
        "## Use",
        USE.replace("BUDGET", f"{pick_headline(budgets):g}"),
        "## On the calibration split",
        "Lambda was solved on this split, so these figures flatter; `m3scale report` has those of "
        "a test split.",
        _table(("budget", _quote(policy.unit), "accuracy"), _list_budgets(policy, budgets)),
    ]
    if certificates:
        sections += _describe_certificates(certificates, policy.unit)
    return "\n\n".join(sections) + "\n"


def _list_facts(meta: Mapping[str, Any]) -> list[str]:
    """List what is known of the training, and of the splits."""
    facts = [
        f"- {key}: {_quote(meta[key])}" for key in ("checkpoint", "code_version") if meta.get(key)
    ]
    if meta.get("candidates"):
        gaps = [f"{_quote(row['kind'])} {row['ogc'] or 0.0:.3f}" for row in meta["candidates"]]
        facts.append(f"- picked by the gap closed on the calibration split: {', '.join(gaps)}")
    for name in ("train", "calibration"):
        part = meta.get(name) or {}
        counts = f"{part.get('questions', '?')} questions, {part.get('images', '?')} images"
        facts.append(
            f"- {name} split: {counts}, fingerprint {_quote(part.get('fingerprint', '?'))}"
        )
    if isinstance(split := meta.get("split"), Mapping):
        facts.append(
            f"- cut out of one data set, outcomes {_quote(split.get('outcomes'))}: "
            f"{_quote(split.get('percent'))} percent, seed {_quote(split.get('seed'))}"
        )
    return facts


def _describe_certificates(certificates: Sequence[Certificate], unit: str) -> list[str]:
    rows = [
        [f"`{one.claim}`", f"{one.tokens:.1f}", f"{one.risk:.4f}", str(one.images)]
        for one in certificates
    ]
    meanings = "\n".join(f"- `{one.claim}`: {one.sentence}" for one in certificates)
    head = ("claim", _quote(unit), "observed loss", "images")
    again = "`m3scale verify` computes them again from the outcomes."
    return ["## Certificates", meanings, again, _table(head, rows)]


def _quote(text: object) -> str:
    """Quote a text that Markdown shall not read: no list, link, @name or control character."""
    shown = "".join(one if one.isprintable() else " " for one in str(text))[:LONGEST]
    shown = shown.replace("`", "'").replace("|", "/")
    return f"`{shown}`"


def _list_budgets(policy: OperatingTable, budgets: Sequence[float]) -> list[list[str]]:
    """List budgets, and what they gave."""
    rows = []
    for budget in budgets:
        at = policy.lambdas.index(policy.lambda_for_budget(budget))
        rows.append([f"{budget:g}", f"{policy.costs[at]:.1f}", f"{policy.accuracies[at]:.3f}"])
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
