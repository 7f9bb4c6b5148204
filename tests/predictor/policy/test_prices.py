import numpy as np
import pytest

from predictor.data import TrainData
from predictor.policy.budgets import OperatingTable
from predictor.policy.prices import Price, PriceList, list_prices

TABLE = OperatingTable((0.1, 0.0), (1.0, 2.0), (0.5, 0.6), "ms", 0.6, 100)
PRICES = PriceList((1.0, 9.0, 36.0), (10.0, 10.0, 37.0), TABLE)


def test_prices_are_lines_between_the_scales_and_beyond():
    # 9 to 36 tokens cost one millisecond each, up to 9 none does.
    actual = PRICES.price(np.array([[1.0, 5.0, 9.0], [10.0, 36.0, 72.0]]))
    assert actual.tolist() == [[10, 10, 10], [11, 37, 73]]
    one = PriceList((4.0,), (2.0,), TABLE)
    assert one.price(np.array([[8.0]])).tolist() == [[4.0]]


def test_what_is_no_larger_is_taken_freely():
    belief, tokens = np.array([[0.5, 0.6, 0.65]]), np.array([[1.0, 9.0, 36.0]])
    # In milliseconds the second scale costs nothing more; in tokens 8 of them, 0.1 a token.
    assert Price(0.1, PRICES).choose(belief, tokens).tolist() == [1]
    assert Price(0.1).choose(belief, tokens).tolist() == [0]


def test_a_price_list_survives_json():
    assert PriceList.from_dict(PRICES.to_dict()) == PRICES
    for wrong in ({}, {**PRICES.to_dict(), "tokens": None}):
        with pytest.raises(ValueError, match="a price list cannot be used"):
            PriceList.from_dict(wrong)


def make_split(scores, tokens, ms):
    """Make four questions that are alike."""
    n = 4
    return TrainData(
        sample_ids=np.arange(n).astype(str),
        image_ids=np.arange(n).astype(str),
        groups=np.full(n, "g"),
        coarse=np.zeros((n, 2, 1)),
        question=np.zeros((n, 1)),
        scores=np.tile(scores, (n, 1)),
        tokens=np.tile(tokens, (n, 1)),
        scales=tuple(range(1, 1 + len(tokens))),
        costs={"ms": np.tile(ms, (n, 1))},
    )


def test_lists_are_made_for_every_unit_of_the_calibration_split():
    data = make_split([0.0, 1.0], [1.0, 9.0], [10.0, 30.0])
    actual = list_prices(np.tile([0.2, 0.8], (4, 1)), data)
    assert list(actual) == ["ms"]
    prices = actual["ms"]
    assert (prices.tokens, prices.costs) == ((1.0, 9.0), (10.0, 30.0))
    # The step is worth 0.6 for 20 ms.
    assert (prices.table.costs, prices.table.accuracies) == ((10.0, 30.0), (0.0, 1.0))
    assert 0.03 < prices.table.lambdas[0] <= 0.06
    assert (prices.table.unit, prices.table.largest_accuracy, prices.table.questions) == (
        "ms",
        1.0,
        4,
    )


@pytest.mark.parametrize(
    "tokens", [[36.0, 144.0, 144.0], [36.0, 143.5, 144.5], [144.0, 144.0, 36.0]]
)
def test_scales_of_the_same_tokens_are_one_point_of_the_line(tokens):
    """The pictures are too small for the larger scale; what it costs more is chance."""
    ms = [10.0, 30.0, 32.0] if tokens[0] == 36 else [30.0, 32.0, 10.0]
    data = make_split([0.0, 1.0, 1.0], tokens, ms)
    prices = list_prices(np.tile([0.2, 0.7, 0.8], (4, 1)), data)["ms"]
    assert (prices.tokens, prices.costs) == ((36.0, 144.0), (10.0, 31.0))
    assert prices.price(np.array([36.0, 144.0, 252.0])).tolist() == [10, 31, 52]
    assert PriceList.from_dict(prices.to_dict()) == prices


def test_a_scale_without_tokens_has_its_price():
    data = make_split([0.0, 1.0], [0.0, 9.0], [10.0, 28.0])
    prices = list_prices(np.tile([0.2, 0.8], (4, 1)), data)["ms"]
    assert PriceList.from_dict(prices.to_dict()).price(np.array([0.0, 5.0])).tolist() == [10, 20]
    nothing = {**prices.to_dict(), "tokens": [0.0], "costs": [10.0]}
    with pytest.raises(ValueError, match="needs rising tokens"):
        PriceList.from_dict(nothing)
