"""The size calculator's arithmetic against torch, over random layers, and its Keras lines against Keras' rules."""

import ast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.widgets import sizing

DECK = {
    "kind": sizing.CONV,
    "n": 7,
    "k": 3,
    "stride": 1,
    "pad": 0,
    "dilation": 1,
    "output_pad": 0,
    "c_in": 1,
    "c_out": 1,
    "groups": 1,
    "bias": True,
    "rounding": "down",
}


def side(numbers):
    return st.one_of(numbers, st.tuples(numbers, numbers).map(list))


@st.composite
def layers(draw):
    groups = draw(st.integers(1, 3))
    share = st.sampled_from([groups, 2 * groups, 3 * groups, groups + 1])
    return {
        "kind": draw(st.sampled_from(sizing.KINDS)),
        "n": draw(side(st.integers(1, 20))),
        "k": draw(side(st.integers(1, 6))),
        "stride": draw(side(st.integers(0, 5))),
        "pad": draw(st.one_of(side(st.integers(0, 4)), st.just("same"))),
        "dilation": draw(side(st.integers(1, 3))),
        "output_pad": draw(side(st.integers(0, 2))),
        "c_in": draw(share),
        "c_out": draw(share),
        "groups": groups,
        "bias": draw(st.booleans()),
        "rounding": draw(st.sampled_from(sizing.ROUNDINGS)),
    }


def built(line):
    """The torch module that a line of code makes."""
    return eval(line, {"torch": torch, "float": float})


def output(module, layer):
    return module(torch.zeros(1, layer["c_in"], *sizing.pair(layer["n"])))[0].shape


def told(size):
    return [int(part) for part in size.split(" × ")]


@settings(max_examples=2000)
@given(layers())
def test_the_torch_line_gives_the_size_and_the_parameters(layer):
    result = sizing.describe(layer)
    if result["problem"]:
        assert result["problem"].endswith(".") and not result["torch"]
        return
    module = built(result["torch"])
    channels, *size = output(module, layer)
    assert [*size] == result["size"] and told(result["shape"]) == [*size, channels]
    assert sum(p.numel() for p in module.parameters()) == result["parameters"]
    assert str(result["parameters"]) in result["count"]


@settings(max_examples=1000)
@given(layers().filter(lambda layer: layer["pad"] != "same"))
def test_what_is_refused_is_refused_by_torch_and_nothing_else(layer):
    """Rounding up has no equal among torch's convolutions; its pooling has it."""
    if layer["kind"] == sizing.POOL:
        names = ("k", "stride", "pad", "dilation")
        make = lambda k, s, p, d: torch.nn.MaxPool2d(k, s, p, d, ceil_mode=layer["rounding"] == "up")
    else:
        layer |= {"rounding": "down"}
        names = ("k", "stride", "pad", "dilation")
        plain = {"groups": layer["groups"], "bias": layer["bias"]}
        if layer["kind"] == sizing.CONV:
            make = lambda k, s, p, d: torch.nn.Conv2d(layer["c_in"], layer["c_out"], k, s, p, d, **plain)
        else:
            plain["output_padding"] = tuple(sizing.pair(layer["output_pad"]))
            make = lambda k, s, p, d: torch.nn.ConvTranspose2d(
                layer["c_in"], layer["c_out"], k, s, p, dilation=d, **plain
            )
    result = sizing.describe(layer)
    try:
        size = [*output(make(*(tuple(sizing.pair(layer[name])) for name in names)), layer)[1:]]
    except (RuntimeError, ValueError, ZeroDivisionError):
        assert result["problem"]
    else:
        # Of a transposed convolution torch may cut off everything: an empty picture is none.
        assert result["problem"] if 0 in size else result["size"] == size


@settings(max_examples=500)
@given(layers().filter(lambda layer: layer["kind"] != sizing.TRANSPOSED))
def test_the_unread_positions_are_those_that_get_no_gradient(layer):
    result = sizing.describe(layer)
    for one in result["sides"]:
        x = torch.ones(1, 1, one["length"], requires_grad=True, dtype=torch.float64)
        w = torch.ones(1, 1, one["k"], dtype=torch.float64)
        torch.nn.functional.conv1d(x, w, None, one["stride"], 0, one["dilation"]).sum().backward()
        assert (x.grad[0, 0] == 0).nonzero().flatten().tolist() == one["unread"]
        assert all(p in one["unread"] for p in range(one["length"] - one["uncovered"], one["length"]))
        assert one["length"] == one["n"] + one["before"] + one["after"] + one["added"]


