import torch

from remodal.networks.mmformer import GRID, IntraModality, MMFormer, Transformer
from remodal.networks.unet import plan_layout

SMALL = plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)])
PUBLISHED = plan_layout(8, 128, [(2, 2, 2)] * 4)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_tokens_are_the_published_ones():
    """512 channels, 8^3 tokens of a patch of 128^3, a feed-forward net of 4096."""
    with torch.device("meta"):
        net = MMFormer(4, 4, PUBLISHED, 0.1)
        encoded = net.encode([torch.empty(1, 1, 128, 128, 128)] * 4)
    assert encoded[0][-1].shape == (1, 128, 8, 8, 8)
    assert net.intra[0].positions.shape == (1, 512, 8, 8, 8)
    assert net.inter.feed_forward[0].out_features == 4096
    layer = 3 * 512**2 + 512**2 + 512 + 2 * 512 * 4096 + 4096 + 512 + 4 * 512
    assert parameters(net.inter) == layer
    assert parameters(net.intra[0]) == layer + 512 * 8**3 + 129 * 512
    assert parameters(net) == 35_798_404


def test_a_layer_is_attention_and_a_feed_forward_net_each_normalised_and_added():
    torch.manual_seed(0)
    layer = Transformer(16, dropout=0.0)
    tokens, positions = torch.randn(2, 3, 10, 16)
    torch.nn.init.normal_(layer.attention_norm.bias)
    reference = torch.nn.MultiheadAttention(16, 8, batch_first=True)
    reference.in_proj_weight.data, reference.in_proj_bias.data = (
        layer.queries.weight.data,
        torch.zeros(48),
    )
    reference.out_proj.load_state_dict(layer.project.state_dict())
    flow = tokens + positions
    normed = layer.attention_norm(flow)
    flow = flow + reference(normed, normed, normed)[0]
    expected = flow + layer.feed_forward(layer.forward_norm(flow))
    torch.testing.assert_close(layer(tokens, positions), expected, atol=1e-5, rtol=1e-5)


def test_dropout_is_in_training_only():
    torch.manual_seed(0)
    layer = Transformer(16, dropout=0.5)
    tokens = torch.randn(1, 10, 16)
    assert not torch.equal(layer(tokens, tokens), layer(tokens, tokens))
    layer.eval()
    assert torch.equal(layer(tokens, tokens), layer(tokens, tokens))


def test_positions_are_learnt_for_the_published_patch_and_interpolated_for_others():
    torch.manual_seed(0)
    intra = IntraModality(4, 8, 0.0)
    torch.nn.init.normal_(intra.positions)
    exact = intra.positions_of((GRID, GRID, GRID))
    torch.testing.assert_close(exact, intra.positions.flatten(2).transpose(1, 2))
    found = intra.positions_of((3, 2, 5))
    assert found.shape == (1, 30, 8)
    corners = intra.positions[0, :, [0, 0, -1], [0, -1, -1], [0, -1, -1]].T
    torch.testing.assert_close(found[0, [0, 9, 29]], corners, atol=1e-5, rtol=1e-5)


def test_each_position_has_the_tokens_of_its_modalities():
    """With transformers that change nothing, and back to the features that the tokens are of."""
    torch.manual_seed(0)
    net = MMFormer(2, 2, SMALL, 0.0)
    for layer in (net.inter, *(intra.transformer for intra in net.intra)):
        for last in (layer.project, layer.feed_forward[3]):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
    width, tokens = SMALL.widths[-1], net.intra[0].tokens.out_channels
    net.back.weight.data.zero_()
    net.back.bias.data.zero_()
    for number, intra in enumerate(net.intra):
        intra.tokens.weight.data = torch.eye(tokens, width).view(tokens, width, 1, 1, 1)
        intra.tokens.bias.data.zero_()
        rows = slice(number * width, (number + 1) * width)
        columns = slice(number * tokens, number * tokens + width)
        net.back.weight.data[rows, columns] = torch.eye(width).view(width, width, 1, 1, 1)
    last = [torch.randn(1, width, 2, 3, 4), torch.randn(1, width, 2, 3, 4)]
    torch.testing.assert_close(net._across(last), last)
    torch.testing.assert_close(net._across([None, last[1]])[1], last[1])
    assert not net._across([None, last[1]])[0].any()


def test_fused_features_are_joined_with_what_comes_up_and_classified_at_every_scale():
    torch.manual_seed(0)
    net = MMFormer(3, 2, SMALL, 0.0)
    encoded = net.encode([torch.randn(1, 1, 4, 8, 8), None, torch.randn(1, 1, 4, 8, 8)])
    stages = [[None if one is None else one[stage] for one in encoded] for stage in range(3)]
    flow = net.fusions[2](net._across(stages[2]))
    expected = [net.heads[2](flow)]
    for stage in (1, 0):
        fused = net.fusions[stage](stages[stage])
        flow = net.steps[stage](fused, net.steps[stage].up(flow, fused.shape[2:]))
        expected.insert(0, net.heads[stage](flow))
    for found, wished in zip(net.decode(encoded), expected, strict=True):
        torch.testing.assert_close(found, wished)


def test_every_scale_has_a_head():
    torch.manual_seed(0)
    net = MMFormer(2, 3, SMALL, 0.1)
    images = [torch.randn(1, 1, 8, 16, 16), None]
    shapes = [tuple(logits.shape[2:]) for logits in net.decode(net.encode(images))]
    assert shapes == [(8, 16, 16), (8, 8, 8), (4, 4, 4)]
    assert len(net.decode(net.encode(images), levels=1)) == 1
