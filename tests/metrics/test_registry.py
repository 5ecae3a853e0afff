import subprocess
import sys

import numpy as np
import pytest

from remodal.errors import UserError
from remodal.geometry.components import largest_component
from remodal.metrics import registry
from remodal.metrics.pair import MaskPair
from remodal.metrics.registry import METRICS, CaseMetric, require_case_metric
from remodal.settings import MetricsSettings


def test_every_default_of_the_settings_is_registered():
    for name in MetricsSettings().names:
        assert require_case_metric(name, "metrics.names").name == name


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if isinstance(m, CaseMetric)])
def test_a_perfect_prediction_has_the_best_value(name, lesion_masks):
    truth = largest_component(lesion_masks[1])
    best = {"higher": 100, "lower": 0, "zero": 0}[METRICS[name].direction]
    metric = METRICS[name]
    assert metric.measure(MaskPair(truth, truth, (2, 1, 1))) == best
    assert metric.title.endswith(f"[{metric.unit}]")


def test_a_new_metric_is_one_decorated_function(monkeypatch):
    monkeypatch.setattr(registry, "METRICS", dict(METRICS))

    @registry.of_case("volume", "Volume", "voxel", "higher")
    def volume(pair):
        return float(pair.overlap.prediction)

    pair = MaskPair(np.ones((2, 2, 2), bool), np.ones((2, 2, 2), bool), (1, 1, 1))
    assert registry.require_case_metric("volume", "here").measure(pair) == 8


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(UserError, match="unknown metric `dsc`; expected one of dice, "):
        require_case_metric("dsc", "metrics.names")


def test_evaluate_imports_neither_torch_nor_mlflow():
    code = (
        "import sys, remodal.metrics.evaluate;"
        "print({'torch', 'mlflow', 'pandas', 'SimpleITK'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
