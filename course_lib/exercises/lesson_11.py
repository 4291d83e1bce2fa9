"""The exercises of lesson 11, from one score to masked attention."""

import numpy as np

from course_lib.attention import softmax
from course_lib.exercises.exercise import exercise

SCORES = "2 · One score, then all of them"
SOFTMAX = "3 · From scores to shares: softmax"
SCALING = "4 · Why divide by the square root?"
MIXTURE = "5 · The weighted sum, and the model's own numbers"
MASKS = "6 · Hiding tokens: masks"

READY_SOFTMAX = [
    "course_lib.attention.softmax",
    "scipy.special.softmax",
    "torch.softmax",
    "torch.nn.functional.softmax",
]
READY_ATTENTION = [
    "course_lib.attention.scaled_dot_product_attention",
    "torch.nn.functional.scaled_dot_product_attention",
]


# --- 11.1 -----------------------------------------------------------------------------


@exercise(
    "11.1",
    "All the scores",
    difficulty=1,
    minutes=3,
    section=SCORES,
    learned="One matrix product gives them all: row i holds the scores of query i.",
)
def all_scores(query, key):
    """The score of each query with each key, without a loop: (queries, keys)."""
    return query @ key.T


@all_scores.inputs
def _(rng):
    return rng.normal(size=(5, 11)), rng.normal(size=(7, 11))


@all_scores.inputs
def _(rng):
    return rng.normal(size=(13, 3)), rng.normal(size=(2, 3))


all_scores.hint("A matrix product takes rows from the left and columns from the right.")
all_scores.hint("`key.T` has the keys as its columns.")


@all_scores.style("einsum")
def _(query, key):
    return np.einsum("qd,kd->qk", query, key)


@all_scores.style("multiply and add up")
def _(query, key):
    return (query[:, None, :] * key[None, :, :]).sum(axis=-1)


@all_scores.style("score by score")
def _(query, key):
    return np.array([[np.dot(q, k) for k in key] for q in query])


@all_scores.misconception(
    "Your rows belong to the keys. The one who looks comes first: turn the keys over, "
    "not the queries."
)
def keys_first(query, key):
    return key @ query.T


@all_scores.misconception(
    "You multiplied entry by entry and stopped there. A score adds these products up, "
    "over the width of the head."
)
def not_added_up(query, key):
    return query[:, None, :] * key[None, :, :]


@all_scores.misconception(
    "These are the scores of queries with queries. The second array must be the keys."
)
def queries_with_queries(query, key):
    return query @ query.T


@all_scores.misconception(
    "You divided by the square root of the width already. It comes in section 4; here "
    "the plain dot products are wanted."
)
def scaled_too_early(query, key):
    return query @ key.T / np.sqrt(query.shape[-1])


# --- 11.2 -----------------------------------------------------------------------------


@exercise(
    "11.2",
    "Softmax",
    difficulty=1,
    minutes=5,
    section=SOFTMAX,
    banned=READY_SOFTMAX,
    learned="Each row is shared out on its own.",
)
def my_softmax(scores):
    """Turn each row of a matrix of scores into shares that add up to 1."""
    powers = np.exp(scores)
    return powers / powers.sum(axis=-1, keepdims=True)


@my_softmax.inputs
def _(rng):
    return (rng.normal(size=(5, 7), scale=2),)


@my_softmax.inputs
def _(rng):
    return (rng.normal(size=(3, 11)),)


my_softmax.hint("`np.exp` takes the whole matrix at once. Each row has its own sum.")
my_softmax.hint("`powers.sum(axis=-1, keepdims=True)` has shape (rows, 1).")


@my_softmax.style("row by row")
def _(scores):
    return np.array([np.exp(row) / np.exp(row).sum() for row in scores])


@my_softmax.style("with the largest subtracted")
def _(scores):
    powers = np.exp(scores - scores.max(axis=1)[:, None])
    return powers / powers.sum(axis=1)[:, None]


