import pytest
import torch

from remodal.objectives.batch import Step
from remodal.objectives.class_weighted import class_weighted_loss
from remodal.objectives.subsets import draw_subset

SEQUENCES = ("t1", "t1ce", "t2", "flair")


@pytest.mark.parametrize(("epoch", "fused"), [(0, False), (1, False), (2, True)])
def test_the_fused_loss_comes_in_after_a_share_of_the_epochs(build, make_batch, epoch, fused):
    method = build("rfnet", SEQUENCES, apart=0.2)
    losses = method.objective(make_batch(SEQUENCES), Step(epoch, 0, 10, 1))
    assert ("fused" in losses) is fused
    terms = sum(value for name, value in losses.items() if name != "loss")
    torch.testing.assert_close(losses["loss"].detach(), terms)


@pytest.mark.parametrize("name", ["rfnet", "mmformer"])
def test_every_modality_is_segmented_alone_whichever_the_fusion_sees(build, make_batch, name):
    method, batch = build(name, SEQUENCES), make_batch(SEQUENCES)
    encoded = method.network.encode(list(batch.images.values()))
    decoder = method.companions["separate"]
    expected = sum(class_weighted_loss(decoder(e).softmax(1), batch.label) for e in encoded)
    for seed in range(2):
        torch.manual_seed(seed)
        found = method.objective(batch, Step(0, 0, 1, 1))["separate"]
        torch.testing.assert_close(found, expected.detach())
    assert not any("separate" in key for key in method.network.state_dict())


@pytest.mark.parametrize(("name", "options"), [("rfnet", {}), ("mmformer", {"dropout": 0.0})])
def test_the_fused_prediction_and_all_scales_are_of_the_subset_that_was_drawn(
    build, make_batch, name, options
):
    method, batch = build(name, SEQUENCES, **options), make_batch(SEQUENCES)
    for seed, count in ((1, 3), (2, 1), (6, 2)):
        torch.manual_seed(seed)
        drawn = draw_subset(SEQUENCES, "subset")
        assert len(drawn) == count
        images = {key: batch.images[key] for key in drawn}
        p = method.probabilities(images)
        _, scales = method.fused(method.network.encode([images.get(key) for key in SEQUENCES]))
        torch.manual_seed(seed)
        losses = method.objective(batch, Step(9, 0, 10, 1))
        expected = class_weighted_loss(p, batch.label)
        torch.testing.assert_close(losses["fused"], expected.detach())
        expected = sum(class_weighted_loss(scale, batch.label) for scale in scales)
        torch.testing.assert_close(losses["scales"], expected.detach())


def test_mmformer_is_supervised_at_every_scale(build, make_batch):
    method, batch = build("mmformer", SEQUENCES, dropout=0.0), make_batch(SEQUENCES)
    fused, scales = method.fused(method.network.encode(list(batch.images.values())))
    assert len(scales) == len(method.network.heads) - 1 == 3
    torch.testing.assert_close(fused, method.probabilities(batch.images))
    for p in scales:
        assert p.shape == fused.shape
        torch.testing.assert_close(p.sum(1), torch.ones(2, 8, 16, 16))
