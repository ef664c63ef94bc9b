"""Shrinking convolutions where the parameters that remain can be counted by hand."""

import numpy as np

from minisparse.passes.shrinking import shrink
from tests.passes.counted_networks import Net, image, shrunk, some


def test_convolutions_with_normalization_pooling_and_flattening() -> None:
    net = Net()
    x = net("conv", image(net), some(8, 3, 3, 3, dead=(1, 4)), pads=(1, 1, 1, 1))
    shift = some(8)
    shift[1], shift[4] = -1, 0  # what relu makes zeros of
    scale = some(8)
    scale[6], shift[6] = 0, -2  # dead by its scale alone
    x = net("batch_normalization", x, scale, shift, np.zeros(8), np.ones(8))
    x = net("max_pool", net("relu", x), kernel_shape=(2, 2), strides=(2, 2))
    x = net("conv", x, some(6, 8, 3, 3, ignored=(7,)), pads=(1, 1, 1, 1))
    w = some(4, 6 * 9)
    w[:, 9:27] = 0  # channels 1 and 2
    _, report = shrunk(net, net("gemm", net("flatten", x), w, transB=1))
    # Of 8 channels 1, 4, 6 and 7 go; of 6 those that the last layer does not listen to.
    assert report.parameters[1] == 4 * 3 * 9 + 4 * 4 + 4 * 4 * 9 + 4 * 4 * 9
    assert [layer.outputs for layer in report.layers] == [(8, 4), (6, 4), (4, 4)]
    assert report.layers[2].inputs == (54, 36)
    assert report.layers[1].multiply_adds == (6 * 8 * 9 * 9, 4 * 4 * 9 * 9)
    assert not report.stays


def test_a_constant_is_folded_only_where_the_border_stays_what_it_is() -> None:
    for pads, stays in ((0, False), (1, True)):
        net = Net()
        h = net("conv", image(net), some(4, 3, 1, 1, dead=(2,)), np.ones(4))
        y = net("conv", h, some(5, 4, 3, 3), pads=(pads,) * 4)
        _, report = shrunk(net, y)
        left = 4 if stays else 3
        assert report.parameters[1] == 3 * left + left + 5 * left * 9 + (0 if stays else 5)
        assert bool(report.stays) == stays
        if stays:
            assert report.stays[0].channels == (2,)
            assert "the border of the image would change" in str(report.stays[0])


def test_a_sum_loses_what_is_dead_in_both_of_its_terms() -> None:
    net = Net()
    x = image(net)
    a = net("conv", x, some(6, 3, 1, 1, dead=(0, 1, 2)))
    b = net("conv", x, some(6, 3, 1, 1, dead=(1, 2, 3)), np.ones(6))
    y = net("conv", net("add", a, b), some(2, 6, 1, 1))
    _, report = shrunk(net, y)
    assert report.parameters[1] == 4 * 3 + 4 * 3 + 4 + 2 * 4 + 2
    assert {s.layer: s.channels for s in report.stays} == {"conv_1": (0,), "conv_2": (1,)}
    assert "add 'add_1' brings in values that differ" in report.stays[0].why


def test_a_sum_that_nobody_listens_to_takes_both_terms_along() -> None:
    net = Net()
    x = image(net)
    a, b = (net("conv", x, some(6, 3, 1, 1)) for _ in range(2))
    y = net("conv", net("add", a, b), some(2, 6, 1, 1, ignored=(0, 5)))
    _, report = shrunk(net, y)
    assert report.parameters[1] == 2 * 4 * 3 + 2 * 4


def test_concatenated_channels_go_from_their_own_layer() -> None:
    net = Net()
    x = image(net)
    a = net("conv", x, some(4, 3, 1, 1, dead=(3,)))
    b = net("conv", x, some(5, 3, 1, 1))
    y = net("conv", net("concat", a, b, a, axis=1), some(2, 13, 1, 1, ignored=(4, 5, 12)))
    _, report = shrunk(net, y)
    assert report.parameters[1] == 3 * 3 + 3 * 3 + 2 * (3 + 3 + 3)


def test_depthwise_channels_go_with_the_layers_on_both_sides() -> None:
    net = Net()
    h = net("conv", image(net), some(4, 3, 1, 1))
    h = net("conv", h, some(8, 1, 3, 3), group=4, pads=(1, 1, 1, 1))
    y = net("conv", h, some(2, 8, 1, 1, ignored=(2, 3, 4)))
    smaller, report = shrunk(net, y)
    # Filters 2 and 3 read channel 1; filter 5 still needs channel 2, and so keeps filter 4.
    assert report.parameters[1] == 3 * 3 + 6 * 9 + 2 * 6
    assert smaller.node("conv_2").attrs["group"] == 3