@my_softmax.style("turned over and back")
def _(scores):
    powers = np.exp(scores).T
    return (powers / powers.sum(axis=0)).T


@my_softmax.misconception(
    "Your columns sum to 1, not your rows: you normalised over the queries. Each token "
    "shares out its own attention, over the keys."
)
def over_the_queries(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=0)


@my_softmax.misconception(
    "All entries together sum to 1. Each row needs a sum of its own: say along which "
    "axis to add up."
)
def over_everything(scores):
    return np.exp(scores) / np.exp(scores).sum()


@my_softmax.misconception(
    "NumPy lines the row sums up with the columns. Keep the summed axis, with "
    "keepdims=True, so that each sum stands beside its row."
)
def sums_without_their_axis(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1)


@my_softmax.misconception(
    "You divided the scores themselves by their sum. Scores may be negative, so that "
    "gives no shares: raise e to each first."
)
def without_the_exponential(scores):
    return scores / scores.sum(axis=-1, keepdims=True)


@my_softmax.misconception(
    "You gave everything to the best key. Softmax is softer: the others keep a share."
)
def winner_takes_all(scores):
    return (scores == scores.max(axis=-1, keepdims=True)).astype(float)


# --- 11.3 -----------------------------------------------------------------------------


@exercise(
    "11.3",
    "A softmax that never overflows",
    difficulty=2,
    minutes=5,
    section=SOFTMAX,
    banned=READY_SOFTMAX,
    learned="The largest power is 1 now, so nothing can overflow.",
)
def stable_softmax(scores):
    """The same shares, for scores of 1000 and more too; the argument stays as it is."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@stable_softmax.inputs
def _(rng):
    # Rows around −2000, −1000, 0, 1000 and 2000: no one number can be subtracted.
    return (rng.normal(size=(5, 7)) + 1000 * np.arange(-2, 3)[:, None],)


@stable_softmax.inputs
def _(rng):
    return (rng.normal(size=(3, 11), scale=900),)


stable_softmax.hint("Only differences count. What may you subtract from a whole row?")
stable_softmax.hint("With its largest score at 0, a row's largest power is 1.")


@stable_softmax.style("row by row")
def _(scores):
    rows = [np.exp(row - max(row)) for row in scores]
    return np.array([row / row.sum() for row in rows])


@stable_softmax.style("through the logarithm")
def _(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


@stable_softmax.style("in place, on a copy")
def _(scores):
    weights = scores - np.max(scores, axis=1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


@stable_softmax.misconception(
    "e to the 1000 is infinite for a computer, and infinity over infinity is not a "
    "number. Subtract something from each row first; only differences count."
)
def overflowing(scores):
    with np.errstate(all="ignore"):
        return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


@stable_softmax.misconception(
    "You subtracted the largest score of the whole matrix. A row far below it turns "
    "into zeros, and 0/0 is not a number. Each row needs its own largest."
)
def one_maximum_for_all(scores):
    with np.errstate(all="ignore"):
        powers = np.exp(scores - scores.max())
        return powers / powers.sum(axis=-1, keepdims=True)


@stable_softmax.misconception(
    "You subtracted the row's mean. A score far above the mean still overflows; only "
    "the largest makes every power at most 1."
)
def minus_the_mean(scores):
    with np.errstate(all="ignore"):
        powers = np.exp(scores - scores.mean(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)


@stable_softmax.misconception(
    "You divided by the largest score. That changes the differences, and they are all "
    "that counts: subtract it."
)
def divided_by_the_largest(scores):
    powers = np.exp(scores / np.abs(scores).max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@stable_softmax.misconception(
    "Your function writes into `scores`, which still belongs to whoever called it. "
    "Make a new array: scores - largest, not scores -= largest."
)
def writes_into_its_argument(scores):
    scores -= scores.max(axis=-1, keepdims=True)
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


# --- 11.4 -----------------------------------------------------------------------------


@exercise(
    "11.4",
    "Scaled scores",
    difficulty=2,
    minutes=5,
    section=SCALING,
    learned="Divided by √d_k, the spread no longer depends on the width.",
)
def scaled_scores(query, key):
    """One score per query and key, whose spread does not depend on the head's width."""
    return query @ key.T / np.sqrt(query.shape[-1])


