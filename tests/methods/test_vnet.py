import torch

from remodal.objectives.squared_dice import cross_entropy_and_dice

from .conftest import FIRST, half_labelled


def test_only_labelled_samples_are_supervised(build, make_batch):
    method, batch = build("vnet", dropout=0.0), make_batch()
    (logits,) = method.network(method.image(batch.images))
    expected = cross_entropy_and_dice(logits[:1], batch.label[:1])
    found = method.objective(half_labelled(batch), FIRST)["loss"]
    torch.testing.assert_close(found, expected)


def test_probabilities_are_the_softmax_of_the_head(build, make_batch):
    method, images = build("vnet"), make_batch().images
    method.network.eval()
    (logits,) = method.network(torch.cat([images["arterial"], images["venous"]], 1))
    torch.testing.assert_close(method.probabilities(images), torch.softmax(logits, 1))
