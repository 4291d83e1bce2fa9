"""Every error names the function, the argument, what came and what was wanted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import (
    MultiHeadAttention,
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    mask_from_torch,
    mask_from_transformers,
    merge_heads,
    scaled_dot_product_attention_backward,
    softmax,
    softmax_backward,
    split_heads,
)
from course_lib.attention import scaled_dot_product_attention as attention

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("scores", "axis", "error", "words"),
    [
        ([1.0, 2.0], -1, TypeError, ["`scores`", "list", "np.array(scores"]),
        (1.0, -1, TypeError, ["`scores`", "float", "np.array(scores"]),
        (np.ma.ones(3), -1, TypeError, ["`scores`", "MaskedArray", "np.array"]),
        (torch.ones(3), -1, TypeError, ["Tensor", "scores.detach().cpu().numpy()"]),
        (np.ones(3, int), -1, TypeError, ["`scores`", "int64", "scores.astype("]),
        (np.ones(3, bool), -1, TypeError, ["`scores`", "bool", "float32"]),
        (np.ones(3, complex), -1, TypeError, ["`scores`", "complex128", "float32"]),
        (np.ones(3, object), -1, TypeError, ["`scores`", "object", "float32"]),
        (np.array(1.0), -1, ValueError, ["`scores`", "0 dims", "at least 1 dim"]),
        (np.ones((3, 5)), 2, ValueError, ["`axis` is 2", "2 dims", "-2 to 1"]),
        (np.ones((3, 5)), -3, ValueError, ["`axis` is -3", "2 dims", "-2 to 1"]),
        (np.ones((3, 5)), 1.0, TypeError, ["`axis` is 1.0", "integer"]),
        (np.ones((3, 5)), (0, 1), TypeError, ["`axis` is (0, 1)", "integer"]),
        (np.ones((3, 5)), True, TypeError, ["`axis` is True", "integer"]),
    ],
)
def test_bad_arguments_of_softmax_are_named(scores, axis, error, words):
    with pytest.raises(error) as caught:
        softmax(scores, axis=axis)
    for word in ["softmax: ", *words]:
        assert word in str(caught.value)


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


GOOD = {
    "query": ones(2, 3, 5, 11),
    "key": ones(2, 3, 7, 11),
    "value": ones(2, 3, 7, 13),
}
WRONG_SHAPES = [
    ({"key": ones(2, 3, 7, 10)}, ["`query`", "`key`", "5, 11)", "7, 10)", "11 and 10"]),
    ({"value": ones(2, 3, 6, 13)}, ["`key` has 7 positions but `value` has 6"]),
    ({"value": ones(2, 3, 8, 13)}, ["`key` has 7 positions but `value` has 8"]),
    ({"query": ones(2, 2, 5, 11)}, ["`query` (2, 2)", "`key` (2, 3)", "enable_gqa"]),
    ({"key": ones(4, 3, 7, 11)}, ["`query` (2, 3)", "`key` (4, 3)"]),
    ({"value": ones(4, 3, 7, 13)}, ["`query` (2, 3)", "`value` (4, 3)"]),
    *(
        ({name: ones(*shape)}, [f"`{name}`", str(shape), "at least 2 dims"])
        for name in GOOD
        for shape in [(), (7,)]
    ),
    *(
        (
            {"attn_mask": ones(*shape, dtype=bool)},
            ["`attn_mask`", str(shape), "(2, 3, 5, 7), (3, 5, 7), (5, 7), (7,)"],
        )
        for shape in [(5,), (7, 5), (2, 7), (2, 5, 7), (3, 2, 5, 7), (1, 2, 3, 5, 7)]
    ),
    ({"query": ones(2, 4, 5, 11), "enable_gqa": True}, ["4 heads", "3 heads", "`key`"]),
    ({"value": ones(2, 2, 7, 13), "enable_gqa": True}, ["3 heads", "2 heads", "value"]),
    ({"key": ones(2, 0, 7, 11), "enable_gqa": True}, ["3 heads", "0 heads", "`key`"]),
    ({"query": ones(5, 11), "enable_gqa": True}, ["(5, 11)", "at least 3 dims"]),
    *(({"scale": scale}, ["`scale`", "finite"]) for scale in [NAN, INF, -INF, 10**400]),
]
SINGLE = {name: array.astype(np.float32) for name, array in GOOD.items()}
WRONG_TYPES = [
    *(
        ({name: array}, [f"`{name}`", *words])
        for name in GOOD
        for array, words in [
            ([[1.0]], ["list", f"np.array({name}, dtype=np.float32)"]),
            (None, ["NoneType", "NumPy array"]),
            (torch.ones(3, 5), ["Tensor", f"{name}.detach().cpu().numpy()"]),
            (np.ma.ones((3, 5)), ["MaskedArray", f"np.array({name}"]),
            (ones(3, 5, dtype=int), ["int64", f"{name}.astype(np.float32)"]),
            (ones(3, 5, dtype=bool), ["bool", "float16, float32 or float64"]),
            (ones(3, 5, dtype=object), ["object", "float16, float32 or float64"]),
            (ones(3, 5, dtype=complex), ["complex128", "float16, float32 or float64"]),
        ]
    ),
    ({"key": SINGLE["key"]}, ["`query` is float64", "`key` is float32", ".astype("]),
    ({"value": SINGLE["value"]}, ["`value` is float32", ".astype(query.dtype)"]),
    ({"attn_mask": ones(5, 7, dtype=int)}, ["int64", "use bool (True = may attend)"]),
    ({"attn_mask": [[True]]}, ["`attn_mask`", "list", "dtype=bool"]),
    ({"attn_mask": torch.ones(5, 7)}, ["`attn_mask`", "attn_mask.detach()"]),
    ({**SINGLE, "attn_mask": ones(5, 7)}, ["float64", "float (added, float32"]),
    *(
        ({"scale": scale}, ["`scale`", repr(scale), "a number"])
        for scale in ["0.1", True, 1j, [1.0]]
    ),
]


@pytest.mark.parametrize(
    ("error", "change", "words"),
    [
        *((ValueError, *row) for row in WRONG_SHAPES),
        *((TypeError, *row) for row in WRONG_TYPES),
    ],
)
def test_bad_arguments_of_attention_are_named(error, change, words):
    with pytest.raises(error) as caught:
        attention(**{**GOOD, **change})
    for word in ["scaled_dot_product_attention: ", *words]:
        assert word in str(caught.value)


dtypes = st.sampled_from(["f2", "f4", "f8", "i8", "?"])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=3, max_size=3),
    st.just(["f4"] * 3) | st.lists(dtypes, min_size=3, max_size=3),
    st.none() | st.lists(st.integers(0, 3), max_size=5),
    dtypes,
    st.booleans(),
)
def test_whatever_comes_there_is_a_result_or_a_named_error(
    shapes, dtypes, mask_shape, mask_dtype, enable_gqa
):
    query, key, value = map(np.ones, shapes, dtypes)
    mask = None if mask_shape is None else np.ones(mask_shape, mask_dtype)
    try:
        output = attention(query, key, value, mask, enable_gqa=enable_gqa)
        complaint = None
    except (TypeError, ValueError) as error:
        complaint = str(error)
    if complaint is None:
        assert output.shape[-2:] == (query.shape[-2], value.shape[-1])
    else:
        assert complaint.startswith("scaled_dot_product_attention: ")


# --- the other functions: what fits, and what does not -----------------------------

GRAD = {"grad_output": ones(2, 3, 5, 13)}
FITS = {
    softmax_backward: {"weights": ones(3, 5), "grad_output": ones(3, 5)},
    linear: {"x": ones(3, 7), "weight": ones(11, 7), "bias": ones(11)},
    linear_backward: {
        "x": ones(3, 7),
        "weight": ones(11, 7),
        "grad_output": ones(3, 11),
    },
    gelu: {"x": ones(3, 5)},
    gelu_backward: {"x": ones(3, 5), "grad_output": ones(3, 5)},
    layer_norm: {"x": ones(3, 7), "weight": ones(7), "bias": ones(7)},
    layer_norm_backward: {
        "x": ones(3, 7),
        "weight": ones(7),
        "grad_output": ones(3, 7),
    },
    scaled_dot_product_attention_backward: {**GOOD, **GRAD},
    split_heads: {"x": ones(5, 6), "num_heads": 3},
    merge_heads: {"x": ones(3, 5, 2)},
    MultiHeadAttention: {
        "num_heads": 3,
        "query_weight": ones(15, 7),
        "key_weight": ones(15, 11),
        "value_weight": ones(15, 13),
        "output_weight": ones(17, 15),
        "query_bias": ones(15),
        "key_bias": ones(15),
        "value_bias": ones(15),
        "output_bias": ones(17),
    },
    MultiHeadAttention(3, ones(15, 7), ones(15, 11), ones(15, 13), ones(17, 15)): {
        "query": ones(5, 7),
        "key": ones(3, 11),
        "value": ones(3, 13),
    },
    mask_from_torch: {
        "attn_mask": ones(5, 7, dtype=bool),
        "key_padding_mask": ones(2, 7, dtype=bool),
    },
    mask_from_transformers: {"attention_mask": ones(2, 7, dtype=int)},
    MultiHeadAttention.from_torch: {"module": torch.nn.MultiheadAttention(6, 3)},
}


def name_of(function):
    return getattr(function, "__qualname__", type(function).__name__)


def complaint(function, error, change):
    with pytest.raises(error) as caught:
        function(**{**FITS[function], **change})
    assert str(caught.value).startswith(f"{name_of(function)}: ")
    return str(caught.value)


def array_names(function):
    return [name for name, a in FITS[function].items() if isinstance(a, np.ndarray)]


each_array = pytest.mark.parametrize(
    ("function", "name"),
    [
        pytest.param(function, name, id=f"{name_of(function)}-{name}")
        for function in FITS
        for name in array_names(function)
    ],
)


@pytest.mark.parametrize("function", FITS, ids=name_of)
def test_what_fits_is_accepted(function):
    function(**FITS[function])


@each_array
def test_every_array_must_be_one(function, name):
    for wrong, kind, hint in [
        ([[1.0]], "list", f"np.array({name}, dtype="),
        (1.0, "float", f"np.array({name}, dtype="),
        (torch.ones(3, 5), "Tensor", f"{name}.detach().cpu().numpy()"),
        (np.ma.ones((3, 5)), "MaskedArray", f"np.array({name}, dtype="),
    ]:
        message = complaint(function, TypeError, {name: wrong})
        assert f"`{name}` is of type {kind}, wanted a NumPy array" in message
        assert hint in message


@each_array
def test_every_array_has_a_dtype_that_fits(function, name):
    right = FITS[function][name]
    wrong = [complex, object, "U1"]
    if right.dtype == np.float64:
        wrong += [int, bool]
    elif right.dtype == bool:
        wrong += [int, np.uint8]
    for dtype in map(np.dtype, wrong):
        message = complaint(function, TypeError, {name: np.ones_like(right, dtype)})
        assert f"`{name}` has dtype {dtype}, wanted" in message


@each_array
def test_dtypes_are_never_mixed_without_a_word(function, name):
    floats = [n for n in array_names(function) if FITS[function][n].dtype == float]
    if name in floats and len(floats) > 1:
        single = FITS[function][name].astype(np.float32)
        message = complaint(function, TypeError, {name: single})
        for words in [f"`{name}` is float32", "is float64", "wanted one dtype"]:
            assert words in message


WRONG = [
    (softmax_backward, {"grad_output": ones(5, 3)}, ["(5, 3), wanted (3, 5)"]),
    (softmax_backward, {"axis": 2}, ["`axis` is 2", "`weights` has 2 dims"]),
    (
        softmax_backward,
        {"weights": ones(), "grad_output": ones()},
        ["`weights` has 0 dims", "at least 1 dim"],
    ),
    (linear, {"x": ones()}, ["`x` has shape ()", "(..., in_features)"]),
    (linear, {"x": ones(3, 8)}, ["`weight` has shape (11, 7), wanted (any, 8)"]),
    (linear, {"weight": ones(7, 11)}, ["(7, 11), wanted (any, 7)", "as in `x`"]),
    (linear, {"weight": ones(7)}, ["(7,), wanted (any, 7)", "(out_features, in_"]),
    (linear, {"bias": ones(7)}, ["`bias`", "(7,), wanted (11,)", "each output"]),
    (linear, {"bias": ones(1, 11)}, ["`bias`", "(1, 11), wanted (11,)"]),
    (linear_backward, {"grad_output": ones(3, 7)}, ["(3, 7), wanted (3, 11)", "Wᵀ"]),
    (linear_backward, {"x": ones(4, 7)}, ["`grad_output`", "wanted (4, 11)"]),
    (linear_backward, {"weight": ones(11, 3)}, ["`weight`", "wanted (any, 7)"]),
    (gelu_backward, {"grad_output": ones(3, 1)}, ["(3, 1), wanted (3, 5)", "`x`"]),
    (layer_norm, {"x": ones()}, ["`x` has shape ()", "at least 1 feature"]),
    (layer_norm, {"x": ones(3, 0)}, ["`x` has shape (3, 0)", "at least 1 feature"]),
    (layer_norm, {"weight": ones(3)}, ["`weight`", "(3,), wanted (7,)", "feature"]),
    (layer_norm, {"weight": ones(3, 7)}, ["`weight`", "(3, 7), wanted (7,)"]),
    (layer_norm, {"bias": ones(3)}, ["`bias`", "(3,), wanted (7,)", "feature"]),
    *(
        (layer_norm, {"eps": eps}, [f"`eps` is {eps}", "from 0 on"])
        for eps in [-1e-12, NAN, INF, 10**400]
    ),
    (layer_norm_backward, {"eps": -1}, ["`eps` is -1", "from 0 on"]),
    (layer_norm_backward, {"weight": ones(8)}, ["`weight`", "(8,), wanted (7,)"]),
    (layer_norm_backward, {"grad_output": ones(7)}, ["(7,), wanted (3, 7)"]),
    *((scaled_dot_product_attention_backward, *row) for row in WRONG_SHAPES[:6]),
    *(
        (scaled_dot_product_attention_backward, *row)
        for row in WRONG_SHAPES
        if {"attn_mask", "scale"} & set(row[0])
    ),
    *(
        (
            scaled_dot_product_attention_backward,
            {"grad_output": ones(*shape)},
            ["`grad_output`", str(shape), "wanted (2, 3, 5, 13): that of the output"],
        )
        for shape in [(), (5, 13), (2, 3, 5, 11), (2, 3, 7, 13), (1, 3, 5, 13)]
    ),
]
WRONG_KINDS = [
    (softmax_backward, {"axis": 1.0}, ["`axis` is 1.0", "one integer"]),
    (softmax_backward, {"axis": False}, ["`axis` is False", "one integer"]),
    *(
        (function, {"eps": eps}, [f"`eps` is {eps!r}", "a number"])
        for function in (layer_norm, layer_norm_backward)
        for eps in ["1e-5", None, True, 1j]
    ),
    *((scaled_dot_product_attention_backward, *row) for row in WRONG_TYPES[-5:]),
]


@pytest.mark.parametrize(
    ("error", "function", "change", "words"),
    [
        *((ValueError, *row) for row in WRONG),
        *((TypeError, *row) for row in WRONG_KINDS),
    ],
)
def test_what_does_not_fit_is_named(error, function, change, words):
    message = complaint(function, error, change)
    for word in words:
        assert word in message


@pytest.mark.parametrize("eps", [np.float32(0.5), np.float64(0.5), np.int64(1), 1])
def test_a_number_of_numpy_is_one(eps):
    x = np.array([1.0, 3.0])
    expected = layer_norm(x, ones(2), ones(2), eps=float(eps))
    np.testing.assert_array_equal(layer_norm(x, ones(2), ones(2), eps=eps), expected)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_comes_any_function_answers_or_names_its_error(data):
    function = data.draw(st.sampled_from(list(FITS)[:-3]))  # the last take other kinds
    few = st.sampled_from(["f8"] * 8 + ["f4", "f2", "i8", "?"])
    shapes = st.lists(st.sampled_from([0, 1, 3, 6]), max_size=3)
    change = {
        name: np.ones(data.draw(shapes), data.draw(few))
        for name in array_names(function)
        if data.draw(st.booleans())
    }
    try:
        function(**{**FITS[function], **change})
    except (TypeError, ValueError) as error:
        message = str(error)
    else:
        return
    own = message.startswith(f"{name_of(function)}: ")
    assert own or isinstance(function, MultiHeadAttention)
    assert "`" in message
