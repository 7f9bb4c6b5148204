import numpy as np

from predictor.policy.certificates import Certificate
from predictor.policy.claims import Claim
from predictor.policy.prices import Price
from predictor.requests.choosing import choose_scales

SCALES = np.array([9.0, 36.0, 144.0])
# What calibrated belief finds best at a low price, the router's own finds worst.
CALIBRATED = np.array([[0.1, 0.2, 0.9]])
FACTS = {"images": 9, "questions": 9, "split": "", "candidates": "", "most": None}
PROVEN, UNPROVEN = (
    Certificate(Claim("net", 0.05, 0.1), lam, p_values=(), risk=0.0, tokens=9.0, **FACTS)
    for lam in (1e-4, None)
)
CHEAP, DEAR = Price(1e-4), Price(1.0)


def choose(points, room=None, outside=()):
    count = len(points)
    believed = np.repeat(CALIBRATED, count, 0)
    return choose_scales(
        points,
        {True: believed, False: believed[:, ::-1]},
        np.repeat(SCALES[None], count, 0),
        np.array(room or [9999] * count),
        np.isin(np.arange(count), outside),
    )


def test_each_row_has_its_own_point():
    columns, reasons = choose([CHEAP, None, DEAR, PROVEN, UNPROVEN, CHEAP])
    assert columns.tolist() == [2, -1, 0, 0, 2, 2]
    assert reasons == ["router", "given scale", "router", "router", "knob", "router"]


def test_what_is_outside_gets_the_largest_but_not_a_given_scale():
    columns, reasons = choose([DEAR, None, PROVEN, DEAR], outside=[0, 1, 2])
    assert columns.tolist() == [2, -1, 2, 0]
    assert reasons == ["unfamiliar", "given scale", "unfamiliar", "router"]


def test_a_prompt_without_room_gets_the_best_scale_that_fits():
    points = [CHEAP, CHEAP, CHEAP, UNPROVEN, DEAR]
    columns, reasons = choose(points, [144, 143, 8, 40, 40], [4])
    assert columns.tolist() == [2, 1, 0, 1, 1]
    assert reasons == ["router"] * 3 + ["knob", "unfamiliar"]
