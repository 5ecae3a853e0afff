import pytest
import torch

from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.objectives.subsets import draw_subset

SEQUENCES = ("t1", "t1ce", "t2", "flair")


@pytest.fixture
def pair(build):
    """A MAML, and a MAML for any subset with its weights."""

    def make(modalities, **options):
        plain, free = build("maml", modalities), build("maml_any", modalities, **options)
        free.start_from({"start": plain})
        return plain, free

    return make


@pytest.mark.parametrize("modalities", [SEQUENCES[:2], SEQUENCES])
def test_with_nothing_missing_it_is_maml(pair, make_batch, modalities):
    (plain, free), batch = pair(modalities), make_batch(modalities)
    assert torch.equal(free.probabilities(batch.images), plain.probabilities(batch.images))


def test_one_modality_is_predicted_by_its_own_head_as_by_maml(pair, make_batch):
    (plain, free), batch = pair(SEQUENCES), make_batch(SEQUENCES)
    for name, image in batch.images.items():
        assert torch.equal(free.probabilities({name: image}), plain.probabilities({name: image}))


def test_one_modality_can_be_predicted_by_the_joint_head(pair, make_batch):
    (plain, free), batch = pair(SEQUENCES, alone="joint"), make_batch(SEQUENCES)
    image = {"t1ce": batch.images["t1ce"]}
    joint, _ = free.network([None, image["t1ce"], None, None])
    torch.testing.assert_close(free.probabilities(image), joint.softmax(1))
    assert not torch.allclose(free.probabilities(image), plain.probabilities(image))


def test_the_part_that_answers_is_named(build):
    for name, options, alone in [
        ("maml", {}, "the head of t1 alone"),
        ("maml_any", {}, "the head of t1 alone"),
        ("maml_any", {"alone": "joint"}, "the joint head"),
        ("kdnet", {}, "the student of t1"),
        ("hemis", {}, ""),
    ]:
        method = build(name, SEQUENCES, **options)
        assert method.answered_by(["t1"]) == alone
        if "maml" in name:
            assert method.answered_by(SEQUENCES) == "the joint head"


def test_of_two_modalities_it_is_trained_as_maml(pair, make_batch, loss_of):
    (plain, free), batch = pair(SEQUENCES[:2]), make_batch(SEQUENCES[:2])
    for seed in range(3):
        assert torch.equal(loss_of(free, batch, seed), loss_of(plain, batch, seed))


def test_the_joint_loss_is_of_a_random_subset_and_the_others_are_of_all(pair, make_batch, loss_of):
    (plain, free), batch = pair(SEQUENCES, intra_weight=1.0), make_batch(SEQUENCES)
    fixed = plain.objective(batch, None)
    torch.manual_seed(3)
    losses = free.objective(batch, None)
    for name in SEQUENCES:
        torch.testing.assert_close(losses[f"intra_{name}"], fixed[f"intra_{name}"])
    torch.manual_seed(3)
    drawn = draw_subset(SEQUENCES, "size", least=2)
    assert set(drawn) != set(SEQUENCES)
    joint, _ = free.network([batch.images[n] if n in drawn else None for n in SEQUENCES])
    p = free.probabilities({name: batch.images[name] for name in drawn})
    torch.testing.assert_close(p, joint.softmax(1))
    of_subset = segmentation_loss(log_probabilities(joint), batch.label, "batch")
    torch.testing.assert_close(losses["joint"], of_subset.detach())
    assert not torch.allclose(losses["joint"], fixed["joint"])
