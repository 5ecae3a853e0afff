import numpy as np

from remodal.inference.model import Segmenter
from remodal.settings import ComputeSettings, InferenceSettings


def test_half_precision_passes_change_probabilities_a_little(study) -> None:
    image = np.random.default_rng(0).normal(size=(2, 16, 32, 32)).astype(np.float32)
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        settings = InferenceSettings(mirror=False, precision=precision)
        compute = ComputeSettings(device="cpu", windows=2)
        segmenter = Segmenter(study.model("nnunet"), ["arterial", "venous"], settings, compute)
        found[precision] = segmenter.probabilities(image)
        assert found[precision].dtype == np.float32
        np.testing.assert_allclose(found[precision].sum(axis=0), 1, atol=1e-2)
    gap = np.abs(found["32-true"] - found["bf16-mixed"])
    assert 0 < gap.max() < 0.1
