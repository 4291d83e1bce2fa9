"""The exercises of lesson 15, from counting a BERT's numbers to mending one."""

import math
from itertools import zip_longest

import numpy as np
from scipy.special import erf, erfc, ndtr

from course_lib.exercises.exercise import exercise

COUNTING = "2 · Counting the numbers"
EMBEDDINGS = "3 · What enters layer 0"
LAYER = "4 · One encoder layer"
WHOLE = "5 · Six layers and a pooler"
BATCHES = "6 · Batches and pairs"
BUGS = "8 · Three functions that look right"


# --- 15.1 -----------------------------------------------------------------------------


@exercise(
    "15.1",
    "Count the parameters",
    difficulty=2,
    minutes=10,
    section=COUNTING,
    learned="It counts any BERT, whatever its size, and heads cost nothing.",
)
def count_parameters(vocab, positions, segments, hidden, inner, layers, heads):
    """How many numbers training has set in a BERT encoder with a pooler: an integer."""
    norm = 2 * hidden
    embeddings = (vocab + positions + segments) * hidden + norm
    attention = 4 * (hidden * hidden + hidden) + norm
    feed_forward = (hidden * inner + inner) + (inner * hidden + hidden) + norm
    pooler = hidden * hidden + hidden
    return embeddings + layers * (attention + feed_forward) + pooler


@count_parameters.inputs
def _(rng):
    heads = int(rng.integers(2, 6))
    hidden = heads * int(rng.integers(3, 20))
    vocab, positions, inner = (int(n) for n in rng.integers(20, 999, size=3))
    yield 30522, 512, 2, 384, 1536, 6, 12
    yield vocab, positions, int(rng.integers(2, 7)), hidden, inner, heads + 1, heads


count_parameters.hint(
    "Write one line for each kind of part: the tables, an attention half, a "
    "feed-forward half, a LayerNorm, the pooler. Add up at the end."
)
count_parameters.hint(
    "A dense layer from `a` to `b` has a matrix and a bias: `a * b + b`. A LayerNorm "
    "has a weight and a bias of one row each."
)


@count_parameters.style("shapes in a list")
def _(vocab, positions, segments, hidden, inner, layers, heads):
    square, row = hidden**2, hidden
    layer = [*[square, row] * 4, row, row, hidden * inner, inner, hidden * inner]
    layer += [row, row, row]
    outside = [vocab * row, positions * row, segments * row, row, row, square, row]
    return sum(outside) + layers * sum(layer)


@count_parameters.style("dense layers as a function")
def _(vocab, positions, segments, hidden, inner, layers, heads):
    def dense(size_in, size_out):
        return (size_in + 1) * size_out

    total = dense(hidden, hidden)
    for rows in (vocab, positions, segments, 2):
        total += rows * hidden
    for _ in range(layers):
        total += 4 * dense(hidden, hidden) + 4 * hidden
        total += dense(hidden, inner) + dense(inner, hidden)
    return total


@count_parameters.style("simplified on paper")
def _(vocab, positions, segments, hidden, inner, layers, heads):
    outside = hidden * (vocab + positions + segments + hidden + 3)
    layer = 4 * hidden**2 + 2 * hidden * inner + 9 * hidden + inner
    return outside + layers * layer


def _count(sizes, biases=1, norms=2, first_norm=1, pooler=1, square=4):
    """The right count, of which a misconception changes one piece."""
    vocab, positions, segments, hidden, inner, layers, _ = sizes
    dense = square * (hidden * hidden + biases * hidden)
    dense += 2 * hidden * inner + biases * (inner + hidden)
    return (
        (vocab + positions + segments) * hidden
        + layers * (dense + norms * 2 * hidden)
        + first_norm * 2 * hidden
        + pooler * (hidden * hidden + biases * hidden)
    )


@count_parameters.misconception(
    "You counted the matrices without their biases. Each dense layer adds one number "
    "for each of its outputs."
)
def no_biases(*sizes):
    return _count(sizes, biases=0)


@count_parameters.misconception(
    "You left out LayerNorm. It is learned too: a stretch and a shift for each feature."
)
def no_layer_norms(*sizes):
    return _count(sizes, norms=0, first_norm=0)


@count_parameters.misconception(
    "You have one LayerNorm for each layer. Look again at the names: there is one "
    "after each half."
)
def one_norm_for_each_layer(*sizes):
    return _count(sizes, norms=1)