@scaled_scores.inputs
def _(rng):
    return rng.normal(size=(5, 11)), rng.normal(size=(7, 11))


@scaled_scores.inputs
def _(rng):
    return rng.normal(size=(3, 29)), rng.normal(size=(2, 29))


scaled_scores.hint("What is the standard deviation of q·k in a head d_k wide?")
scaled_scores.hint("`query.shape[-1]` is d_k.")


@scaled_scores.style("einsum")
def _(query, key):
    return np.einsum("qd,kd->qk", query, key) / query.shape[-1] ** 0.5


@scaled_scores.style("the query scaled first")
def _(query, key):
    return (query / np.sqrt(key.shape[1])) @ key.T


@scaled_scores.style("score by score")
def _(query, key):
    factor = len(query[0]) ** -0.5
    return np.array([[factor * np.dot(q, k) for k in key] for q in query])


@scaled_scores.misconception(
    "You divided by d_k itself; the spread grows with its square root. Look again at "
    "the curve in section 4."
)
def divided_by_width(query, key):
    return query @ key.T / query.shape[-1]


@scaled_scores.misconception(
    "You divided by the square root of the number of keys. The sum that makes a score "
    "large runs over the width of the head, d_k, the last axis."
)
def root_of_the_keys(query, key):
    return query @ key.T / np.sqrt(key.shape[0])


@scaled_scores.misconception(
    "You divided by the square root of the number of queries. The sum that makes a "
    "score large runs over the width of the head, d_k, the last axis."
)
def root_of_the_queries(query, key):
    return query @ key.T / np.sqrt(query.shape[0])


@scaled_scores.misconception("These are the plain scores: the scaling is missing.")
def not_scaled(query, key):
    return query @ key.T


@scaled_scores.misconception("You multiplied by the square root: divide by it.")
def multiplied(query, key):
    return query @ key.T * np.sqrt(query.shape[-1])


# --- 11.5 -----------------------------------------------------------------------------


@exercise(
    "11.5",
    "The mixture",
    difficulty=1,
    minutes=3,
    section=MIXTURE,
    learned="Each row of weights adds up to 1, so this is a weighted mean.",
)
def mix(weights, value):
    """The weighted sum of the values, for all tokens at once: (queries, width)."""
    return weights @ value


@mix.inputs
def _(rng):
    return softmax(rng.normal(size=(5, 7))), rng.normal(size=(7, 11))


@mix.inputs
def _(rng):
    return softmax(rng.normal(size=(13, 3))), rng.normal(size=(3, 2))


mix.hint("Row i of the weights goes with column c of the values.")
mix.hint("That is a matrix product, and nothing needs to be turned over.")


@mix.style("einsum")
def _(weights, value):
    return np.einsum("qk,kd->qd", weights, value)


@mix.style("query by query")
def _(weights, value):
    return np.array([(row[:, None] * value).sum(axis=0) for row in weights])


@mix.style("key by key")
def _(weights, value):
    return sum(np.outer(weights[:, j], value[j]) for j in range(len(value)))


@mix.misconception(
    "You turned the weights over. Their columns are the keys, one for each value."
)
def weights_turned_over(weights, value):
    return weights.T @ value


@mix.misconception(
    "Each token took the value of its favourite alone. A mixture takes from every "
    "token, as much as its share says."
)
def favourite_only(weights, value):
    return value[weights.argmax(axis=-1)]


@mix.misconception(
    "You divided by the number of keys. The shares already add up to 1, so their "
    "weighted sum is a mean as it stands."
)
def divided_by_the_count(weights, value):
    return weights @ value / len(value)


