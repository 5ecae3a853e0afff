"""What is missing has no influence, for every method and every subset that it can do without."""

import pytest
import torch

from remodal.methods import build_method
from remodal.objectives.subsets import subsets
from remodal.settings import NetworkSettings

SEQUENCES = ("t1", "t1ce", "t2", "flair")
ANY_SUBSET = [
    ("hemis", {}),
    ("uhved", {}),
    ("uhved", {"inference": "mean"}),
    ("maml_any", {}),
    ("maml_any", {"alone": "joint"}),
    ("rfnet", {}),
    ("mmformer", {"dropout": 0.0}),
    ("ms_ensemble", {"training": "joint"}),
    ("nnunet", {"missing": "zeros"}),
]


@pytest.fixture
def images(make_batch):
    """One patch of each sequence."""
    return {name: image[:1] for name, image in make_batch(SEQUENCES).images.items()}


@pytest.mark.parametrize(("name", "options"), ANY_SUBSET)
def test_every_subset_is_answered_by_a_distribution_of_its_own(build, images, name, options):
    method = build(name, SEQUENCES, **options)
    answers = []
    for present in subsets(SEQUENCES):
        assert method.supports(present)
        with torch.no_grad():
            p = method.probabilities({key: images[key] for key in present})
        torch.testing.assert_close(p.sum(1), torch.ones(1, 8, 16, 16))
        assert all(not torch.equal(p, other) for other in answers)
        answers.append(p)
    assert not method.supports([])
    assert not method.supports(["t1", "dwi"])


@pytest.mark.parametrize(
    ("name", "least"), [("hemis", 8), ("uhved", 8), ("rfnet", 8), ("mmformer", 16)]
)
def test_a_network_with_fewer_strides_than_the_study_takes_patches_that_suit_it(name, least):
    network = NetworkSettings(base_width=4, max_width=8, strides=[(2, 2, 2)] * 5)
    method = build_method(name, SEQUENCES, 1, network)
    assert method.patch_multiple(network) == (least, least, least)
    sides = (least, 2 * least, 2 * least)
    with torch.no_grad():
        p = method.probabilities({"t1": torch.randn(1, 1, *sides)})
    assert p.shape == (1, 2, *sides)


@pytest.mark.parametrize(("name", "options"), ANY_SUBSET)
def test_the_order_of_the_images_does_not_matter(build, images, name, options):
    method = build(name, SEQUENCES, **options)
    with torch.no_grad():
        p = method.probabilities({key: images[key] for key in ("t1", "flair", "t2")})
        assert torch.equal(method.probabilities({k: images[k] for k in ("t2", "t1", "flair")}), p)


LEARN_WITHOUT = [
    ("hemis", {}),
    ("maml_any", {"intra_weight": 0.0}),
    ("maml_any", {"intra_weight": 0.0, "alone": "joint"}),
]


@pytest.mark.parametrize(("name", "options"), LEARN_WITHOUT)
def test_a_step_learns_nothing_from_an_image_that_it_is_not_to_see(
    build, make_batch, loss_of, name, options
):
    """Neither the loss nor any gradient depends on its values, be they not even numbers."""
    method, batch = build(name, SEQUENCES, **options), make_batch(SEQUENCES)
    for image in batch.images.values():
        image.requires_grad_()
    seen = set()
    for seed in range(8):
        loss = loss_of(method, batch, seed)
        gradients = torch.autograd.grad(loss, list(batch.images.values()), allow_unused=True)
        used = {
            key
            for key, gradient in zip(batch.images, gradients)
            if gradient is not None and gradient.any()
        }
        assert used
        hidden = {
            key: image.detach() if key in used else torch.full_like(image, 1e6).detach()
            for key, image in batch.images.items()
        }
        changed = type(batch)(hidden, batch.labels, batch.labelled)
        torch.testing.assert_close(loss_of(method, changed, seed), loss)
        seen.add(frozenset(used))
    assert len(seen) > 3


def test_a_student_looks_at_no_other_image(build, images):
    method = build("kdnet", SEQUENCES, student="t1ce")
    assert not method.supports(["t1", "t2"])
    alone = method.probabilities({"t1ce": images["t1ce"]})
    assert torch.equal(method.probabilities(images), alone)
