import pytest
import torch

from remodal.errors import UserError
from remodal.objectives.gaussians import Gaussian, product_with_prior, subset_divergence
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.objectives.subsets import draw_subset

SEQUENCES = ("t1", "t1ce", "t2", "flair")


def test_the_loss_is_the_weighted_sum_of_its_terms(build, make_batch):
    method = build("uhved", SEQUENCES, kl_weight=0.3, reconstruction_weight=0.2)
    torch.manual_seed(0)
    losses = method.objective(make_batch(SEQUENCES), None)
    expected = losses["segmentation"] + 0.3 * losses["kl"] + 0.2 * losses["reconstruction"]
    torch.testing.assert_close(losses["loss"].detach(), expected)
    assert losses["kl"] > 0
    assert losses["reconstruction"] > 0
    assert not losses["kl"].requires_grad


@pytest.mark.parametrize("seed", [0, 1])
def test_the_terms_by_hand(build, make_batch, seed):
    """One sample of what the subset says is segmented, and is to reconstruct every image."""
    method, batch = build("uhved", SEQUENCES), make_batch(SEQUENCES)
    torch.manual_seed(seed)
    losses = method.objective(batch, None)
    torch.manual_seed(seed)
    seen = [SEQUENCES.index(name) for name in draw_subset(SEQUENCES, "size")]
    assert len(seen) < 4
    hidden, divergences = [], []
    for of_scale in zip(*method.network.encode([batch.images[name] for name in SEQUENCES])):
        precisions = {n: 1 / (of_scale[n][1].exp() + 1e-7) for n in seen}
        total = 1 + sum(precisions.values())
        mean = sum(of_scale[n][0] * precisions[n] for n in seen) / total
        hidden.append(mean + torch.randn_like(mean) * (1 / total + 1e-7).sqrt())
        divergences.append(subset_divergence([Gaussian(*expert) for expert in of_scale], seen))
    log_p = log_probabilities(method.network.decoder(hidden))
    segmentation = segmentation_loss(log_p, batch.label, "batch")
    torch.testing.assert_close(losses["segmentation"], segmentation.detach())
    torch.testing.assert_close(losses["kl"], torch.stack(divergences).mean().detach())
    squares = [
        (decoder(hidden) - batch.images[name]).square().mean()
        for name, decoder in zip(SEQUENCES, method.companions["reconstruction"], strict=True)
    ]
    torch.testing.assert_close(losses["reconstruction"], torch.stack(squares).mean().detach())


def test_the_mean_is_decoded_of_the_product_of_those_present(build, make_batch):
    method, batch = build("uhved", SEQUENCES, inference="mean"), make_batch(SEQUENCES)
    images = {name: batch.images[name] for name in ("t1ce", "flair")}
    encoded = method.network.encode([images.get(name) for name in SEQUENCES])
    assert len(encoded) == 2
    hidden = [product_with_prior([Gaussian(*one) for one in scale]).mean for scale in zip(*encoded)]
    expected = method.network.decoder(hidden).softmax(1)
    torch.testing.assert_close(method.probabilities(images), expected)


def test_a_sample_is_of_the_seed_and_not_of_the_batch_nor_of_torchs_generator(build, make_batch):
    """So that a prediction does not depend on how many windows are predicted at once."""
    method, batch = build("uhved"), make_batch()
    whole = method.probabilities(batch.images)
    torch.manual_seed(1)
    single = method.probabilities({name: image[1:] for name, image in batch.images.items()})
    torch.testing.assert_close(single, whole[1:])
    other = build("uhved", sampling_seed=1)
    assert not torch.allclose(other.probabilities(batch.images), whole, atol=1e-3)


def test_a_trace_decodes_the_same_sample_from_other_images(build, make_batch):
    """As in a bundle of MONAI; noise that is drawn while traced would be drawn anew each time."""
    method = build("uhved")
    method.network.requires_grad_(False)

    def predict(*images):
        return method.probabilities(dict(zip(method.modalities, images)))

    seen, other = (tuple(make_batch(seed=seed).images.values()) for seed in (0, 1))
    with torch.no_grad():
        expected = predict(*other)
        traced = torch.jit.trace(predict, seen, check_trace=False)
        torch.testing.assert_close(traced(*other), expected)


def test_prediction_draws_nothing_from_the_generator_that_training_uses(build, make_batch):
    method, batch = build("uhved"), make_batch()
    before = torch.get_rng_state()
    method.probabilities(batch.images)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_decoders_of_images_are_trained_and_are_no_part_of_the_model(
    build, make_batch, loss_of
):
    method = build("uhved", SEQUENCES)
    decoders = method.companions["reconstruction"]
    assert len(decoders) == 4
    loss_of(method, make_batch(SEQUENCES)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in decoders.parameters())
    assert not any("reconstruction" in key for key in method.network.state_dict())


def test_there_is_nothing_to_compare_with_one_modality(build):
    with pytest.raises(UserError, match="at least 2 modalities"):
        build("uhved", ["t1"])