@mix.misconception(
    "Every token has the same mixture here: the mean of the values. Use the weights."
)
def plain_mean(weights, value):
    return np.tile(value.mean(axis=0), (len(weights), 1))


# --- 11.6 -----------------------------------------------------------------------------


@exercise(
    "11.6",
    "The whole formula",
    difficulty=2,
    minutes=8,
    section=MIXTURE,
    banned=READY_ATTENTION,
    learned="This is equation 1 of Vaswani et al. 2017: what a head of BERT computes.",
)
def my_attention(query, key, value):
    """softmax(query keyᵀ / √d_k) value; the values may be wider than the keys."""
    return softmax(query @ key.T / np.sqrt(query.shape[-1])) @ value


@my_attention.inputs
def _(rng):
    sizes = (5, 3), (7, 3), (7, 11)
    return tuple(rng.normal(size=size, scale=2) for size in sizes)


@my_attention.inputs
def _(rng):
    sizes = (13, 5), (2, 5), (2, 3)
    return tuple(rng.normal(size=size) for size in sizes)


my_attention.hint("Three steps: scaled scores, softmax over the keys, mixture.")
my_attention.hint("The width under the root is that of query and key, not of value.")


@my_attention.style("by hand")
def _(query, key, value):
    scores = np.einsum("qd,kd->qk", query, key) / query.shape[1] ** 0.5
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers @ value) / powers.sum(axis=1, keepdims=True)


@my_attention.style("query by query")
def _(query, key, value):
    rows = []
    for q in query:
        powers = np.exp(key @ q / np.sqrt(len(q)))
        rows.append(powers @ value / powers.sum())
    return np.array(rows)


@my_attention.style("einsum for both products")
def _(query, key, value):
    scores = np.einsum("qd,kd->qk", query, key) / np.sqrt(key.shape[-1])
    return np.einsum("qk,kd->qd", softmax(scores, axis=1), value)


@my_attention.misconception(
    "The square root is missing: you made the mistake of erratum 1."
)
def without_the_root(query, key, value):
    return softmax(query @ key.T) @ value


@my_attention.misconception(
    "Your softmax runs over the queries. Each query shares out its own attention, over "
    "the keys: the last axis."
)
def softmax_over_queries(query, key, value):
    return softmax(query @ key.T / np.sqrt(query.shape[-1]), axis=0) @ value


@my_attention.misconception(
    "You took the width of the values under the root. The scores are sums over the "
    "width of query and key."
)
def width_of_the_values(query, key, value):
    return softmax(query @ key.T / np.sqrt(value.shape[-1])) @ value


@my_attention.misconception(
    "You scaled after the softmax, so the rows no longer sum to 1. The root belongs to "
    "the scores, inside."
)
def scaled_too_late(query, key, value):
    return softmax(query @ key.T) / np.sqrt(query.shape[-1]) @ value


@my_attention.misconception(
    "You divided by d_k; the spread of the scores grows with its square root."
)
def divided_by_the_width(query, key, value):
    return softmax(query @ key.T / query.shape[-1]) @ value


# --- 11.7 -----------------------------------------------------------------------------


@exercise(
    "11.7",
    "Padding mask",
    difficulty=2,
    minutes=5,
    section=MASKS,
    learned="One row of keys for each sentence; it broadcasts over the queries.",
)
def padding_mask(lengths, size):
    """True at the first lengths[b] of `size` keys: boolean, (batch, 1, size)."""
    return np.arange(size) < lengths[:, None, None]


@padding_mask.inputs
def _(rng):
    return rng.permutation([1, 3, 4, 6, 7]), 7


@padding_mask.inputs
def _(rng):
    return rng.permutation([0, 2, 11]), 11


padding_mask.hint("Key j is real if j < length. `np.arange(size)` has all the j.")
padding_mask.hint("`lengths[:, None, None]` has shape (batch, 1, 1), and broadcasts.")


@padding_mask.style("loop")
def _(lengths, size):
    rows = [[j < length for j in range(size)] for length in lengths]
    return np.array(rows)[:, None, :]


