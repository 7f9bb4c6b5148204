import numpy as np
import pytest

from predictor.data import TrainData
from predictor.features.outliers import DensityGate, DensitySettings

PLANE = np.random.default_rng(9).normal(size=(2, 2, 12))


def turn(angle):
    return np.column_stack([np.cos(angle), np.sin(angle)])


def make_split(seed, n=300, strange=0.0):
    """Pictures and questions that vary in two directions, with a little noise in all others."""
    rng = np.random.default_rng(seed)
    picture, question = (
        turn(rng.uniform(0, 2 * np.pi, n)) @ plane + 0.1 * rng.normal(size=(n, 12))
        for plane in PLANE
    )
    question = question + strange * rng.normal(size=(n, 12))
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(n)]),
        image_ids=np.array([f"{seed}-{k}" for k in range(n)]),
        groups=np.full(n, "g"),
        coarse=np.repeat(picture[:, None], 2, axis=1),
        question=question,
        scores=np.ones((n, 1)),
        tokens=np.ones((n, 1)),
        scales=(1,),
    )


@pytest.fixture(scope="module")
def gate():
    return DensityGate.fit(
        make_split(0), make_split(1), DensitySettings(picture_width=2, question_width=2)
    )


def test_shares_of_alike_rows_are_spread_evenly(gate):
    fresh = make_split(2, 2000)
    shares = gate.share_beyond(fresh.coarse, fresh.question)
    for share in (0.05, 0.1, 0.3):
        assert (shares < share).mean() == pytest.approx(share, abs=0.08)


def test_what_leaves_the_plane_is_found_though_it_is_no_longer(gate):
    fresh, strange = make_split(2), make_split(3, strange=0.5)
    outside = gate.find_outside(strange.coarse, strange.question, 0.02)
    assert outside.mean() > 0.7
    assert gate.find_outside(fresh.coarse, fresh.question, 0.02).mean() < 0.06
    # The picture counts as well.
    assert gate.find_outside(
        fresh.coarse + 3.0 * strange.coarse[:, ::-1] ** 2, fresh.question, 0.02
    ).any()


def test_nothing_is_outside_at_zero(gate):
    strange = make_split(3, strange=9.0)
    assert not gate.find_outside(strange.coarse, strange.question, 0.0).any()


def test_it_survives_its_bytes(gate):
    fresh, loaded = make_split(2), DensityGate.from_bytes(gate.to_bytes())
    shares = loaded.share_beyond(fresh.coarse, fresh.question)
    assert np.array_equal(shares, gate.share_beyond(fresh.coarse, fresh.question))


def test_what_is_no_share_or_no_gate_is_refused(gate):
    fresh = make_split(2)
    with pytest.raises(ValueError, match=r"outlier share must lie in \[0, 1\], got 2"):
        gate.find_outside(fresh.coarse, fresh.question, 2)
    other = DensityGate({"picture.from": np.zeros(1)}).to_bytes()
    with pytest.raises(ValueError, match="not a density gate"):
        DensityGate.from_bytes(other)