@count_parameters.misconception(
    "The pooler is missing. It is a dense layer of its own, after the last layer."
)
def no_pooler(*sizes):
    return _count(sizes, pooler=0)


@count_parameters.misconception(
    "You multiplied by the number of heads. The heads share out the columns of one "
    "matrix; more heads only make each of them narrower."
)
def heads_multiply(*sizes):
    return _count(sizes, square=3 * sizes[-1] + 1)


@count_parameters.misconception(
    "Your attention has three dense layers: query, key and value. After the heads are "
    "glued together, one more mixes them."
)
def no_output_projection(*sizes):
    return _count(sizes, square=3)


# --- 15.2 -----------------------------------------------------------------------------


@exercise(
    "15.2",
    "Word, place and sentence",
    difficulty=2,
    minutes=6,
    section=EMBEDDINGS,
    banned=["course_lib.attention.numpy_bert.add_embeddings"],
    learned="A lookup is only indexing: one row of a table for each number.",
)
def my_add_embeddings(input_ids, token_type_ids, word, position, segment):
    """The sum of three vectors for each token: (batch, tokens, hidden).

    `input_ids` and `token_type_ids` are (batch, tokens); the three tables are
    (rows, hidden), and the position table has more rows than there are tokens.
    """
    tokens = input_ids.shape[1]
    return word[input_ids] + position[:tokens] + segment[token_type_ids]


@my_add_embeddings.inputs
def _(rng):
    yield _texts(rng, batch=3, tokens=5, hidden=7)
    yield _texts(rng, batch=2, tokens=7, hidden=11)


def _texts(rng, batch, tokens, hidden):
    """Token numbers, two sentences in each text, and three tables."""
    first = rng.integers(1, tokens, size=(batch, 1))
    token_type_ids = (np.arange(tokens) >= first).astype(np.int64)
    tables = (rng.normal(size=(rows, hidden)) for rows in (13, 17, 2))
    return rng.integers(0, 13, size=(batch, tokens)), token_type_ids, *tables


my_add_embeddings.hint(
    "`table[numbers]` takes one row for each number, whatever the shape of `numbers`."
)
my_add_embeddings.hint(
    "Which position has token 0, token 1, token 2? All texts of the batch share them, "
    "so these rows broadcast over the batch."
)


@my_add_embeddings.style("np.take")
def _(input_ids, token_type_ids, word, position, segment):
    places = np.arange(input_ids.shape[-1])
    parts = [(word, input_ids), (position, places), (segment, token_type_ids)]
    return sum(np.take(table, numbers, axis=0) for table, numbers in parts)


@my_add_embeddings.style("token by token")
def _(input_ids, token_type_ids, word, position, segment):
    texts = []
    for ids, types in zip(input_ids, token_type_ids, strict=True):
        pairs = enumerate(zip(ids, types, strict=True))
        texts.append([word[i] + position[p] + segment[s] for p, (i, s) in pairs])
    return np.array(texts)


@my_add_embeddings.style("products with ones and zeros")
def _(input_ids, token_type_ids, word, position, segment):
    one_hot = np.eye(len(word))[input_ids]
    kind = np.eye(len(segment))[token_type_ids]
    places = np.eye(len(position))[: input_ids.shape[1]]
    return one_hot @ word + kind @ segment + places @ position


@my_add_embeddings.misconception(
    "The segments are missing. Even a single sentence gets the vector of segment 0, "
    "for every token."
)
def segments_dropped(input_ids, token_type_ids, word, position, segment):
    return word[input_ids] + position[: input_ids.shape[1]]


@my_add_embeddings.misconception(
    "The positions are missing, so the model can't tell who bit whom: see lesson 12."
)
def positions_dropped(input_ids, token_type_ids, word, position, segment):
    return word[input_ids] + segment[token_type_ids]


@my_add_embeddings.misconception(
    "You counted positions from 1. The first token, [CLS], stands at position 0."
)
def positions_from_one(input_ids, token_type_ids, word, position, segment):
    places = 1 + np.arange(input_ids.shape[1])
    return word[input_ids] + position[places] + segment[token_type_ids]


@my_add_embeddings.misconception(
    "All your tokens belong to the first sentence. `token_type_ids` says which ones "
    "belong to the second."
)
def all_in_the_first_sentence(input_ids, token_type_ids, word, position, segment):
    return word[input_ids] + position[: input_ids.shape[1]] + segment[0]


# --- 15.3 -----------------------------------------------------------------------------


