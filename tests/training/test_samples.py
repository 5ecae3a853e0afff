"""Where the batches of a training come from."""

import torch

from remodal.methods import build_method
from remodal.training import samples
from remodal.training.cases import load_cases


def test_pools_of_one_kind_share_their_opened_cases(tmp_path, make_study, monkeypatch):
    """A case that is held in a GPU's memory is held once."""
    opened = []

    def noted(folder, usable, *rest):
        opened.append(list(usable))
        return load_cases(folder, usable, *rest)

    monkeypatch.setattr(samples, "load_cases", noted)
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "labelled", "samples": 1}]
    study = make_study(tmp_path, batch=2, pools=pools)
    settings = study.settings
    method = build_method("nnunet", settings.data.modalities, 1, settings.network)
    paths = (study.preprocessed, study.folder / "splits.json")
    found = samples.open_samples(settings, "nnunet", method, 0, 0, *paths, torch.device("cpu"))
    assert opened == [["a", "b", "c"], ["d"]]
    assert len(found.training.batch(0, 0).label) == 2
