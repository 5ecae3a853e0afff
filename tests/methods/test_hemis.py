import torch

from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.objectives.subsets import draw_subset

SEQUENCES = ("t1", "t1ce", "t2", "flair")


def test_each_step_is_the_segmentation_loss_of_the_subset_that_was_drawn(
    build, make_batch, loss_of
):
    method, batch = build("hemis", SEQUENCES), make_batch(SEQUENCES)
    for seed in range(3):
        torch.manual_seed(seed)
        drawn = draw_subset(SEQUENCES, "size")
        logits = method.network([batch.images[n] if n in drawn else None for n in SEQUENCES])
        expected = segmentation_loss(log_probabilities(logits), batch.label, "batch")
        torch.testing.assert_close(loss_of(method, batch, seed), expected)


def test_any_number_of_modalities_will_do(build, make_batch, loss_of):
    for names in (["t1"], SEQUENCES[:3]):
        assert loss_of(build("hemis", names), make_batch(names)).isfinite()
