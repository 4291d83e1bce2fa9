"""Which layer of a BERT goes wrong first, how much, and most likely why."""

from dataclasses import dataclass

import numpy as np

from course_lib.attention.numpy_bert import BertOutput, NumpyBert, Pieces
from course_lib.attention.suspects import SUSPECTS

NAME = "compare_layers"
SAME = 1e-5  # relative to the largest value: float32 rounding through a layer


@dataclass(frozen=True)
class LayerComparison:
    """What `compare_layers` found; printed, it is a table.

    Attributes
    ----------
    first_difference : str or None
        Such as "layer 2, attention weights"; None if all is the same.
    difference : float
        There: the largest difference, divided by the largest value of `theirs`.
    likely_cause : str or None
        The bug that leads to these very numbers, if it is a known one.
    steps : list of (str, float)
        Every step with its difference.
    """

    first_difference: str | None
    difference: float
    likely_cause: str | None
    steps: list

    def __str__(self):
        lines = []
        for name, difference in self.steps:
            mark = "same" if difference <= SAME else f"differs by {percent(difference)}"
            lines.append(f"{name:28}{mark}")
            if name == self.first_difference:
                lines[-1] += "  <- first"
        if self.first_difference is None:
            return "\n".join([*lines, "All the same."])
        cause = self.likely_cause or "none of the known bugs gives these numbers"
        return "\n".join([*lines, f"Likely cause: {cause}."])

    __repr__ = __str__


def compare_layers(ours, theirs):
    """Find the first step of a BERT whose numbers are not those of the other.

    Parameters
    ----------
    ours : BertOutput
        What `NumpyBert` returned, perhaps made of pieces of your own.
    theirs : BertOutput, or an output of `transformers`
        For the same input, to be trusted; with `hidden_states` and `attentions`.

    Returns
    -------
    LayerComparison

    Raises
    ------
    TypeError
        `ours` is no `BertOutput`.
    ValueError
        `theirs` lacks hidden states or attentions, or they have other shapes.

    Notes
    -----
    Two steps are the same if they differ by at most 1e-5 of the largest value, where
    there are tokens; padding is not looked at. The cause is found by trying: the layer
    is computed again from their input, each time with one known bug planted, until its
    output is ours. A bug that is not on the list, or two at once, are not found; the
    layer is.

    Taught in: lesson 15.

    Examples
    --------
    >>> bert = NumpyBert.from_pretrained("minilm")
    >>> ids = np.array([[101, 2023, 2143, 102]])
    >>> flat = bert.with_pieces(gelu=lambda x: np.maximum(x, 0))
    >>> found = compare_layers(flat(ids), bert(ids))
    >>> found.first_difference, found.likely_cause
    ('layer 0, output', 'ReLU in the place of GELU')
    """
    if not isinstance(ours, BertOutput):
        raise TypeError(
            f"{NAME}: `ours` is of type {type(ours).__name__}, wanted what a NumpyBert "
            "returned"
        )
    got, wanted = steps_of("ours", ours), steps_of("theirs", theirs)
    if len(got) != len(wanted):
        raise ValueError(
            f"{NAME}: `ours` has {len(got)} steps but `theirs` {len(wanted)}; wanted "
            "two outputs of the same model"
        )
    is_token = tokens_of(ours)
    with np.errstate(all="ignore"):  # NaN and infinity show in the result
        steps = [
            (name, relative_difference(name, a, b, is_token))
            for name, a, b in zip(step_names(len(got)), got, wanted, strict=True)
        ]
        # A NaN differs from everything.
        first = next((i for i, (_, d) in enumerate(steps) if not d <= SAME), None)
        if first is None:
            return LayerComparison(None, max(d for _, d in steps), None, steps)
        cause = likely_cause(ours, wanted, got, first, is_token)
    return LayerComparison(*steps[first], cause, steps)


