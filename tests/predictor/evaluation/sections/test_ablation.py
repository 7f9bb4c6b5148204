import pytest

from predictor.evaluation.sections.ablation import ablate
from predictor.features.blocks import FeatureSettings
from predictor.training.train import TrainSettings


def test_one_block_cannot_be_compared():
    settings = TrainSettings(features=FeatureSettings(blocks=("question",)))
    with pytest.raises(ValueError, match="at least two blocks"):
        ablate((None, None, None), settings)