def test_groups_go_as_a_whole_or_lose_equally_many() -> None:
    net = Net()
    h = net("conv", image(net), some(6, 3, 1, 1))
    w = some(9, 2, 1, 1)
    h = net("conv", h, w, group=3)
    y = net("conv", h, some(2, 9, 1, 1, ignored=(0, 1, 2, 3, 8)))
    smaller, report = shrunk(net, y)
    # Group 0 goes with its channels 0 and 1; of the others each loses one filter.
    assert report.parameters[1] == 4 * 3 + 4 * 2 + 2 * 4
    assert smaller.node("conv_2").attrs["group"] == 2
    net = Net()
    h = net("conv", image(net), some(6, 3, 1, 1))
    y = net("conv", net("conv", h, w, group=3), some(2, 9, 1, 1, ignored=(0, 3)))
    _, report = shrunk(net, y)
    assert report.parameters[1] == 6 * 3 + 9 * 2 + 2 * 9
    assert all("unequal numbers" in s.why for s in report.stays)


def test_input_channels_of_groups_are_cut_each_in_its_place() -> None:
    net = Net()
    h = net("conv", image(net), some(6, 3, 1, 1, dead=(0, 4)), np.arange(6.0))
    y = net("conv", h, some(4, 3, 1, 1), group=2)
    _, report = shrunk(net, y)
    assert report.parameters[1] == 4 * 3 + 4 + 4 * 2 + 4


def test_split_and_slice_take_their_parts_from_what_is_left() -> None:
    net = Net()
    h = net("conv", image(net), some(8, 3, 1, 1, dead=(0, 5)))
    first = net("split", h, np.array([3, 5]), axis=1)
    part = net("slice", f"{first}.1", np.array([1]), np.array([4]), np.array([1]))  # 4, 5, 6
    read = net("conv", first, some(2, 3, 1, 1)), net("conv", part, some(1, 3, 1, 1))
    y = net("concat", *read, axis=1)
    _, report = shrunk(net, y)
    assert report.parameters[1] == 4 * 3 + 2 * 2 + 1 * 2  # 1, 2, 4 and 6 are left


def test_of_a_layer_that_is_dead_as_a_whole_one_channel_stays() -> None:
    net = Net()
    h = net("conv", image(net), some(8, 3, 1, 1, dead=tuple(range(8))))
    _, report = shrunk(net, net("conv", net("relu", h), some(2, 8, 1, 1)))
    assert report.parameters[1] == 3 + 2
    assert report.stays[0].why == "an axis needs one index at least"


def test_layers_that_only_need_each_other_go_at_once() -> None:
    net = Net()
    h = net("conv", image(net), some(8, 3, 1, 1))
    for _ in range(4):
        keep = np.zeros((8, 8, 1, 1))
        keep[:4, :4], keep[4:, 4:] = some(4, 4, 1, 1), some(4, 4, 1, 1)
        h = net("conv", h, keep)
    _, report = shrunk(net, net("conv", h, some(2, 8, 1, 1, ignored=(4, 5, 6, 7))))
    assert report.parameters[1] == 4 * 3 + 4 * 4 * 4 + 2 * 4


def test_an_infinite_weight_keeps_the_channel_that_it_would_multiply() -> None:
    net = Net()
    w = some(2, 4, 1, 1)
    w[0, 3] = np.inf
    h = net("conv", image(net), some(4, 3, 1, 1, dead=(2, 3)))
    smaller, _ = shrink(net.b.build({"y": net("conv", h, w)}))
    assert smaller.types["conv_1"].shape[1] == 3
    assert np.isinf(smaller.constants["c2"]).any()


def test_statistics_of_the_image_make_rounding_visible_so_only_zeros_go() -> None:
    net = Net()
    h = net("conv", image(net), some(4, 3, 1, 1, dead=(2, 3)), np.array([1.0, 1, 1, 0]))
    h = net("instance_normalization", h, some(4), np.ones(4))
    _, report = shrunk(net, net("conv", h, some(2, 4, 1, 1)))
    assert report.layers[0].outputs == (4, 3)


def test_channels_shuffled_between_groups_go_with_their_whole_column() -> None:
    net = Net()
    h = net("conv", image(net), some(6, 3, 1, 1))
    h = net("reshape", h, np.array([0, 2, 3, 6, 6]))
    h = net("reshape", net("transpose", h, perm=(0, 2, 1, 3, 4)), np.array([0, 6, 6, 6]))
    y = net("conv", h, some(2, 6, 1, 1, ignored=(1, 3, 5)))  # channels 3, 4 and 5 before
    _, report = shrunk(net, y)
    assert report.parameters[1] == 3 * 3 + 2 * 3


def test_layers_that_share_a_bias_get_one_each_where_constants_join_it() -> None:
    net = Net()
    x, shared = image(net), net.c(np.ones(4))
    h = net("conv", x, some(4, 3, 1, 1, dead=(2,)), shared)
    y = net("conv", h, some(4, 4, 1, 1), shared)
    _, report = shrunk(net, y, net("conv", h, some(4, 4, 1, 1), shared))
    # The first layer's bias is tied to the others', which are outputs, so its filter stays too.
    assert report.parameters == (12 + 4 + 16 + 16, 12 + 4 + 16 + 16)
    net = Net()
    x, shared = image(net), net.c(np.ones(4))
    h = net("conv", x, some(4, 3, 1, 1, dead=(2,)), np.ones(4))
    y = net("conv", h, some(4, 4, 1, 1), shared)
    _, report = shrunk(net, y, net("conv", x, some(4, 3, 1, 1), shared))
    assert report.parameters[1] == 9 + 3 + 12 + 4 + 12 + 4
