import numpy as np
import pytest


@pytest.fixture
def lesion_masks():
    """Two irregular lesions and a prediction of them that is off, with a far false positive."""
    rng = np.random.default_rng(7)
    z, y, x = np.ogrid[:20, :40, :44]

    def ball(centre, radius):
        return (z - centre[0]) ** 2 * 4 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2

    truth = ball((9, 14, 14), 9) | ball((13, 28, 30), 5)
    prediction = ball((9, 15, 13), 8) | ball((12, 28, 31), 6) | ball((4, 34, 8), 3)
    prediction &= rng.random(prediction.shape) > 0.05
    return prediction, truth