@exercise(
    "15.3",
    "One encoder layer",
    difficulty=2,
    minutes=6,
    section=LAYER,
    learned="Add, then normalise, twice: that is the post-norm layer of BERT.",
)
def encoder_layer(x, attend, feed_forward, norm_1, norm_2):
    """What an encoder layer makes of x: (tokens, hidden).

    `attend`, `feed_forward`, `norm_1` and `norm_2` are functions from (tokens, hidden)
    to (tokens, hidden).
    """
    h = norm_1(x + attend(x))
    return norm_2(h + feed_forward(h))


@encoder_layer.inputs
def _(rng):
    yield _layer_sizes(rng, tokens=5, hidden=7)
    yield _layer_sizes(rng, tokens=3, hidden=11)


def _layer_sizes(rng, tokens, hidden):
    sizes = (tokens, hidden), (tokens, tokens), (hidden, hidden), (2, hidden)
    return tuple(rng.normal(size=size) for size in sizes)


@encoder_layer.use
def _(answer, x, mixing, bending, stretches):
    """Four small functions, so that each order of them gives other numbers."""

    def norm(stretch):
        def normalise(rows):
            rows = rows - rows.mean(axis=-1, keepdims=True)
            return stretch * rows / np.sqrt((rows**2).mean(axis=-1, keepdims=True))

        return normalise

    def attend(rows):
        return np.tanh(mixing @ rows)

    def feed_forward(rows):
        return np.maximum(rows @ bending, 0)

    return answer(x, attend, feed_forward, norm(stretches[0]), norm(stretches[1]))


encoder_layer.hint(
    "Two lines, one for each half. Both do the same: compute a change, add it to what "
    "went in, normalise."
)
encoder_layer.hint(
    "Give the result of the first half a name. The second half sees only that, and no "
    "`x` any more."
)


@encoder_layer.style("in a loop")
def _(x, attend, feed_forward, norm_1, norm_2):
    for half, norm in [(attend, norm_1), (feed_forward, norm_2)]:
        x = norm(x + half(x))
    return x


@encoder_layer.style("step by step")
def _(x, attend, feed_forward, norm_1, norm_2):
    after_attention = norm_1(np.add(x, attend(x)))
    return norm_2(np.add(feed_forward(after_attention), after_attention))


@encoder_layer.style("a residual function")
def _(x, attend, feed_forward, norm_1, norm_2):
    def residual(function, rows):
        return rows + function(rows)

    return norm_2(residual(feed_forward, norm_1(residual(attend, x))))


@encoder_layer.misconception(
    "You normalised what goes into each half. That is pre-norm, as later models have "
    "it. BERT's layer was trained the other way round: add first, then normalise."
)
def pre_norm(x, attend, feed_forward, norm_1, norm_2):
    h = x + attend(norm_1(x))
    return h + feed_forward(norm_2(h))


@encoder_layer.misconception(
    "Both residual connections are missing: each half replaces the rows. It should "
    "only write a change, which is added to what went in."
)
def no_residuals(x, attend, feed_forward, norm_1, norm_2):
    return norm_2(feed_forward(norm_1(attend(x))))


@encoder_layer.misconception(
    "You normalised the change alone and then added it. LayerNorm comes after the "
    "sum, so that what leaves a half has spread 1."
)
def normalised_before_adding(x, attend, feed_forward, norm_1, norm_2):
    h = x + norm_1(attend(x))
    return h + norm_2(feed_forward(h))


@encoder_layer.misconception(
    "Your second residual reaches back to the start of the layer. Each half adds its "
    "change to what went into *it*."
)
def residual_from_the_start(x, attend, feed_forward, norm_1, norm_2):
    return norm_2(x + feed_forward(norm_1(x + attend(x))))


# --- 15.4 -----------------------------------------------------------------------------


@exercise(
    "15.4",
    "The pooler",
    difficulty=1,
    minutes=4,
    section=WHOLE,
    learned="One vector for each text, in [-1, 1], from its first token alone.",
)
def my_pooler(x, weight, bias):
    """From (batch, tokens, hidden) to (batch, hidden); `weight` is (out, in)."""
    return np.tanh(x[:, 0] @ weight.T + bias)


@my_pooler.inputs
def _(rng):
    for batch, tokens, hidden in [(3, 5, 7), (2, 3, 11)]:
        weight, bias = rng.normal(size=(2, hidden, hidden), scale=0.4)
        yield rng.normal(size=(batch, tokens, hidden)), weight, bias[0]


