"""A router trained by image folds has not seen what it routes."""

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.policy.budgets import operating_table
from predictor.routers.neighbours import NeighbourSettings
from predictor.training.cross_routing import choose_for_gain, cross_predict, most_gaining
from predictor.training.train import TrainSettings

TOKENS = np.array([1.0, 9.0, 36.0])


def test_the_lambda_is_where_most_is_gained():
    # Half need 9 tokens, which the predictions know: 5 tokens get all right, mixing gets 3/4.
    scores = np.where(np.arange(40)[:, None] % 2 == 0, [1.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    table = operating_table(scores, TOKENS, scores)
    lam = most_gaining(table, scores, np.tile(TOKENS, (40, 1)))
    assert dict(zip(table.lambdas, table.costs, strict=True))[lam] == pytest.approx(5)


def test_choices_are_made_by_the_lambda_of_other_images():
    random = np.random.default_rng(0)
    predicted = random.random((200, 3))
    scores = (random.random((200, 3)) < predicted).astype(float)
    tokens, images = np.tile(TOKENS, (200, 1)), np.arange(200) // 2
    chosen = choose_for_gain(predicted, scores, tokens, images)
    # The outcomes of one image are turned round: what is chosen for it stays.
    turned = scores.copy()
    turned[:2] = 1 - turned[:2]
    assert (choose_for_gain(predicted, turned, tokens, images)[:2] == chosen[:2]).all()
    with pytest.raises(ValueError, match="needs at least 2 images, got 1"):
        choose_for_gain(predicted, scores, tokens, np.zeros(200))


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
