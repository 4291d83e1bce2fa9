"""The exercises of lesson 12, from twelve heads to word order."""

import numpy as np

from course_lib.attention import (
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from course_lib.exercises.exercise import exercise

SPLITTING = "1 · Twelve heads, one product"
GLUING = "2 · Gluing the results together"
OUTPUT = "3 · One more matrix mixes the heads"
LAYER = "4 · The whole layer"
MASKS = "Three conventions for one mask"
MIXING = "5 · Who mixes the positions?"
POSITIONS = "6 · Where is the word order?"

READY_LAYER = [
    "course_lib.attention.MultiHeadAttention",
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
]


# --- 12.1 -----------------------------------------------------------------------------


@exercise(
    "12.1",
    "Split into heads",
    difficulty=2,
    minutes=5,
    section=SPLITTING,
    banned=["course_lib.attention.split_heads"],
    learned="First cut each token's row, then bring the heads to the front.",
)
def my_split_heads(x, num_heads):
    """Cut (tokens, hidden) into heads, columns in order: (heads, tokens, size)."""
    tokens, hidden = x.shape
    cut = x.reshape(tokens, num_heads, hidden // num_heads)
    return cut.transpose(1, 0, 2)


@my_split_heads.inputs
def _(rng):
    return rng.normal(size=(5, 3 * 7)), 3


@my_split_heads.inputs
def _(rng):
    return rng.normal(size=(7, 2 * 11)), 2


my_split_heads.hint(
    "Cut the last axis in two first: a token's row becomes heads × size. Which axis "
    "has to move after that?"
)
my_split_heads.hint(
    "`reshape` never reorders numbers, it only sets other borders. `transpose(1, 0, 2)`"
    " swaps the first two axes."
)


@my_split_heads.style("slices, stacked")
def _(x, num_heads):
    size = x.shape[1] // num_heads
    return np.stack([x[:, h * size : (h + 1) * size] for h in range(num_heads)])


@my_split_heads.style("np.split")
def _(x, num_heads):
    return np.array(np.split(x, num_heads, axis=-1))


@my_split_heads.style("swapaxes")
def _(x, num_heads):
    return x.reshape(len(x), num_heads, -1).swapaxes(0, 1)


@my_split_heads.misconception(
    "You reshaped to (heads, tokens, size) in one go. Reshaping keeps the numbers in "
    "their order, so your heads hold pieces of different tokens. Cut each row first."
)
def reshaped_at_once(x, num_heads):
    return x.reshape(num_heads, len(x), -1)


@my_split_heads.misconception(
    "You dealt the columns out like cards, one to each head in turn. A head owns "
    "neighbouring columns, the first head the first ones."
)
def dealt_out_like_cards(x, num_heads):
    return np.stack([x[:, h::num_heads] for h in range(num_heads)])


@my_split_heads.misconception(
    "The rows are cut rightly, but the tokens still come first. A head needs its "
    "tokens side by side: bring the axis of the heads to the front."
)
def tokens_still_first(x, num_heads):
    return x.reshape(len(x), num_heads, -1)


@my_split_heads.misconception(
    "`num_heads` says how many heads there are. You made heads that are so many "
    "columns wide."
)
def as_wide_as_their_number(x, num_heads):
    return x.reshape(len(x), -1, num_heads).swapaxes(0, 1)


# --- 12.2 -----------------------------------------------------------------------------


@exercise(
    "12.2",
    "Glue the heads",
    difficulty=1,
    minutes=4,
    section=GLUING,
    banned=["course_lib.attention.merge_heads"],
    learned="Each token has one row again, with head after head in it.",
)
def my_merge_heads(x):
    """Undo the split: (heads, tokens, size) to (tokens, heads · size)."""
    heads, tokens, size = x.shape
    return x.transpose(1, 0, 2).reshape(tokens, heads * size)


@my_merge_heads.inputs
def _(rng):
    return (rng.normal(size=(3, 5, 7)),)


@my_merge_heads.inputs
def _(rng):
    return (rng.normal(size=(11, 2, 3)),)


my_merge_heads.hint("Do the two steps of the split backwards, the last one first.")
my_merge_heads.hint("Before the reshape, a token's heads must be neighbours in memory.")


@my_merge_heads.style("concatenate")
def _(x):
    return np.concatenate(list(x), axis=-1)


@my_merge_heads.style("hstack")
def _(x):
    return np.hstack(tuple(x))


@my_merge_heads.style("token by token")
def _(x):
    return np.array([x[:, token].ravel() for token in range(x.shape[1])])


@my_merge_heads.misconception(
    "The shape is right and the rows are not: you reshaped without moving the axes "
    "back, so a row holds several tokens of one head. It should hold all heads of one "
    "token."
)
def without_moving_axes(x):
    return x.reshape(x.shape[1], -1)


@my_merge_heads.misconception(
    "You took the mean of the heads. Nothing is averaged here: the heads stay side by "
    "side, so that nothing of them is lost."
)
def mean_of_the_heads(x):
    return x.mean(axis=0)


@my_merge_heads.misconception(
    "Your heads stand in reverse order. The first head fills the first columns."
)
def last_head_first(x):
    return np.concatenate(list(x[::-1]), axis=-1)


@my_merge_heads.misconception(
    "You took the first number of every head, then the second of every head, like a "
    "zip. Each head's numbers stay together."
)
def zipped(x):
    return x.transpose(1, 2, 0).reshape(x.shape[1], -1)


@my_merge_heads.misconception(
    "You put the heads below each other, so there are more rows than tokens. Each "
    "token has one row, and the heads lie side by side in it."
)
def below_each_other(x):
    return x.reshape(-1, x.shape[-1])


# --- 12.3 -----------------------------------------------------------------------------


@exercise(
    "12.3",
    "What each head writes",
    difficulty=2,
    minutes=7,
    section=OUTPUT,
    learned="Added up over the heads, these are the glued product.",
)
def head_contributions(z, output_weight):
    """What each head's results become in the product alone: (heads, tokens, out).

    `z` is (heads, tokens, size), `output_weight` (out, heads · size) as torch keeps it.
    """
    heads, _, size = z.shape
    blocks = output_weight.T.reshape(heads, size, -1)
    return z @ blocks


@head_contributions.inputs
def _(rng):
    return rng.normal(size=(3, 5, 7)), rng.normal(size=(3 * 7, 3 * 7))


@head_contributions.inputs
def _(rng):
    return rng.normal(size=(2, 7, 5)), rng.normal(size=(13, 2 * 5))


head_contributions.hint(
    "In the glued row, head h fills the places h·size to (h+1)·size − 1. Which columns "
    "of `output_weight` do those places meet?"
)
head_contributions.hint(
    "For one head: its (tokens, size) times its (out, size) block, turned over. Then "
    "stack."
)


@head_contributions.style("head by head")
def _(z, output_weight):
    blocks = np.split(output_weight, len(z), axis=1)
    written = []
    for of_head, block in zip(z, blocks, strict=True):
        written.append(of_head @ block.T)
    return np.array(written)


@head_contributions.style("einsum")
def _(z, output_weight):
    heads, _, size = z.shape
    blocks = output_weight.reshape(-1, heads, size)
    return np.einsum("hts,ohs->hto", z, blocks)


@head_contributions.style("all other heads silenced")
def _(z, output_weight):
    heads, tokens, size = z.shape
    alone = np.zeros((heads, tokens, heads, size))
    for h in range(heads):
        alone[h, :, h] = z[h]
    return alone.reshape(heads, tokens, -1) @ output_weight.T


@head_contributions.misconception(
    "You added the heads up already. Here we want to see what each wrote: one layer of "
    "the result for each head."
)
def added_up(z, output_weight):
    return np.concatenate(list(z), axis=-1) @ output_weight.T


@head_contributions.misconception(
    "All your heads went through the first head's columns. Each head has columns of "
    "its own."
)
def one_block_for_all(z, output_weight):
    return z @ output_weight[:, : z.shape[-1]].T


@head_contributions.misconception(
    "You cut `output_weight` into rows. As torch keeps it, its rows belong to what "
    "comes out; what goes in, the heads, meets its columns."
)
def rows_for_columns(z, output_weight):
    size = z.shape[-1]
    return np.stack(
        [z[h] @ output_weight[h * size : (h + 1) * size] for h in range(len(z))]
    )


@head_contributions.misconception(
    "You dealt the columns out like cards, one to each head in turn. The heads were "
    "glued one after the other, so a head meets neighbouring columns."
)
def columns_dealt_out(z, output_weight):
    return np.stack([z[h] @ output_weight[:, h :: len(z)].T for h in range(len(z))])


# --- 12.4 -----------------------------------------------------------------------------


@exercise(
    "12.4",
    "Multi-head attention",
    difficulty=3,
    minutes=10,
    section=LAYER,
    banned=READY_LAYER,
    learned="This is the multi-head attention of Vaswani et al. 2017, section 3.2.2.",
)
def my_multi_head_attention(
    x, query_weight, key_weight, value_weight, output_weight, num_heads
):
    """Project, split, attend, glue, project: (tokens, hidden) to (tokens, out).

    Each weight is (out, in), as torch keeps it. There are no biases.
    """
    query, key, value = (
        split_heads(x @ weight.T, num_heads)
        for weight in (query_weight, key_weight, value_weight)
    )
    z = scaled_dot_product_attention(query, key, value)
    return merge_heads(z) @ output_weight.T


@my_multi_head_attention.inputs
def _(rng):
    weights = [rng.normal(size=(2 * 3, 2 * 3)) for _ in range(4)]
    return rng.normal(size=(5, 2 * 3)), *weights, 2


@my_multi_head_attention.inputs
def _(rng):
    weights = [rng.normal(size=(3 * 5, 3 * 5), scale=0.4) for _ in range(4)]
    return rng.normal(size=(7, 3 * 5)), *weights, 3


my_multi_head_attention.hint(
    "Five steps, and all of them are above: three projections, the split, "
    "`scaled_dot_product_attention` for all heads at once, the gluing, the last matrix."
)
my_multi_head_attention.hint(
    "`split_heads(x @ query_weight.T, num_heads)` makes the queries. At the end, "
    "`merge_heads`, then `output_weight.T`."
)


@my_multi_head_attention.style("head by head")
def _(x, query_weight, key_weight, value_weight, output_weight, num_heads):
    size = len(query_weight) // num_heads
    results = []
    for h in range(num_heads):
        own = slice(h * size, (h + 1) * size)
        query, key = x @ query_weight[own].T, x @ key_weight[own].T
        weights = softmax(query @ key.T / np.sqrt(size))
        results.append(weights @ x @ value_weight[own].T)
    return np.concatenate(results, axis=-1) @ output_weight.T


@my_multi_head_attention.style("the heads' parts added up")
def _(x, query_weight, key_weight, value_weight, output_weight, num_heads):
    size = len(query_weight) // num_heads
    total = 0
    for start in range(0, len(query_weight), size):
        own = slice(start, start + size)
        query, key, value = (
            x @ weight[own].T for weight in (query_weight, key_weight, value_weight)
        )
        z = scaled_dot_product_attention(query, key, value)
        total = total + z @ output_weight[:, own].T
    return total


@my_multi_head_attention.style("einsum")
def _(x, query_weight, key_weight, value_weight, output_weight, num_heads):
    tokens, hidden = x.shape
    together = np.stack([query_weight, key_weight, value_weight])
    cut = together.reshape(3, num_heads, -1, hidden)
    query, key, value = np.einsum("td,phsd->phts", x, cut)
    scores = np.einsum("hqs,hks->hqk", query, key) / query.shape[-1] ** 0.5
    glued = np.einsum("hqk,hks->qhs", softmax(scores), value)
    return glued.reshape(tokens, -1) @ output_weight.T


def _layer(x, weights, num_heads, merge=merge_heads, scale=None):
    """The right layer, of which a misconception replaces one piece."""
    *three, output_weight = weights
    heads = (split_heads(x @ weight.T, num_heads) for weight in three)
    z = scaled_dot_product_attention(*heads, scale=scale)
    return merge(z) @ output_weight.T


@my_multi_head_attention.misconception(
    "You glued the heads and stopped there. The last matrix, `output_weight`, is still "
    "to come."
)
def without_the_last_matrix(x, *rest):
    *weights, _, num_heads = rest
    return _layer(x, [*weights, np.eye(len(weights[2]))], num_heads)


@my_multi_head_attention.misconception(
    "You computed one wide head. Split queries, keys and values before the attention, "
    "so that each head has a softmax of its own."
)
def one_wide_head(x, *rest):
    *weights, _ = rest
    return _layer(x, weights, 1)


@my_multi_head_attention.misconception(
    "You divided by the root of the whole width. A score is a sum over one head's "
    "columns, so the root of the head's size belongs under it."
)
def root_of_the_whole_width(x, *rest):
    *weights, num_heads = rest
    return _layer(x, weights, num_heads, scale=x.shape[-1] ** -0.5)


@my_multi_head_attention.misconception(
    "The weights are kept as (out, in), and you multiplied by them as they are. Square "
    "matrices raise no error here: turn each over, `x @ weight.T`."
)
def weights_not_turned_over(x, *rest):
    *weights, num_heads = rest
    return _layer(x, [weight.T for weight in weights], num_heads)


@my_multi_head_attention.misconception(
    "Your heads attend rightly and are glued wrongly: you reshaped (heads, tokens, "
    "size) without moving the tokens to the front, so the rows mix tokens."
)
def glued_without_transposing(x, *rest):
    *weights, num_heads = rest
    return _layer(x, weights, num_heads, merge=lambda z: z.reshape(len(x), -1))


# --- 12.5 -----------------------------------------------------------------------------


@exercise(
    "12.5",
    "Translate the masks",
    difficulty=2,
    minutes=6,
    section=MASKS,
    banned=["course_lib.attention.mask_from_torch"],
    learned="A key may be seen if neither mask blocks it.",
)
def may_attend_from_torch(attn_mask, key_padding_mask):
    """From True = blocked to True = may attend: (batch, 1, queries, keys), boolean.

    `attn_mask` is (queries, keys), the same for all sentences; `key_padding_mask` is
    (batch, keys).
    """
    return ~(attn_mask | key_padding_mask[:, None, None, :])


@may_attend_from_torch.inputs
def _(rng):
    return _blocked(rng, 7, 7), _blocked(rng, 3, 7)


@may_attend_from_torch.inputs
def _(rng):
    return _blocked(rng, 5, 11), _blocked(rng, 2, 11)


def _blocked(rng, rows, keys):
    """Booleans in which each row, and each column but the last, has a True."""
    mask = rng.random((rows, keys)) < 0.3
    mask[np.arange(rows), rng.permutation(keys)[:rows]] = True
    mask[:, -1] = False
    mask[0, 0] = True
    return mask


may_attend_from_torch.hint(
    "Bring the padding to four axes: (batch, 1, 1, keys). Then the two broadcast."
)
may_attend_from_torch.hint(
    "Blocked is what one mask *or* the other blocks. `|` is or, `~` turns round."
)


@may_attend_from_torch.style("both turned round first")
def _(attn_mask, key_padding_mask):
    return ~attn_mask & ~key_padding_mask[:, None, None]


@may_attend_from_torch.style("sentence by sentence")
def _(attn_mask, key_padding_mask):
    return np.array([[~(attn_mask | row)] for row in key_padding_mask])


@may_attend_from_torch.style("counted")
def _(attn_mask, key_padding_mask):
    batch, keys = key_padding_mask.shape
    times_blocked = attn_mask.astype(int) + key_padding_mask.reshape(batch, 1, 1, keys)
    return times_blocked == 0


@may_attend_from_torch.misconception(
    "You joined the masks and did not turn them round: yours is True where attention "
    "is blocked."
)
def still_true_where_blocked(attn_mask, key_padding_mask):
    return attn_mask | key_padding_mask[:, None, None, :]


@may_attend_from_torch.misconception(
    "In your mask a key may be seen if *one* of the two allows it. Both must: a key "
    "that one mask blocks is blocked."
)
def one_permission_is_enough(attn_mask, key_padding_mask):
    return ~attn_mask | ~key_padding_mask[:, None, None, :]


@may_attend_from_torch.misconception(
    "You put the padding on the axis of the queries. Padding must not be *seen*, so it "
    "belongs to the keys, the last axis."
)
def padding_on_the_queries(attn_mask, key_padding_mask):
    return ~(attn_mask | key_padding_mask[:, None, :, None])


@may_attend_from_torch.misconception(
    "The axis of the heads is missing: (batch, queries, keys) came. Without it, the "
    "sentences would be lined up with the heads."
)
def without_the_axis_of_heads(attn_mask, key_padding_mask):
    return ~(attn_mask | key_padding_mask[:, None, :])


@may_attend_from_torch.misconception(
    "You turned `attn_mask` round, but not the padding. In torch's layer both say True "
    "for blocked."
)
def padding_not_turned_round(attn_mask, key_padding_mask):
    return ~attn_mask & key_padding_mask[:, None, None, :]


# --- 12.6 -----------------------------------------------------------------------------


@exercise(
    "12.6",
    "Does it see the order?",
    difficulty=2,
    minutes=6,
    section=MIXING,
    learned="0 means: this layer can't see in what order its rows stand.",
)
def effect_of_order(layer, x, permutation):
    """How far shuffling first and shuffling afterwards are apart, at most: a number.

    `layer` is a function from (tokens, width) to (tokens, width), and
    `x[permutation]` is `x` with its rows shuffled.
    """
    return np.abs(layer(x[permutation]) - layer(x)[permutation]).max()


def _cumulated_row(x):
    return np.cumsum(x, axis=-1)


def _minus_the_mean_row(x):
    return x - np.tanh(x).mean(axis=0)


def _plus_its_place(x):
    return x + np.arange(len(x))[:, None] ** 1.5


def _sees_what_came_before(x):
    return np.cumsum(np.tanh(x), axis=0)


LAYERS = {
    "each row alone": _cumulated_row,
    "all rows mixed": _minus_the_mean_row,
    "each row and its place": _plus_its_place,
    "each row and those before": _sees_what_came_before,
}


@effect_of_order.use
def _(answer, layer, x, permutation):
    return answer(LAYERS[layer], x, permutation)


@effect_of_order.inputs
def _(rng):
    for place, layer in enumerate(LAYERS):
        tokens, width = [(7, 11), (11, 5)][place % 2]
        yield layer, rng.normal(size=(tokens, width)), _shuffle(rng, tokens)


def _shuffle(rng, size):
    """A permutation that, done twice, does not lead back."""
    while True:
        permutation = rng.permutation(size)
        if (permutation[permutation] != np.arange(size)).sum() > 2:
            return permutation


effect_of_order.hint(
    "Two ways lead to shuffled results: shuffle what goes in, or shuffle what comes "
    "out."
)
effect_of_order.hint(
    "`layer(x[permutation])` is the first way. Compare it with the second, entry by "
    "entry, and take the largest absolute difference."
)


@effect_of_order.style("shuffled and put back")
def _(layer, x, permutation):
    back = np.argsort(permutation)
    return np.max(np.abs(layer(x[permutation])[back] - layer(x)))


@effect_of_order.style("row by row")
def _(layer, x, permutation):
    shuffled, straight = layer(x[permutation]), layer(x)
    pairs = zip(shuffled, permutation, strict=True)
    return max(abs(row - straight[old]).max() for row, old in pairs)


@effect_of_order.style("through the norm")
def _(layer, x, permutation):
    difference = layer(x[permutation]) - layer(x)[permutation]
    return float(np.linalg.norm(difference.ravel(), ord=np.inf))


@effect_of_order.misconception(
    "You compared shuffled rows with rows in the old order, so different tokens stand "
    "beside each other. Even a layer that sees no order fails that."
)
def compared_in_the_old_order(layer, x, permutation):
    return np.abs(layer(x[permutation]) - layer(x)).max()


@effect_of_order.misconception(
    "You shuffled a second time to get back. That leads back only if the shuffle is "
    "its own opposite; `np.argsort(permutation)` is the way back."
)
def shuffled_twice(layer, x, permutation):
    return np.abs(layer(x[permutation])[permutation] - layer(x)).max()


@effect_of_order.misconception(
    "You shuffled the columns. The order of the words is the order of the rows."
)
def columns_shuffled(layer, x, permutation):
    return np.abs(layer(x[:, permutation]) - layer(x)[:, permutation]).max()


@effect_of_order.misconception(
    "You took the mean of the differences. Asked for is the largest: one entry that "
    "differs is enough to betray that the order is seen."
)
def mean_difference(layer, x, permutation):
    return np.abs(layer(x[permutation]) - layer(x)[permutation]).mean()


@effect_of_order.misconception(
    "You compared the results with what went in. Compare results with results: once "
    "shuffled before the layer, once after it."
)
def compared_with_what_went_in(layer, x, permutation):
    return np.abs(layer(x[permutation]) - x[permutation]).max()


# --- 12.7 -----------------------------------------------------------------------------


@exercise(
    "12.7",
    "Positions from waves",
    difficulty=3,
    minutes=8,
    section=POSITIONS,
    learned="Fast waves tell neighbours apart, slow ones tell beginning from end.",
)
def position_table(positions, width):
    """Sine in column 2i, cosine in 2i+1, of pos / 10000^(2i/width): (positions, width).

    Positions count from 0, and `width` is even.
    """
    exponents = np.arange(0, width, 2) / width
    angles = np.arange(positions)[:, None] / 10000**exponents
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(positions, width)


@position_table.inputs
def _(rng):
    return 7, 10


@position_table.inputs
def _(rng):
    return 13, 6


@position_table.inputs
def _(rng):
    return int(rng.integers(3, 20)), 2 * int(rng.integers(3, 20))


position_table.hint(
    "One pair of columns shares one angle: make a table of angles, (positions, "
    "width/2), before any sine."
)
position_table.hint(
    "`table[:, 0::2]` is every even column, `table[:, 1::2]` every odd one. "
    "`np.arange(0, width, 2)` is 2i for all pairs."
)


@position_table.style("filled in")
def _(positions, width):
    table = np.empty((positions, width))
    angles = np.outer(np.arange(positions), 10000 ** -(np.arange(0, width, 2) / width))
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return table


@position_table.style("cell by cell")
def _(positions, width):
    table = np.zeros((positions, width))
    for pos in range(positions):
        for i in range(width // 2):
            angle = pos / 10000 ** (2 * i / width)
            table[pos, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    return table


@position_table.style("a cosine is a sine a quarter turn on")
def _(positions, width):
    columns = np.arange(width)
    angles = np.arange(positions)[:, None] / 10000 ** (columns // 2 * 2 / width)
    return np.sin(angles + columns % 2 * np.pi / 2)


def _angles(positions, exponents, first=0):
    return (np.arange(positions) + first)[:, None] / 10000**exponents


def _woven(even, odd):
    return np.stack([even, odd], axis=-1).reshape(len(even), -1)


@position_table.misconception(
    "The numbers are right and stand in the wrong columns: all sines in the left half, "
    "all cosines in the right. They alternate here, as in the paper."
)
def in_two_halves(positions, width):
    angles = _angles(positions, np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


@position_table.misconception(
    "Sine and cosine have changed places. Position 0 should begin with sin 0 = 0."
)
def cosine_first(positions, width):
    angles = _angles(positions, np.arange(0, width, 2) / width)
    return _woven(np.cos(angles), np.sin(angles))


@position_table.misconception(
    "You counted positions from 1. The first token stands at position 0."
)
def counted_from_one(positions, width):
    angles = _angles(positions, np.arange(0, width, 2) / width, first=1)
    return _woven(np.sin(angles), np.cos(angles))


@position_table.misconception(
    "Your waves slow down by half as much as they should: the 2 in the exponent "
    "2i/width is missing, where i counts pairs."
)
def without_the_two(positions, width):
    angles = _angles(positions, np.arange(width // 2) / width)
    return _woven(np.sin(angles), np.cos(angles))


@position_table.misconception(
    "You took i for the number of the column. It counts pairs, so the two columns of a "
    "pair share one angle."
)
def column_for_pair(positions, width):
    angles = _angles(positions, 2 * np.arange(width) / width)
    return _woven(np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2]))
