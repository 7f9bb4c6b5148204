import pytest

from predictor.ablation import ablate
from predictor.blocks import FeatureSettings
from predictor.train import TrainSettings


def test_one_block_cannot_be_compared():
    settings = TrainSettings(features=FeatureSettings(blocks=("question",)))
    with pytest.raises(ValueError, match="at least two blocks"):
        ablate((None, None, None), settings)
