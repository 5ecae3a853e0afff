import pytest
import torch

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.objectives.segmentation import segmentation_loss
from remodal.settings import NetworkSettings

from .conftest import FIRST


@pytest.fixture
def trained(build):
    """Single-phase nnU-Nets with weights of their own."""
    singles = {}
    for seed, name in enumerate(["arterial", "venous"]):
        singles[name] = build("nnunet", [name])
        torch.manual_seed(seed + 1)
        for parameter in singles[name].network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return singles


def test_it_averages_the_softmax_of_the_models_it_starts_from(build, make_batch, trained):
    ensemble, batch = build("ms_ensemble"), make_batch()
    ensemble.start_from(trained)
    images = {name: batch.images[name] for name in trained}
    expected = sum(trained[name].probabilities({name: batch.images[name]}) for name in trained) / 2
    torch.testing.assert_close(ensemble.probabilities(images), expected)


def test_one_phase_gives_that_phases_model(build, make_batch, trained):
    ensemble, batch = build("ms_ensemble"), make_batch()
    ensemble.start_from(trained)
    venous = {"venous": batch.images["venous"]}
    expected = trained["venous"].probabilities(venous)
    torch.testing.assert_close(ensemble.probabilities(venous), expected)


def test_any_of_its_modalities_will_do(build):
    ensemble = build("ms_ensemble", ["t1", "t1ce", "t2", "flair"])
    assert ensemble.supports(["t2", "t1"])
    assert ensemble.supports(["flair"])
    assert not ensemble.supports([])
    assert not ensemble.supports(["t1", "dwi"])


def test_it_learns_only_when_trained_jointly(build):
    assert not build("ms_ensemble").learns
    assert build("ms_ensemble", training="joint").learns


def test_joint_training_goes_through_the_averaged_probabilities(build, make_batch):
    ensemble = build("ms_ensemble", training="joint", deep_supervision=False)
    batch = make_batch()
    mean = ensemble.probabilities({name: batch.images[name] for name in ensemble.modalities})
    expected = segmentation_loss(mean.log(), batch.label, "batch")
    torch.testing.assert_close(ensemble.objective(batch, FIRST)["loss"], expected)


def test_joint_training_needs_no_other_model(build):
    build("ms_ensemble", training="joint").start_from({})


def test_it_keeps_weights_of_its_own(build, trained):
    ensemble = build("ms_ensemble")
    ensemble.start_from(trained)
    for parameter in trained["venous"].network.parameters():
        parameter.data.zero_()
    assert any(parameter.any() for parameter in ensemble.network.models[1].parameters())


def test_a_modality_without_a_trained_model_is_named(build, trained):
    with pytest.raises(UserError, match="input `venous`: is missing"):
        build("ms_ensemble").start_from({"arterial": trained["arterial"]})


def test_a_model_of_another_kind_or_modality_is_refused(build, trained):
    swapped = {"arterial": trained["venous"], "venous": trained["arterial"]}
    with pytest.raises(UserError, match="is a `nnunet` of venous; expected an `nnunet` trained on"):
        build("ms_ensemble").start_from(swapped)
    with pytest.raises(UserError, match=r"is a `maml` of arterial \+ venous"):
        build("ms_ensemble").start_from(trained | {"arterial": build("maml")})


def test_a_model_of_another_size_is_refused(build, trained):
    wider = NetworkSettings(base_width=8, max_width=8, strides=[(1, 2, 2), (2, 2, 2), (2, 2, 2)])
    trained["venous"] = build_method("nnunet", ["venous"], 1, wider)
    with pytest.raises(UserError, match="another number of classes or another network size"):
        build("ms_ensemble").start_from(trained)
