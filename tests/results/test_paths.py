import re
from pathlib import Path

import pytest

from remodal.results import paths
from remodal.settings.composition import compose

ROOT = Path(__file__).parents[2]


def test_a_training_is_found_again_by_its_folder():
    training = paths.Training("maml", 3, 12)
    folder = paths.model_folder(paths.study_folder("liver-demo"), training)
    assert folder == Path("results/studies/liver-demo/models/maml/fold3-seed12")
    assert paths.training_of(folder) == training


@pytest.mark.parametrize("name", ["fold1", "fold1-seedx", "xfold1-seed0", "fold1-seed0.old"])
def test_another_folder_is_of_no_training(name):
    assert paths.training_of(Path("maml", name)) is None


def test_all_trainings_of_a_study_in_the_order_of_its_settings():
    overrides = {"seeds": [4, 2], "splits": {"scheme": "kfold", "folds": 2}}
    settings = compose({"study": "liver", "preset": "smoke"}, ROOT / "config", overrides)
    found = list(settings.trainings("maml"))
    assert found == [("maml", 0, 4), ("maml", 0, 2), ("maml", 1, 4), ("maml", 1, 2)]
    every = list(settings.trainings())
    assert len(every) == 4 * len(settings.methods)
    assert list(dict.fromkeys(training.method for training in every)) == list(settings.methods)


def test_names_with_dots_stay_whole():
    assert paths.log_file(Path("d"), "convert", "p1.2", "t1") == Path("d/logs/convert/p1.2-t1.log")
    assert paths.benchmark_file(Path("d"), "split") == Path("d/benchmarks/split.tsv")


def test_only_one_module_spells_the_folders_of_results():
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/**/*.smk"), ROOT / "Snakefile"]
    spelling = (
        r"fold\{[^}]*\}-seed\{|results/(data|studies)/\{|/ f?\"(converted|registered|scans)[/\"]"
    )
    spelt = [f.name for f in files if re.search(spelling, f.read_text(encoding="utf-8"))]
    assert spelt == ["paths.py"]
