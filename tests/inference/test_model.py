import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.inference.model import Segmenter, choose_device, choose_precision
from remodal.settings import ComputeSettings, InferenceSettings


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="no usable GPU"):
        choose_device("cuda")


def test_automatic_precision_is_32_bit_on_a_cpu() -> None:
    assert choose_precision("auto", torch.device("cpu")) == "32-true"
    assert choose_precision("bf16-mixed", torch.device("cpu")) == "bf16-mixed"


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
