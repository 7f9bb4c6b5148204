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


def test_lists_are_made_for_every_unit_of_the_calibration_split():
    n = 4
    data = TrainData(
        sample_ids=np.arange(n).astype(str),
        image_ids=np.arange(n).astype(str),
        groups=np.full(n, "g"),
        coarse=np.zeros((n, 2, 1)),
        question=np.zeros((n, 1)),
        scores=np.array([[0.0, 1.0]] * n),
        tokens=np.tile([1.0, 9.0], (n, 1)),
        scales=(1, 9),
        costs={"ms": np.tile([10.0, 30.0], (n, 1))},
    )
    actual = list_prices(np.tile([0.2, 0.8], (n, 1)), data)
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
