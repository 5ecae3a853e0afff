import pytest
import torch

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.objectives.distillation import (
    feature_divergence,
    one_hot,
    soft_target_loss,
    softened,
)
from remodal.settings import NetworkSettings

from .conftest import FIRST, NETWORK

SEQUENCES = ("t1", "t1ce", "t2", "flair")


def test_the_loss_is_the_descriptions(build, make_batch):
    method, batch = build("kdnet", SEQUENCES, student="t1ce"), make_batch(SEQUENCES)
    (logits,) = method.network(batch.images["t1ce"])
    image = torch.cat([batch.images[name] for name in SEQUENCES], 1)
    teacher = method.inputs["teacher"].network
    (taught,) = teacher(image)
    deepest = method.network.encoder(batch.images["t1ce"])[-1]
    expected = 0.75 * soft_target_loss(softened(logits, 5), softened(taught, 5))
    expected += 0.25 * soft_target_loss(logits.softmax(1), one_hot(batch.label, 2))
    expected += 50 * feature_divergence(deepest, teacher.encoder(image)[-1])
    losses = method.objective(batch, FIRST)
    torch.testing.assert_close(losses["loss"], expected)
    assert set(losses) == {"loss", "distillation", "label", "bottleneck"}


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(build, make_batch):
    method, batch = build("kdnet", ["t1"], teacher_share=1.0), make_batch(["t1"])
    state = method.inputs["teacher"].network.state_dict()
    method.network.load_state_dict({key: state[key] for key in method.network.state_dict()})
    losses = method.objective(batch, FIRST)
    assert losses["bottleneck"].item() == pytest.approx(0, abs=1e-6)
    losses["loss"].backward()
    norms = [p.grad.norm() for p in method.network.parameters()]
    assert max(norms) < 0.1


def test_the_teacher_is_not_moved(build, make_batch):
    method = build("kdnet", SEQUENCES)
    method.inputs["teacher"].network.requires_grad_(True)
    method.objective(make_batch(SEQUENCES), FIRST)["loss"].backward()
    assert all(p.grad is None for p in method.inputs["teacher"].network.parameters())


def test_the_student_is_the_first_modality_or_the_one_named(build):
    assert build("kdnet", SEQUENCES).student == "t1"
    assert build("kdnet", SEQUENCES, student="flair").supports(["flair"])
    with pytest.raises(UserError, match="there is no modality `dwi`; expected one of t1, t1ce"):
        build("kdnet", SEQUENCES, student="dwi")


def test_the_teacher_is_a_nnunet_of_all_modalities_and_of_the_students_size(build):
    method = build("kdnet", SEQUENCES)
    method.start_from(method.inputs)
    with pytest.raises(UserError, match="input `teacher`: is missing"):
        method.start_from({})
    with pytest.raises(UserError, match="is a `nnunet` of t1; expected an `nnunet` trained on t1 "):
        method.start_from({"teacher": build("nnunet", ["t1"])})
    wider = NETWORK.model_copy(update={"base_width": 8})
    teacher = build_method("nnunet", SEQUENCES, 1, NetworkSettings.model_validate(wider))
    with pytest.raises(UserError, match="another network size"):
        method.start_from({"teacher": teacher})
