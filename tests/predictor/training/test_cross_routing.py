"""A router trained by image folds has not seen what it routes."""

import numpy as np

from predictor.data import TrainData
from predictor.routers.neighbours import NeighbourSettings
from predictor.training.cross_routing import choose_for_gain, cross_predict
from predictor.training.train import TrainSettings

TOKENS = np.array([1.0, 9.0, 36.0])


def test_the_choice_is_where_most_is_promised():
    # Half need 9 tokens, which the probabilities know: 5 tokens get all right, mixing gets 3/4.
    predicted = np.where(np.arange(40)[:, None] % 2 == 0, [1.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    chosen = choose_for_gain(predicted, np.tile(TOKENS, (40, 1)))
    assert chosen.tolist() == [0, 1] * 20
    # Where all questions are alike no lambda promises more than another, and the cheapest stays.
    assert not choose_for_gain(np.tile([0.4, 0.6, 0.8], (5, 1)), np.tile(TOKENS, (5, 1))).any()


def test_a_router_learns_from_other_images_alone():
    # Four questions an image. Features say whether its number is odd, which decides at 1 token; at
    # 9 tokens a coin decides, so that nothing but the image's other questions gives it away.
    random = np.random.default_rng(0)
    image = np.repeat(np.arange(40), 4)
    odd, coin = image % 2, random.integers(0, 2, 40)[image]
    looks = random.normal(size=(40, 1, 8)) + 3.0 * (np.arange(40) % 2)[:, None, None]
    data = TrainData(
        sample_ids=np.arange(160).astype(str),
        image_ids=image.astype(str),
        groups=np.full(160, "one"),
        coarse=np.repeat(looks, 10, axis=1)[image].astype(np.float32),
        question=random.normal(size=(160, 8)).astype(np.float32),
        scores=np.column_stack((odd, coin, np.ones(160))),
        tokens=np.tile(TOKENS, (160, 1)),
        scales=(1, 9, 36),
    )
    settings = TrainSettings(kind="knn", neighbours=NeighbourSettings(count=10))
    predicted = cross_predict(data, settings, folds=2)
    told, secret = (
        predicted[data.scores[:, k] == 1, k].mean() - predicted[data.scores[:, k] == 0, k].mean()
        for k in (0, 1)
    )
    assert told > 0.3
    assert secret < 0.1