my_pooler.hint("The first token of each text is `x[:, 0]`: (batch, hidden).")
my_pooler.hint("One dense layer, as in lesson 12, and `np.tanh` around it.")


@my_pooler.style("einsum")
def _(x, weight, bias):
    return np.tanh(np.einsum("bi,oi->bo", x[:, 0, :], weight) + bias)


@my_pooler.style("text by text")
def _(x, weight, bias):
    return np.array([np.tanh(weight @ text[0] + bias) for text in x])


@my_pooler.style("all tokens, then the first")
def _(x, weight, bias):
    return np.tanh(np.add(np.matmul(x, weight.T), bias))[:, 0]


@my_pooler.misconception(
    "You took the mean over the tokens. Many sentence models pool so; BERT's own "
    "pooler looks at [CLS] alone."
)
def mean_over_tokens(x, weight, bias):
    return np.tanh(x.mean(axis=1) @ weight.T + bias)


@my_pooler.misconception("That is the last token, [SEP]. The pooler reads the first.")
def last_token(x, weight, bias):
    return np.tanh(x[:, -1] @ weight.T + bias)


@my_pooler.misconception(
    "The dense layer is right, but its numbers are not yet between -1 and 1: tanh is "
    "missing."
)
def no_tanh(x, weight, bias):
    return x[:, 0] @ weight.T + bias


@my_pooler.misconception(
    "`weight` is kept as (out, in), and you used it as it is. A square matrix raises "
    "no error: turn it over."
)
def weight_not_turned_over(x, weight, bias):
    return np.tanh(x[:, 0] @ weight + bias)


# --- 15.5 -----------------------------------------------------------------------------


@exercise(
    "15.5",
    "Fill up a batch",
    difficulty=2,
    minutes=6,
    section=BATCHES,
    learned="The mask is made from the lengths, so no token can be taken for padding.",
)
def pad_batch(token_lists, pad_id):
    """Two integer arrays (batch, longest): `input_ids`, filled up at the end with
    `pad_id`, and `attention_mask`: 1 for each token that came, 0 for each filled up.
    """
    shape = len(token_lists), max(len(tokens) for tokens in token_lists)
    input_ids = np.full(shape, pad_id)
    attention_mask = np.zeros(shape, dtype=int)
    for row, tokens in enumerate(token_lists):
        input_ids[row, : len(tokens)] = tokens
        attention_mask[row, : len(tokens)] = 1
    return input_ids, attention_mask


@pad_batch.inputs
def _(rng):
    yield _token_lists(rng, [7, 3, 5], pad_id=1), 1
    yield _token_lists(rng, [2, 11], pad_id=4), 4
    yield _token_lists(rng, rng.permutation([1, 2, 5, 13]).tolist(), pad_id=9), 9


def _token_lists(rng, lengths, pad_id):
    """Lists of tokens; the longest holds the number of the padding as a token."""
    lists = [(20 + rng.integers(0, 900, size=n)).tolist() for n in lengths]
    max(lists, key=len)[1] = pad_id
    return lists


pad_batch.hint("How wide must the arrays be? `max` over the lengths says it.")
pad_batch.hint(
    "Start with an array full of `pad_id` and one full of 0. Then write each list over "
    "the beginning of its row."
)


@pad_batch.style("lists made longer")
def _(token_lists, pad_id):
    longest = max(map(len, token_lists))
    gaps = [longest - len(tokens) for tokens in token_lists]
    rows = zip(token_lists, gaps, strict=True)
    input_ids = [list(tokens) + [pad_id] * gap for tokens, gap in rows]
    mask = [[1] * (longest - gap) + [0] * gap for gap in gaps]
    return np.array(input_ids), np.array(mask)


@pad_batch.style("mask first")
def _(token_lists, pad_id):
    lengths = np.array([len(tokens) for tokens in token_lists])
    real = np.arange(lengths.max()) < lengths[:, None]
    input_ids = np.where(real, 0, pad_id)
    input_ids[real] = np.concatenate(token_lists)
    return input_ids, real.astype(int)


@pad_batch.style("column by column")
def _(token_lists, pad_id):
    ones = [[1] * len(tokens) for tokens in token_lists]
    input_ids = np.array([*zip_longest(*token_lists, fillvalue=pad_id)]).T
    return input_ids, np.array([*zip_longest(*ones, fillvalue=0)]).T


