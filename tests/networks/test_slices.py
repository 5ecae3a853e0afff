import torch

from remodal.networks.slices import as_volumes, neighbourhoods


def test_each_slice_comes_with_its_neighbours():
    image = torch.arange(2 * 6 * 3 * 4).view(2, 1, 6, 3, 4)
    found = neighbourhoods(image)
    assert found.shape == (8, 3, 3, 4)
    for sample in range(2):
        for z in range(4):
            assert torch.equal(found[4 * sample + z], image[sample, 0, z : z + 3])


def test_the_slice_in_the_middle_goes_back_to_its_place():
    image = torch.arange(2 * 6 * 3 * 4).view(2, 1, 6, 3, 4)
    assert torch.equal(as_volumes(neighbourhoods(image)[:, 1:2], 2), image[:, :, 1:-1])