@settings(max_examples=300)
@given(layers())
def test_suggestions_change_one_number_and_fit(layer):
    result = sizing.describe(layer)
    if not result["problem"] and all(one["fits"] for one in result["sides"]):
        assert result["suggestions"] == []
    for suggestion in result["suggestions"]:
        assert len(suggestion["change"]) == 1
        better = sizing.describe(layer | suggestion["change"])
        assert not better["problem"] and all(one["fits"] for one in better["sides"])
        assert suggestion["text"].endswith(" × ".join(map(str, better["size"])))


@settings(max_examples=1000)
@given(layers())
def test_the_keras_line_gives_the_size_by_keras_rules(layer):
    result = sizing.describe(layer)
    if result["problem"] or result["keras"].startswith("#"):
        return
    assert keras_output(result["keras"], sizing.pair(layer["n"])) == result["size"]


def keras_output(line, size):
    """What Keras documents as the output size of one of its layers, or of a Sequential of them."""
    call = ast.parse(line, mode="eval").body
    inner = call.args[0].elts if call.func.attr == "Sequential" else [call]
    for layer in inner:
        arguments = [ast.literal_eval(a) for a in layer.args]
        options = {k.arg: ast.literal_eval(k.value) for k in layer.keywords}
        size = [keras_side(layer.func.attr, n, arguments, options, axis) for axis, n in enumerate(size)]
    return size


def keras_side(name, n, arguments, options, axis):
    of = lambda value: value[axis] if isinstance(value, tuple) else value
    if name in ("ZeroPadding2D", "Cropping2D"):
        edge = of(arguments[0])
        total = sum(edge) if isinstance(edge, tuple) else 2 * edge
        return n + total if name == "ZeroPadding2D" else n - total
    k, s = of(arguments[-1]), of(options.get("strides", 1))
    reach = of(options.get("dilation_rate", 1)) * (k - 1) + 1
    if name == "Conv2DTranspose":  # keras.src.backend.common: no padding, output_padding given
        return (n - 1) * s + reach + of(options["output_padding"])
    return -(-n // s) if options.get("padding") == "same" else -(-(n - reach + 1) // s)


def test_seven_wide_three_wide_stride_three():
    result = sizing.describe(DECK | {"stride": 3})
    (one,) = result["sides"]
    assert one["formula"] == "(7 + 2·0 − 3) / 3 + 1 = 2.33"
    assert one["verdict"] == "2.33: does not fit" and one["size"] == 2 and one["unread"] == [6]
    texts = [suggestion["text"] for suggestion in result["suggestions"]]
    assert texts == [
        "stride 2 gives 3 × 3",
        "padding 1 gives 3 × 3",
        "kernel 4 gives 2 × 2",
        "input 6 gives 2 × 2",
    ]


def test_ten_filters_of_five_by_five():
    result = sizing.describe(DECK | {"n": 32, "k": 5, "pad": 2, "c_in": 3, "c_out": 10})
    assert result["shape"] == "32 × 32 × 10"
    assert result["parameters"] == 760 and result["count"] == "10·(3·5·5 + 1) = 760"
    assert result["torch"] == "torch.nn.Conv2d(3, 10, kernel_size=5, padding=2)"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": 9}, "A kernel that reaches over 9 does not fit into 7 + 2·0 = 7."),
        ({"stride": 0}, "The stride must be at least 1, not 0."),
        ({"pad": -1}, "The padding must be at least 0, not −1."),
        ({"c_in": 3, "c_out": 10, "groups": 2}, "2 groups cannot share 3 input channels evenly."),
        ({"n": 10**12}, "The input size must be at most 1000000000."),
        (
            {"kind": sizing.TRANSPOSED, "output_pad": 1},
            "The output padding must be less than the larger of stride and dilation, 1.",
        ),
    ],
)
def test_bad_input_is_a_sentence_with_a_way_out(change, sentence):
    result = sizing.describe(DECK | change)
    assert result["problem"] == sentence
    assert result["suggestions"] or "n" in change


def test_a_million_columns_cost_nothing():
    result = sizing.describe(DECK | {"n": [7, 1_000_000], "k": 4, "stride": 3})
    assert result["size"] == [2, 333333] and result["sides"][1]["unread"] == []


def test_a_stack_is_followed_until_it_breaks():
    layer = {key: value for key, value in DECK.items() if key not in ("n", "c_in")}
    five = layer | {"k": 5, "c_out": 6}
    half = layer | {"kind": sizing.POOL, "k": 2, "stride": 2}
    sizes, parameters, problem = sizing.stack([five, half, five | {"c_out": 16}, half, five, five], 32, 32, 1)
    assert sizes == [[28, 28, 6], [14, 14, 6], [10, 10, 16], [5, 5, 16], [1, 1, 6]]
    assert parameters == 6 * 26 + 16 * 151 + 6 * 401
    assert problem == "Layer 6: A kernel that reaches over 5 does not fit into 1 + 2·0 = 1."