def _padded(token_lists, pad_id):
    both = (token_lists, pad_id), ([[1] * len(tokens) for tokens in token_lists], 0)
    return [np.array([*zip_longest(*rows, fillvalue=fill)]).T for rows, fill in both]


@pad_batch.misconception(
    "Your mask is turned round: 1 stands for a real token, as tokenizers have it."
)
def mask_turned_round(token_lists, pad_id):
    input_ids, mask = _padded(token_lists, pad_id)
    return input_ids, 1 - mask


@pad_batch.misconception(
    "You filled up at the beginning. BERT learned with [CLS] at position 0, so the "
    "padding stands at the end."
)
def filled_up_on_the_left(token_lists, pad_id):
    input_ids, mask = _padded([tokens[::-1] for tokens in token_lists], pad_id)
    return input_ids[:, ::-1], mask[:, ::-1]


@pad_batch.misconception(
    "You filled up with 0. It is the number of [PAD] in this model; here `pad_id` says "
    "which number is wanted."
)
def filled_up_with_zero(token_lists, pad_id):
    return tuple(_padded(token_lists, 0))


@pad_batch.misconception(
    "You recognised padding by its number. A text may hold that number as a token, and "
    "then a real token is hidden: go by the lengths."
)
def padding_known_by_its_number(token_lists, pad_id):
    input_ids, _ = _padded(token_lists, pad_id)
    return input_ids, (input_ids != pad_id).astype(int)


# --- 15.6 -----------------------------------------------------------------------------