@padding_mask.style("filled in")
def _(lengths, size):
    mask = np.zeros((len(lengths), 1, size), dtype=bool)
    for row, length in zip(mask, lengths, strict=True):
        row[:, :length] = True
    return mask


@padding_mask.style("reshaped")
def _(lengths, size):
    return np.less(np.arange(size), lengths.reshape(-1, 1, 1))


@padding_mask.misconception(
    "Your mask is True at the padding. Here True means: may attend."
)
def turned_round(lengths, size):
    return np.arange(size) >= lengths[:, None, None]


@padding_mask.misconception(
    "One key too many. Positions count from 0, so the last real one is length − 1."
)
def one_too_many(lengths, size):
    return np.arange(size) <= lengths[:, None, None]


@padding_mask.misconception(
    "The axis of the queries is missing in the middle. Without it, NumPy would line "
    "your batch up with the queries."
)
def without_the_query_axis(lengths, size):
    return np.arange(size) < lengths[:, None]


@padding_mask.misconception(
    "You hid the beginning. The padding stands at the end of the shorter sentences."
)
def padded_on_the_left(lengths, size):
    return np.arange(size) >= size - lengths[:, None, None]


@padding_mask.misconception(
    "The places are right, but these are numbers 0 and 1. Added to scores they would "
    "hide nothing: return booleans."
)
def numbers_for_booleans(lengths, size):
    return (np.arange(size) < lengths[:, None, None]).astype(int)


# --- 11.8 -----------------------------------------------------------------------------


@exercise(
    "11.8",
    "Causal mask",
    difficulty=2,
    minutes=5,
    section=MASKS,
    learned="Query i sees i + 1 keys, as far as there are any.",
)
def causal_mask(queries, keys):
    """True where query i may attend to key j, that is j ≤ i: (queries, keys)."""
    return np.tri(queries, keys, dtype=bool)


@causal_mask.inputs
def _(rng):
    return 5, 7


@causal_mask.inputs
def _(rng):
    return 7, 3


@causal_mask.inputs
def _(rng):
    return int(rng.integers(2, 12)), int(rng.integers(2, 12))


causal_mask.hint("Write i as a column and j as a row, and compare them.")
causal_mask.hint("`np.arange(queries)[:, None]` is that column.")


@causal_mask.style("comparison")
def _(queries, keys):
    return np.arange(keys) <= np.arange(queries)[:, None]


@causal_mask.style("triangle of ones")
def _(queries, keys):
    return np.tril(np.ones((queries, keys), dtype=bool))


@causal_mask.style("cell by cell")
def _(queries, keys):
    return np.array([[j <= i for j in range(keys)] for i in range(queries)])


@causal_mask.misconception(
    "You let tokens look ahead and forbade them to look back. True means may attend, "
    "and a token may attend to what stands at or before it."
)
def looking_ahead(queries, keys):
    return np.triu(np.ones((queries, keys), dtype=bool))


@causal_mask.misconception(
    "Your mask is turned round: it is True where attention is forbidden."
)
def true_where_forbidden(queries, keys):
    return ~np.tri(queries, keys, dtype=bool)


@causal_mask.misconception(
    "Nobody may look at itself in your mask, so the first token sees nothing at all. "
    "The diagonal belongs to it: j ≤ i."
)
def without_the_diagonal(queries, keys):
    return np.tri(queries, keys, k=-1, dtype=bool)


@causal_mask.misconception(
    "You aligned the two at their ends. Here both count from the start, as in PyTorch: "
    "query i sees the keys 0 to i, whatever the lengths."
)
def aligned_at_the_end(queries, keys):
    return np.tri(queries, keys, k=keys - queries, dtype=bool)


@causal_mask.misconception(
    "The triangle is right, but these are numbers 0 and 1: return booleans."
)
def numbers_instead(queries, keys):
    return np.tri(queries, keys)
