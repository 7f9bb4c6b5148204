import numpy as np
import pytest

from predictor.data import TrainData
from predictor.routers.constant import ConstantRouter
from predictor.routers.linear import LinearRouter
from predictor.routers.neighbours import NeighbourRouter, NeighbourSettings
from predictor.routers.registry import ROUTERS
from predictor.training.train import TrainSettings, tune_settings
from predictor.training.tuning import GRIDS, Tried, TuningSettings, pick_router, tune

COUNTS = ({"count": 1}, {"count": 40})


def build(change):
    return NeighbourRouter((9,), NeighbourSettings(**change))


def likely(x):
    return np.where(x[:, :1] > 0, 0.8, 0.2)


def rows_of(target):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    return x, target(x, rng), np.arange(400) // 2


def test_noise_asks_for_many_neighbours_and_a_clear_picture_for_few():
    noise = rows_of(lambda x, rng: (rng.random((400, 1)) < likely(x)).astype(float))
    clear = rows_of(lambda x, rng: (np.sin(6 * x[:, :1]) > 0).astype(float))
    assert tune(build, COUNTS, noise, TuningSettings())[0].change == {"count": 40}
    assert tune(build, COUNTS, clear, TuningSettings())[0].change == {"count": 1}


def test_the_folds_keep_the_questions_of_an_image_together():
    """Twins tell each other's answer, which would make one neighbour look perfect."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2))
    y = (rng.random((100, 1)) < likely(x)).astype(float)
    twins = np.repeat(x, 4, 0), np.repeat(y, 4, 0), np.repeat(np.arange(100), 4)
    assert tune(build, COUNTS, twins, TuningSettings())[0].change == {"count": 40}
    rowwise = (*twins[:2], np.arange(400))
    assert tune(build, COUNTS, rowwise, TuningSettings())[0].change == {"count": 1}


def test_the_error_is_the_log_loss():
    half = rows_of(lambda x, rng: np.tile([[0.0], [1.0]], (200, 1)))
    tried = tune(lambda change: ConstantRouter((9,)), [{}], half, TuningSettings())
    assert tried[0].error == pytest.approx(np.log(2), abs=0.01)


def test_missing_scores_do_not_count():
    x, y, images = rows_of(lambda x, rng: np.tile([[0.0, 1.0], [1.0, np.nan]], (200, 1)))
    tried = tune(lambda change: ConstantRouter((9, 36)), [{}], (x, y, images), TuningSettings())
    # The first scale is a coin for 400 scores, the second is sure for 200.
    assert tried[0].error == pytest.approx(np.log(2) * 2 / 3, abs=0.02)


def test_only_so_many_rows_are_looked_at():
    seen = []

    class Counting(ConstantRouter):
        def fit(self, features, correct, *, weights=None, clusters=None):
            seen.append(len(features))
            return super().fit(features, correct, weights=weights)

    rows = rows_of(lambda x, rng: np.ones((400, 1)))
    tune(lambda change: Counting((9,)), [{}], rows, TuningSettings(folds=2, most_rows=41))
    assert sum(seen) == 40  # twenty images of two, each in the half that is learnt from once


def test_no_candidate_is_begun_after_the_time():
    rows = rows_of(lambda x, rng: np.ones((400, 1)))
    tried = tune(build, COUNTS, rows, TuningSettings(seconds=-1.0))
    assert [one.change for one in tried] == [{"count": 1}, {"count": 40}]
    assert np.isfinite(tried[0].error) and np.isnan(tried[1].error)


def test_no_candidates_are_refused():
    with pytest.raises(ValueError, match="at least one candidate"):
        tune(build, [], rows_of(lambda x, rng: np.ones((400, 1))), TuningSettings())


def test_every_kind_has_candidates_that_it_takes_but_the_constant():
    # The blend is tuned part by part.
    assert set(GRIDS) == set(ROUTERS) - {"constant", "blend"}
    assert all(len(grid) > 1 for grid in GRIDS.values())


def test_nothing_to_tune_changes_nothing():
    settings = TrainSettings(kind="constant", tuning=TuningSettings())
    assert tune_settings(None, settings).tuning is None
    assert Tried({}, 0.5).error == 0.5


@pytest.fixture
def split():
    """One question in five needs the largest scale, three in ten are only right at the cheapest."""
    n, rng = 400, np.random.default_rng(0)
    drawn = rng.random(n)
    return TrainData(
        sample_ids=np.arange(n).astype(str),
        image_ids=np.arange(n).astype(str),
        groups=np.full(n, "g"),
        coarse=np.zeros((n, 2, 1)),
        question=np.zeros((n, 1)),
        scores=np.column_stack([drawn > 0.2, drawn < 0.7]).astype(float),
        tokens=np.tile([1.0, 576.0], (n, 1)),
        scales=(1, 576),
    )


def test_a_router_that_stays_where_there_is_no_gap_is_no_winner(split):
    rows = split.scores[:, :1]
    idle, knowing = (
        kind(split.scales).fit(rows, split.scores) for kind in (ConstantRouter, LinearRouter)
    )
    picked, table = pick_router({"idle": idle, "linear": knowing}, rows, split, "platt")
    assert picked is knowing
    assert [row["kind"] for row in table] == ["linear", "idle"]
    assert table[0]["ogc"] > 0.5 and table[1]["ogc"] is None


def test_a_split_without_a_gap_leaves_the_first_candidate(split):
    rows = split.scores[:, :1]
    two = {name: ConstantRouter(split.scales).fit(rows, split.scores) for name in ("one", "other")}
    assert pick_router(two, rows, split, "platt")[0] is two["one"]
