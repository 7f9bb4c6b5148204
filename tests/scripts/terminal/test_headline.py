import click

from scripts.terminal.output import describe_headline, print_headline

RESULTS = {
    "fixed": {"1": {"accuracy": 0.5, "tokens": 1.0}, "576": {"accuracy": 0.9, "tokens": 576.0}},
    "router": {"at": {"72": {"tokens": 70.5, "accuracy": 0.8, "ogc": 0.41}}},
    "headline": {
        "target": 72.0,
        "ogc_72": 0.4123,
        "ogc_72_low": 0.3,
        "ogc_72_high": 0.5,
        "parity_tokens": 144.0,
        "parity_share": 0.25,
        "parity_drop": 0.002,
        "regression_rate": 0.034,
        "router_ms": 0.2,
        "router_ms_single": 1.5,
        "router_mb": 1.25,
    },
}


def test_headline_in_words():
    assert describe_headline(RESULTS) == [
        ("OGC at 72 tokens", "0.412 [0.300, 0.500]"),
        ("tokens to parity", "144.0 (25.0 % of all), accuracy lost 0.2 %"),
        ("regression rate", "3.4 %"),
        ("router", "0.200 ms per question, 1.500 ms one at a time, 1.25 MB"),
    ]


def test_headline_without_a_gap_to_close():
    missing = {"ogc_72": None, "ogc_72_low": None, "ogc_72_high": None, "parity_share": None}
    head = {**RESULTS["headline"], **missing}
    words = dict(describe_headline({**RESULTS, "headline": head}))
    assert words["OGC at 72 tokens"] == "- [-, -]"
    assert words["tokens to parity"] == "144.0 (- of all), accuracy lost 0.2 %"


def test_a_share_of_next_to_nothing_is_no_headline():
    assert "OGC at 72 tokens" not in dict(
        describe_headline({**RESULTS, "ladder": {"verdict": "small"}})
    )


def test_table_puts_router_beside_fixed_scales(runner):
    @click.command()
    def show():
        print_headline(RESULTS)

    lines = runner.invoke(show).output.splitlines()
    assert lines[:4] == [
        "choice     tokens  accuracy   OGC",
        "fixed 1         1       0.5     -",
        "fixed 576     576       0.9     -",
        "router 72    70.5       0.8  0.41",
    ]
