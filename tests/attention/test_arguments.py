"""Every error names the function, the argument, what came and what was wanted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import scaled_dot_product_attention as attention
from course_lib.attention import softmax

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