def step_names(count):
    """Return what the steps are called, in the order in which they are computed."""
    names = ["embeddings"]
    for layer in range((count - 1) // 2):
        names += [f"layer {layer}, attention weights", f"layer {layer}, output"]
    return [*names, "pooler"][:count]


def steps_of(name, output):
    """Return the arrays of all steps, in the order of `step_names`."""
    parts = []
    for part in ("hidden_states", "attentions"):
        arrays = getattr(output, part, None)
        # With another attention than "eager", transformers returns empty attentions.
        if not is_filled(arrays):
            raise ValueError(
                f"{NAME}: `{name}` has no {part}; load the model with "
                'attn_implementation="eager" and call it with '
                "output_hidden_states=True, output_attentions=True"
            )
        parts.append([as_array(array) for array in arrays])
    (embeddings, *outputs), weights = parts
    if len(outputs) != len(weights):
        raise ValueError(
            f"{NAME}: `{name}` has {len(outputs) + 1} hidden_states and {len(weights)} "
            "attentions; wanted one of each for a layer, and the embeddings"
        )
    steps = [embeddings]
    for pair in zip(weights, outputs, strict=True):
        steps += pair
    pooled = getattr(output, "pooler_output", None)
    return steps if pooled is None else [*steps, as_array(pooled)]


def is_filled(arrays):
    """Return whether this is a tuple of arrays or tensors, none of them missing."""
    return (
        isinstance(arrays, tuple | list)
        and len(arrays) > 0
        and all(hasattr(array, "shape") for array in arrays)
    )


def as_array(values):
    """Return an array, also of a torch tensor."""
    return values.detach().cpu().float().numpy() if hasattr(values, "cpu") else values


def tokens_of(output):
    """Return which positions (batch, tokens) hold tokens; all, in a text of padding."""
    input_ids, mask, _ = output.inputs
    if mask is None:
        return np.ones(input_ids.shape, bool)
    is_token = mask[:, 0, 0] == 0
    return is_token | ~is_token.any(axis=1, keepdims=True)


def at_tokens(array, is_token):
    """Return the rows of a step's array that belong to tokens.

    At padding, which nobody looks at, a model may blow rounding up beyond all bounds.
    """
    if array.ndim == 2:  # of the pooler, which reads the first position
        return array[is_token[:, 0]]
    return (array if array.ndim == 3 else array.swapaxes(1, 2))[is_token]


def relative_difference(name, ours, theirs, is_token):
    """Return the largest difference, divided by the largest value of `theirs`."""
    if ours.shape != theirs.shape:
        raise ValueError(
            f"{NAME}: at {name!r}, `ours` has shape {ours.shape} but `theirs` "
            f"{theirs.shape}; wanted two outputs for the same input"
        )
    ours, theirs = at_tokens(ours, is_token), at_tokens(theirs, is_token)
    largest = np.abs(theirs).max(initial=np.finfo(np.float32).tiny)
    return float(np.abs(ours - theirs).max(initial=0) / largest)


def likely_cause(ours, wanted, got, first, is_token):
    """Return the suspect whose output is ours, or None."""
    target = at_tokens(got[first], is_token)
    error = np.abs(target - at_tokens(wanted[first], is_token)).max()
    if not np.isfinite(error):
        return None
    for cause, pieces in SUSPECTS.items():
        model = NumpyBert(ours.model.config, ours.model.weights, Pieces(**pieces))
        tried = at_tokens(compute_step(model, ours.inputs, wanted, first), is_token)
        # Nearer to ours than ours is to theirs, by far.
        if np.abs(tried - target).max() < 0.1 * error:
            return cause
    return None


def compute_step(model, inputs, wanted, step):
    """Compute one step with `model`, from the numbers of theirs before it."""
    input_ids, mask, token_type_ids = inputs
    if step == 0:
        return model.embeddings(input_ids, token_type_ids)
    layer, is_output = divmod(step - 1, 2)
    before = wanted[2 * layer]
    if layer == model.config.num_hidden_layers:
        return model.pooler(before)
    output, weights = model.layer(layer, before, mask)
    return output if is_output else weights


def percent(difference):
    """Return a difference in percent, one digit of it."""
    return f"{float(f'{100 * difference:.1g}'):g} %"
