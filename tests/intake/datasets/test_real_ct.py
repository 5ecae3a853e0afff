from pathlib import Path

from remodal.intake.datasets import cases_of
from remodal.intake.simulation import simulation_options
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[3] / "config"


def test_patients_in_a_real_ct_lie_in_a_folder_of_their_own():
    settings = compose({"study": "liver_real_ct", "preset": "demo"}, CONFIG)
    cases = cases_of(settings)
    assert len(cases) == simulation_options(settings).cases
    assert cases[2].case == "patient003"
    expected = Path("results/data/real_ct-demo/scans/patient003")
    assert cases[2].images["venous"].parent == expected
    assert list(cases[2].labels) == ["venous"]