@exercise(
    "15.6",
    "Mend the LayerNorm",
    difficulty=2,
    minutes=6,
    section=BUGS,
    banned=["course_lib.attention.layer_norm", "torch.nn.functional.layer_norm"],
    learned="Now its numbers are those of the paper, at any width.",
)
def mended_layer_norm(x, weight, bias, eps):
    """Each row to mean 0 and spread 1, then stretched and shifted; as the paper has it.

    `x` has any number of axes; rows lie along the last one.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return weight * centred / np.sqrt(variance + eps) + bias


@mended_layer_norm.inputs
def _(rng):
    for shape in [(5, 7), (2, 5, 3)]:
        weight, bias = rng.normal(size=(2, shape[-1]))
        # An eps as large as this shows where it was added.
        yield rng.normal(size=shape), weight, bias, float(rng.uniform(0.2, 0.6))


mended_layer_norm.hint(
    "The formula of lesson 13, section 7: what does the sum of squares get divided by, "
    "and what does the root stand over? There are two differences."
)
mended_layer_norm.hint("`x.var(axis=-1, keepdims=True)` divides by the features.")


@mended_layer_norm.style("np.var")
def _(x, weight, bias, eps):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / (variance + eps) ** 0.5 * weight + bias


@mended_layer_norm.style("mean of squares minus square of mean")
def _(x, weight, bias, eps):
    mean = x.mean(axis=-1)[..., None]
    variance = (x * x).mean(axis=-1)[..., None] - mean * mean
    return (x - mean) * (weight / np.sqrt(variance + eps)) + bias


@mended_layer_norm.style("row by row")
def _(x, weight, bias, eps):
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        row = x[place]
        deviation = math.sqrt(sum((row - row.mean()) ** 2) / len(row) + eps)
        result[place] = weight * (row - row.mean()) / deviation + bias
    return result


def _centred(x, axis=-1):
    return x - x.mean(axis=axis, keepdims=True)


@mended_layer_norm.misconception(
    "That is the function of section 8 as it was. Two things in it differ from the "
    "formula: what the squares are divided by, and where eps stands."
)
def as_it_was(x, weight, bias, eps):
    deviation = x.std(axis=-1, ddof=1, keepdims=True)
    return weight * _centred(x) / (deviation + eps) + bias


@mended_layer_norm.misconception(
    "eps stands in its place now. The squares are still divided by one less than the "
    "number of features."
)
def still_one_less(x, weight, bias, eps):
    variance = x.var(axis=-1, ddof=1, keepdims=True)
    return weight * _centred(x) / np.sqrt(variance + eps) + bias


@mended_layer_norm.misconception(
    "The division is right now. eps is still added to the deviation; in the formula it "
    "is added to the variance, under the root."
)
def eps_outside_the_root(x, weight, bias, eps):
    deviation = x.std(axis=-1, keepdims=True)
    return weight * _centred(x) / (deviation + eps) + bias


@mended_layer_norm.misconception(
    "You normalised all rows together. Each row has a mean and a spread of its own."
)
def all_rows_together(x, weight, bias, eps):
    return weight * (x - x.mean()) / np.sqrt(x.var() + eps) + bias


# --- 15.7 -----------------------------------------------------------------------------


@exercise(
    "15.7",
    "The exact GELU",
    difficulty=2,
    minutes=5,
    section=BUGS,
    banned=["course_lib.attention.gelu", "torch.nn.functional.gelu"],
    learned="Exact now: no digit depends on a fitted constant.",
)
def exact_gelu(x):
    """x · Φ(x), where Φ(x) is the share of a standard normal distribution below x."""
    return x * ndtr(x)


@exact_gelu.inputs
def _(rng):
    yield rng.normal(size=(5, 7), scale=2)
    yield rng.normal(size=(3, 2, 11))


exact_gelu.hint("`ndtr` of SciPy is Φ, for a whole array at once.")
exact_gelu.hint("With `erf` instead: Φ(x) = (1 + erf(x/√2)) / 2.")


@exact_gelu.style("erf")
def _(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


@exact_gelu.style("erfc")
def _(x):
    return 0.5 * x * erfc(-x * math.sqrt(0.5))


@exact_gelu.style("number by number")
def _(x):
    def bend(number):
        return number * (1 + math.erf(number / math.sqrt(2))) / 2

    return np.array([bend(number) for number in x.ravel()]).reshape(x.shape)


@exact_gelu.misconception(
    "That is the function of section 8 as it was. Its tanh only comes near Φ: up to "
    "5e-4 is missing."
)
def with_tanh(x):
    inside = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inside))


@exact_gelu.misconception(
    "That is x · sigmoid(1.702 x), the quick approximation of the same paper. It is "
    "further off than the one with tanh."
)
def with_a_sigmoid(x):
    return x / (1 + np.exp(-1.702 * x))


@exact_gelu.misconception(
    "You returned Φ(x) alone: a share between 0 and 1. Multiply x by it."
)
def share_alone(x):
    return ndtr(x)


@exact_gelu.misconception(
    "Your erf gets x itself. It is made for a narrower bell: divide x by √2 first."
)
def root_of_two_missing(x):
    return x * (1 + erf(x)) / 2


@exact_gelu.misconception(
    "That is ReLU, of the first transformer: it cuts all negative numbers off. GELU "
    "lets a little of them through."
)
def relu_instead(x):
    return np.maximum(x, 0)


# --- 15.8 -----------------------------------------------------------------------------


@exercise(
    "15.8",
    "Mend the gluing",
    difficulty=2,
    minutes=5,
    section=BUGS,
    banned=["course_lib.attention.merge_heads"],
    learned="Each token has all its heads again, in every text of the batch.",
)
def mended_merge_heads(x):
    """From (batch, heads, tokens, size) to (batch, tokens, heads · size)."""
    batch, heads, tokens, size = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, tokens, heads * size)


@mended_merge_heads.inputs
def _(rng):
    yield rng.normal(size=(2, 3, 5, 7))
    yield rng.normal(size=(3, 2, 11, 5))


mended_merge_heads.hint(
    "In memory, the numbers of one head lie together. What must lie together in a row "
    "of the result?"
)
mended_merge_heads.hint(
    "The axes are numbered 0 batch, 1 heads, 2 tokens, 3 size. `reshape` joins "
    "neighbouring axes only."
)


@mended_merge_heads.style("swapaxes")
def _(x):
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


@mended_merge_heads.style("concatenate")
def _(x):
    heads = [x[:, head] for head in range(x.shape[1])]
    return np.concatenate(heads, axis=-1)


@mended_merge_heads.style("text by text")
def _(x):
    return np.stack([np.hstack(tuple(text)) for text in x])


@mended_merge_heads.misconception(
    "That is the function of section 8 as it was: the shape is right, and each row "
    "holds several tokens of one head."
)
def still_not_transposed(x):
    return x.reshape(x.shape[0], x.shape[2], -1)


@mended_merge_heads.misconception(
    "You turned tokens and size over, which are the last two axes. The heads must come "
    "to stand beside the size."
)
def wrong_axes_swapped(x):
    return x.swapaxes(2, 3).reshape(x.shape[0], x.shape[2], -1)


@mended_merge_heads.misconception(
    "You glued the texts of the batch together. Axis 0 is the batch now; the heads are "
    "axis 1."
)
def batch_glued(x):
    return np.concatenate(list(x), axis=-1)
