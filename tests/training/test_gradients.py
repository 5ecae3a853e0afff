"""Two processes on the CPU in place of two GPUs."""

import subprocess
import sys

import pytest

TWO = """
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn
from remodal.training.gradients import average_gradients

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", plugins=[LightningEnvironment()])
fabric.launch()
both, one, none = (nn.Parameter(torch.zeros(2, 2)) for _ in range(3))
loss = (both * (1 + fabric.global_rank)).sum()
if fabric.global_rank == 1:
    loss = loss + 4 * one.sum()
loss.backward(inputs=[both, one])
average_gradients([both, one, none], fabric)
assert both.grad.tolist() == [[1.5, 1.5], [1.5, 1.5]], both.grad
assert one.grad.tolist() == [[2, 2], [2, 2]], one.grad
assert none.grad is None
"""


@pytest.mark.slow  # two processes that import torch
def test_every_process_gets_the_mean_of_all_also_of_what_only_one_of_them_used(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(TWO)
    subprocess.run([sys.executable, file], check=True, capture_output=True, timeout=120)
