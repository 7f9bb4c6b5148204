from predictor.bundle.card import write_card
from predictor.policy.budgets import OperatingTable
from predictor.policy.certificates import Certificate
from predictor.policy.claims import Claim

POLICY = OperatingTable((1.0, 1e-3, 0.0), (1.0, 70.0, 576.0), (0.3, 0.6, 0.8))


def test_the_card_names_facts_budgets_and_certificates():
    part = {"questions": 1571, "images": 200, "fingerprint": "f00"}
    claim = Claim("net", 0.02, 0.1)
    proven = Certificate(claim, 1e-4, 200, 1571, "f00", "f01", 12, (0.05,), 0.0088, 214.3)
    tried = [{"kind": "boosted", "ogc": 0.71249}, {"kind": "linear", "ogc": None}]
    meta = {"checkpoint": "abc", "train": part, "calibration": part, "candidates": tried}
    card = write_card("boosted", (1, 576), meta, POLICY, [proven])
    for line in (
        "- kind: boosted",
        "- picked by the gap closed on the calibration split: `boosted` 0.712, `linear` 0.000",
        "- scales: 1, 576 visual tokens",
        "- checkpoint: `abc`",
        "- calibration split: 1571 questions, 200 images, fingerprint `f00`",
        # 576 / 8 = 72 buys the second row of the table, 576 / 16 = 36 only the first.
        "| 72 | 70.0 | 0.600 |",
        "| 36 | 1.0 | 0.300 |",
        "| `net:0.02,0.1` | 214.3 | 0.0088 | 200 |",
        f"- `net:0.02,0.1`: {claim.sentence(12)}",
    ):
        assert line in card.splitlines()


def test_without_certificates_there_is_no_such_section():
    flat = OperatingTable((0.0,), (36.0,), (0.5,))
    card = write_card("linear", (36,), {}, flat, [])
    assert "Certificates" not in card and "? questions" in card
    assert card.count("|") == 12  # a head, a rule and the only cost


def test_names_do_no_harm_to_markdown():
    names = [
        "- item",
        "1. x",
        "https://x.example",
        "@someone",
        "a\0b\nc",
        "`code`|d",
        "<b>",
        "x" * 999,
    ]
    for name in names:
        part = {"questions": 1, "images": 1, "fingerprint": name}
        meta = {"checkpoint": name, "code_version": name, "train": part, "calibration": part}
        meta["candidates"] = [{"kind": name, "ogc": 0.5}]
        plain = write_card("linear", (1, 576), {**meta, "checkpoint": "abc"}, POLICY, [])
        card = write_card("linear", (1, 576), meta, POLICY, [])
        assert card.count("\n") == plain.count("\n") and "\0" not in card
        [line] = [line for line in card.splitlines() if line.startswith("- checkpoint: ")]
        assert line.startswith("- checkpoint: `") and line.endswith("`") and line.count("`") == 2
        assert len(line) < 120
