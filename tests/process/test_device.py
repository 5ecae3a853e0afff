import pytest
import torch

from remodal.errors import UserError
from remodal.process.device import choose_device, choose_precision


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="no usable GPU"):
        choose_device("cuda")


def test_automatic_precision_is_32_bit_on_a_cpu() -> None:
    assert choose_precision("auto", torch.device("cpu")) == "32-true"
    assert choose_precision("bf16-mixed", torch.device("cpu")) == "bf16-mixed"
