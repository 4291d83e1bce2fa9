"""The exercises of lesson 14, from a stream of scores to streaming attention."""

import math
import tracemalloc
from functools import reduce

import numpy as np

from course_lib.exercises.exercise import exercise

ONLINE = "2 · A softmax that has not seen everything yet"
RIDE = "3 · The values ride along"
MERGE = "4 · Two parts, one result"
BLOCKS = "5 · Block by block"
MASKS = "6 · Rows that see nothing, blocks that nobody needs"

LEAST = 128 * 1024  # bytes; below this limit, Python's own objects count too much

# --- what the lesson defines under the same names -------------------------------------


def part(query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    largest = scores.max(axis=1, keepdims=True)
    powers = np.exp(scores - largest)
    return largest, powers.sum(axis=1, keepdims=True), powers @ value


def merged(first, second):
    largest = np.maximum(first[0], second[0])
    a, b = np.exp(first[0] - largest), np.exp(second[0] - largest)
    return largest, a * first[1] + b * second[1], a * first[2] + b * second[2]


def in_blocks(query, key, value, size):
    output, starts = [], range(0, len(key), size)
    for rows in np.split(query, range(size, len(query), size)):
        parts = (part(rows, key[s : s + size], value[s : s + size]) for s in starts)
        _, total, mixed = reduce(merged, parts)
        output.append(mixed / total)
    return np.concatenate(output)


def pair_steps(query, pairs):
    """Yield for each pair how old sums shrink, its power, and its value."""
    largest = -np.inf
    for key, value in pairs:
        score = query @ key / np.sqrt(len(query))
        new = max(largest, score)
        yield np.exp(largest - new), np.exp(score - new), value
        largest = new


def a_part(rng, queries, width):
    """What is known of some keys: columns for largest and total, rows for mixed."""
    largest = rng.normal(size=(queries, 1), scale=3)
    total = 1 + rng.exponential(size=(queries, 1), scale=2)
    return largest, total, rng.normal(size=(queries, width), scale=2)


def vectors(rng, queries, keys, width, value_width):
    """Queries, keys and values."""
    sizes = (queries, width), (keys, width), (keys, value_width)
    return tuple(rng.normal(size=size, scale=2) for size in sizes)


def within(limit, answer, *arguments):
    """Return what the answer gives; it must not hold more than `limit` bytes."""
    answer(*arguments)  # the first call loads what it needs
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        result = answer(*arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak - before > max(limit, LEAST):
        raise MemoryError("it holds more numbers at one time than its blocks need")
    return result


# --- 14.1 -----------------------------------------------------------------------------


@exercise(
    "14.1",
    "The largest, and the sum of powers",
    difficulty=2,
    minutes=8,
    section=ONLINE,
    learned="This is the loop of algorithm 3 in Milakov & Gimelshein 2018.",
)
def online_max_and_sum(scores):
    """The largest score m, and the sum of all e^(score − m), in one pass."""
    largest, total = -np.inf, 0.0
    for score in scores:
        new = max(largest, score)
        total = total * np.exp(largest - new) + np.exp(score - new)
        largest = new
    return largest, total


@online_max_and_sum.use
def _(answer, scores):
    return answer(iter(scores))  # who asks a second time gets nothing


@online_max_and_sum.inputs
def _(rng):
    yield rng.normal(size=11, scale=3)
    yield rng.normal(size=7, scale=5) - 700
    yield rng.normal(size=13) + 900


online_max_and_sum.hint(
    "Before anything has come, the largest score is −∞ and the sum is 0."
)
online_max_and_sum.hint(
    "At each score: first the new largest, then the old sum times "
    "e^(old largest − new largest), then the new power."
)


@online_max_and_sum.style("only when there is a new largest")
def _(scores):
    largest, total = -np.inf, 0.0
    for score in scores:
        if score > largest:
            total *= np.exp(largest - score)
            largest = score
        total += np.exp(score - largest)
    return largest, total


@online_max_and_sum.style("from the first score on")
def _(scores):
    scores = iter(scores)
    largest, total = next(scores), 1.0
    for score in scores:
        if score <= largest:
            total = total + np.exp(score - largest)
        else:
            largest, total = score, total * np.exp(largest - score) + 1
    return largest, total


@online_max_and_sum.style("the logarithm of the sum")
def _(scores):
    largest, log_sum = -np.inf, -np.inf
    for score in scores:
        largest, log_sum = max(largest, score), np.logaddexp(log_sum, score)
    return largest, np.exp(log_sum - largest)


@online_max_and_sum.misconception(
    "The old powers still count from the old largest. When a larger score arrives, the "
    "sum that you have must shrink, once."
)
def never_rescaled(scores):
    largest, total = -np.inf, 0.0
    for score in scores:
        largest = max(largest, score)
        total += np.exp(score - largest)
    return largest, total


@online_max_and_sum.misconception(
    "You rescaled the wrong way round: your old sum grows when a larger score comes. "
    "Counted from a higher point, old powers are smaller."
)
def rescaled_the_wrong_way(scores):
    largest, total = next(scores), 1.0
    for score in scores:
        new = max(largest, score)
        total = total * np.exp(new - largest) + np.exp(score - new)
        largest = new
    return largest, total


@online_max_and_sum.misconception(
    "You began with 0 as the largest score. If all scores are below 0, none of them "
    "ever replaces it. What is below every score?"
)
def began_at_zero(scores):
    largest, total = 0.0, 0.0
    for score in scores:
        new = max(largest, score)
        total = total * np.exp(largest - new) + np.exp(score - new)
        largest = new
    return largest, total


@online_max_and_sum.misconception(
    "You added only the scores that set a record. The smaller ones have their power "
    "too, and belong to the sum."
)
def only_records_added(scores):
    largest, total = -np.inf, 0.0
    for score in scores:
        if score > largest:
            total, largest = total * np.exp(largest - score) + 1, score
    return largest, total


@online_max_and_sum.misconception(
    "You went through the scores twice. It is a stream: once read, a score is gone, "
    "and the second time there is nothing left to add."
)
def read_twice(scores):
    largest = max(scores)
    return largest, sum(np.exp(score - largest) for score in scores)


# --- 14.2 -----------------------------------------------------------------------------


@exercise(
    "14.2",
    "One query, pair by pair",
    difficulty=2,
    minutes=8,
    section=RIDE,
    learned="Three things to carry, and one division when all has been read.",
)
def attend_to_stream(query, pairs):
    """The output of one query; its pairs (key, value) come one by one, each once."""
    largest, total, mixed = -np.inf, 0.0, 0.0
    for key, value in pairs:
        score = query @ key / np.sqrt(len(query))
        new = max(largest, score)
        shrink, power = np.exp(largest - new), np.exp(score - new)
        total = total * shrink + power
        mixed = mixed * shrink + power * value
        largest = new
    return mixed / total


@attend_to_stream.use
def _(answer, query, pairs):
    return answer(query, iter(pairs))


@attend_to_stream.inputs
def _(rng):
    for sizes in ((7, 5, 3), (11, 2, 13)):
        query, keys, values = vectors(rng, 1, *sizes)
        yield query[0], list(zip(keys, values, strict=True))


attend_to_stream.hint(
    "Carry a third thing beside the two of exercise 14.1: the sum of power · value."
)
attend_to_stream.hint(
    "Whatever was added up with old powers shrinks by the same factor. Divide once, "
    "after the loop."
)


@attend_to_stream.style("the sum as one more column")
def _(query, pairs):
    largest, carried = -np.inf, 0.0
    for key, value in pairs:
        score = np.dot(query, key) / len(query) ** 0.5
        new = max(largest, score)
        carried = carried * np.exp(largest - new)
        carried = carried + np.exp(score - new) * np.append(value, 1)
        largest = new
    return carried[:-1] / carried[-1]


@attend_to_stream.style("a new largest apart")
def _(query, pairs):
    query = query / np.sqrt(query.size)
    largest, total, mixed = -np.inf, 0.0, 0.0
    for key, value in pairs:
        score = (query * key).sum()
        if score > largest:
            shrink = np.exp(largest - score)
            total, mixed, largest = total * shrink, mixed * shrink, score
        total = total + np.exp(score - largest)
        mixed = mixed + np.exp(score - largest) * value
    return mixed / total


@attend_to_stream.style("a mean that is kept up to date")
def _(query, pairs):
    log_sum, output = -np.inf, 0.0
    for key, value in pairs:
        score = query @ key / np.sqrt(query.shape[0])
        log_sum = np.logaddexp(log_sum, score)
        output = output + np.exp(score - log_sum) * (value - output)
    return output


@attend_to_stream.misconception(
    "Your sum of powers is rescaled, but your mixture is not. Its old values were "
    "weighted with the same old powers, so they must shrink too."
)
def mixture_not_rescaled(query, pairs):
    total = mixed = 0.0
    for shrink, power, value in pair_steps(query, pairs):
        total, mixed = total * shrink + power, mixed + power * value
    return mixed / total


@attend_to_stream.misconception(
    "Nothing is rescaled when a larger score arrives, so early pairs weigh too much."
)
def nothing_rescaled(query, pairs):
    total = mixed = 0.0
    for _, power, value in pair_steps(query, pairs):
        total, mixed = total + power, mixed + power * value
    return mixed / total


@attend_to_stream.misconception(
    "This is the weighted sum, not yet the mean: the division by the sum of powers is "
    "missing at the end."
)
def not_divided(query, pairs):
    mixed = 0.0
    for shrink, power, value in pair_steps(query, pairs):
        mixed = mixed * shrink + power * value
    return mixed


@attend_to_stream.misconception(
    "You divided at every step, by a sum that was not complete yet, and went on adding "
    "to the result. Divide once, when everything has been read."
)
def divided_at_every_step(query, pairs):
    total = mixed = 0.0
    for shrink, power, value in pair_steps(query, pairs):
        total = total * shrink + power
        mixed = (mixed * shrink + power * value) / total
    return mixed


@attend_to_stream.misconception(
    "The square root is missing: a score is q·k / √d_k, here as in lesson 11."
)
def without_the_root(query, pairs):
    total = mixed = 0.0
    for shrink, power, value in pair_steps(query * np.sqrt(len(query)), pairs):
        total, mixed = total * shrink + power, mixed * shrink + power * value
    return mixed / total


# --- 14.3 -----------------------------------------------------------------------------


@exercise(
    "14.3",
    "Merge two parts",
    difficulty=2,
    minutes=8,
    section=MERGE,
    learned="For largest and total, this is the operator ⊕ of Milakov & Gimelshein "
    "2018, section 3.1.",
)
def merge(first, second):
    """Two parts (largest, total, mixed) of the same queries made into one."""
    largest = np.maximum(first[0], second[0])
    total, mixed = 0.0, 0.0
    for its_largest, its_total, its_mixed in (first, second):
        shrink = np.exp(its_largest - largest)
        total = total + shrink * its_total
        mixed = mixed + shrink * its_mixed
    return largest, total, mixed


@merge.inputs
def _(rng):
    yield a_part(rng, 5, 3), a_part(rng, 5, 3)
    yield a_part(rng, 7, 11), a_part(rng, 7, 11)


merge.hint("First find each query's largest score over both parts: `np.maximum`.")
merge.hint(
    "Each part then shrinks by its own factor: e^(its largest − the common one)."
)


@merge.style("both written out")
def _(first, second):
    (m1, t1, o1), (m2, t2, o2) = first, second
    m = np.where(m1 > m2, m1, m2)
    a, b = np.exp(m1 - m), np.exp(m2 - m)
    return m, a * t1 + b * t2, a * o1 + b * o2


@merge.style("only the lower one shrinks")
def _(first, second):
    above = second[0] - first[0]
    a, b = np.exp(-above.clip(min=0)), np.exp(above.clip(max=0))
    total, mixed = (a * first[i] + b * second[i] for i in (1, 2))
    return first[0] + above.clip(min=0), total, mixed


@merge.style("stacked")
def _(first, second):
    largest = np.stack([first[0], second[0]])
    shrink = np.exp(largest - largest.max(axis=0))
    total = (shrink * np.stack([first[1], second[1]])).sum(axis=0)
    mixed = (shrink * np.stack([first[2], second[2]])).sum(axis=0)
    return largest.max(axis=0), total, mixed


@merge.misconception(
    "You added the sums as they are. Each counts from its own largest score; bring "
    "both to the common one first."
)
def only_added(first, second):
    m = np.maximum(first[0], second[0])
    return m, first[1] + second[1], first[2] + second[2]


@merge.misconception(
    "You took it for granted that the second part has the larger score. For some "
    "queries it is the first that has it."
)
def second_taken_for_larger(first, second):
    shrink = np.exp(first[0] - second[0])
    return second[0], first[1] * shrink + second[1], first[2] * shrink + second[2]


@merge.misconception(
    "The mixtures were added as they are. They hold the same powers as the totals, and "
    "shrink by the same factors."
)
def mixtures_only_added(first, second):
    m, total, _ = merged(first, second)
    return m, total, first[2] + second[2]


@merge.misconception(
    "You divided already. The result may be merged again, so keep the mixture as a "
    "sum; the division comes once, at the very end."
)
def divided_too_early(first, second):
    m, total, mixed = merged(first, second)
    return m, total, mixed / total


# --- 14.4 -----------------------------------------------------------------------------


@exercise(
    "14.4",
    "Attention, block by block",
    difficulty=3,
    minutes=15,
    section=BLOCKS,
    banned=[
        "course_lib.attention.scaled_dot_product_attention",
        "course_lib.attention.streaming_attention",
    ],
    learned="You hold size × size scores at one time, however long the text is.",
)
def attend_block_by_block(query, key, value, size):
    """Attention that never holds more than `size` × `size` scores at one time."""
    output = np.empty((len(query), value.shape[1]))
    for top in range(0, len(query), size):
        rows = slice(top, top + size)
        state = part(query[rows], key[:size], value[:size])
        for start in range(size, len(key), size):
            block = slice(start, start + size)
            state = merged(state, part(query[rows], key[block], value[block]))
        output[rows] = state[2] / state[1]
    return output


@attend_block_by_block.use
def _(answer, query, key, value, size):
    longer, output = max(len(query), len(key)), len(query) * value.shape[1]
    return within(
        8 * (longer * size * 3 / 4 + 2 * output), answer, query, key, value, size
    )


@attend_block_by_block.inputs
def _(rng):
    yield *vectors(rng, 997, 83, 3, 2), 64
    yield *vectors(rng, 97, 997, 3, 2), 64
    yield *vectors(rng, 7, 17, 2, 5), 4


attend_block_by_block.hint(
    "Two loops, over blocks of queries and, inside, over blocks of keys. `part` gives "
    "what one block says, and merging makes two of these one."
)
attend_block_by_block.hint(
    "`range(0, n, size)` gives where blocks start; a slice may reach beyond the end. "
    "When a block of queries has met all keys, divide: its rows are done."
)


@attend_block_by_block.style("both loops in full, filled in place")
def _(query, key, value, size):
    output = np.zeros((query.shape[0], value.shape[1]))
    for a in range(0, query.shape[0], size):
        q, o = query[a : a + size] / query.shape[1] ** 0.5, output[a : a + size]
        m, t = np.full(len(q), -np.inf), np.zeros(len(q))
        for b in range(0, key.shape[0], size):
            s = q @ key[b : b + size].T
            new = np.maximum(m, s.max(axis=1))
            p, shrink, m = np.exp(s - new[:, None]), np.exp(m - new), new
            t = t * shrink + p.sum(axis=1)
            o *= shrink[:, None]
            o += p @ value[b : b + size]
        o /= t[:, None]
    return output


@attend_block_by_block.style("first the largest, then the sums")
def _(query, key, value, size):
    output, starts = [], range(0, len(key), size)
    for rows in np.split(query, range(size, len(query), size)):
        parts = [part(rows, key[b : b + size], value[b : b + size]) for b in starts]
        largest = np.max([m for m, _, _ in parts], axis=0)
        total = sum(np.exp(m - largest) * t for m, t, _ in parts)
        output.append(sum(np.exp(m - largest) * o for m, _, o in parts) / total)
    return np.concatenate(output)


attend_block_by_block.style("merged with reduce")(in_blocks)


@attend_block_by_block.misconception(
    "The formula may be right, but you hold many more scores than one block has. Cut "
    "queries and keys, and use each block up before the next one is made."
)
def whole_rows_at_once(query, key, value, size):
    _, total, mixed = part(query, key, value)
    return mixed / total


@attend_block_by_block.misconception(
    "The keys at the end were left out. Their block is shorter than the others, but "
    "every query must see it."
)
def last_keys_dropped(query, key, value, size):
    count = len(key) // size * size
    return in_blocks(query, key[:count], value[:count], size)


@attend_block_by_block.misconception(
    "You cut the queries, but each block of them still holds the scores of all keys. "
    "Cut the keys as well: size × size scores at one time."
)
def keys_not_cut(query, key, value, size):
    blocks = np.split(query, range(size, len(query), size))
    parts = [part(rows, key, value) for rows in blocks]
    return np.concatenate([mixed / total for _, total, mixed in parts])


@attend_block_by_block.misconception(
    "You finished each block of keys on its own and took the mean. A block with better "
    "keys must weigh more than one with worse keys."
)
def mean_of_the_blocks(query, key, value, size):
    starts = range(0, len(key), size)
    blocks = [(key[s : s + size], value[s : s + size]) for s in starts]
    return np.mean([in_blocks(query, *block, size) for block in blocks], axis=0)


@attend_block_by_block.misconception(
    "Every block of keys overwrites the output of the one before, so only the last "
    "block is left in it. Merge them; write when all keys were read."
)
def only_the_last_block(query, key, value, size):
    last = (len(key) - 1) // size * size
    return in_blocks(query, key[last:], value[last:], size)


# --- 14.5 -----------------------------------------------------------------------------


@exercise(
    "14.5",
    "A step that survives −∞",
    difficulty=3,
    minutes=10,
    section=MASKS,
    learned="Whoever has seen nothing stays at −∞, 0 and 0, until there is something.",
)
def safe_step(largest, total, mixed, scores, value):
    """Take one block into (largest, total, mixed); hidden scores are −∞."""
    new = np.maximum(largest, scores.max(axis=1, keepdims=True))
    origin = np.where(np.isneginf(new), 0, new)
    shrink, powers = np.exp(largest - origin), np.exp(scores - origin)
    total = total * shrink + powers.sum(axis=1, keepdims=True)
    return new, total, mixed * shrink + powers @ value


def a_masked_step(rng, queries, keys, width):
    """Rows of four kinds: seen something before or not, seeing something now or not."""
    largest, total, mixed = a_part(rng, queries, width)
    scores = rng.normal(size=(queries, keys), scale=3) - 2
    scores[:, rng.integers(keys)] = -np.inf
    kind = rng.permutation(np.arange(queries) % 4)
    fresh = (kind < 2)[:, None]
    scores[kind % 2 == 0] = -np.inf
    state = np.where(fresh, -np.inf, largest), total * ~fresh, mixed * ~fresh
    return *state, scores, rng.normal(size=(keys, width))


@safe_step.inputs
def _(rng):
    yield a_masked_step(rng, 7, 5, 3)
    yield a_masked_step(rng, 11, 2, 13)


safe_step.hint("In which rows is the new largest still −∞? Only they are in danger.")
safe_step.hint(
    "Subtract another number in those rows alone, such as 0 (`np.where`). But hand on "
    "the true largest."
)


@safe_step.style("only the rows that see something")
def _(largest, total, mixed, scores, value):
    largest, total, mixed = largest.copy(), total.copy(), mixed.copy()
    sees = ~np.isneginf(scores).all(axis=1)
    new = np.maximum(largest[sees], scores[sees].max(axis=1, keepdims=True))
    shrink, powers = np.exp(largest[sees] - new), np.exp(scores[sees] - new)
    total[sees] = total[sees] * shrink + powers.sum(axis=1, keepdims=True)
    mixed[sees] = mixed[sees] * shrink + powers @ value
    largest[sees] = new
    return largest, total, mixed


@safe_step.style("NaN made 0 afterwards")
def _(largest, total, mixed, scores, value):
    new = np.maximum(largest, scores.max(axis=1)[:, None])
    with np.errstate(invalid="ignore"):
        shrink = np.nan_to_num(np.exp(largest - new))
        powers = np.nan_to_num(np.exp(scores - new))
    total = total * shrink + powers.sum(axis=1)[:, None]
    return new, total, mixed * shrink + powers @ value


@safe_step.style("score by score")
def _(largest, total, mixed, scores, value):
    rows = []
    for m, t, o, row in zip(largest, total, mixed, scores, strict=True):
        for j in np.flatnonzero(row > -np.inf):
            new = np.maximum(m, row[j])
            a, b = np.exp(m - new), np.exp(row[j] - new)
            m, t, o = new, a * t + b, a * o + b * value[j]
        rows.append((m, t, o))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def step_from(new, origin, total, mixed, largest, scores, value):
    """A step whose powers count from `origin`."""
    shrink, powers = np.exp(largest - origin), np.exp(scores - origin)
    total = total * shrink + powers.sum(axis=1, keepdims=True)
    return new, total, mixed * shrink + powers @ value


@safe_step.misconception(
    "Where a row has seen nothing yet, you subtract −∞ from −∞, and that is not a "
    "number. Give these rows something else to subtract."
)
def infinity_minus_infinity(largest, total, mixed, scores, value):
    new = np.maximum(largest, scores.max(axis=1, keepdims=True))
    return step_from(new, new, total, mixed, largest, scores, value)


@safe_step.misconception(
    "You handed on 0 as the largest score of a row that has seen nothing. If scores "
    "far below 0 follow, all its powers vanish. Its largest is still −∞."
)
def zero_handed_on(largest, total, mixed, scores, value):
    new = np.maximum(largest, scores.max(axis=1, keepdims=True))
    new = np.where(np.isneginf(new), 0, new)
    return step_from(new, new, total, mixed, largest, scores, value)


@safe_step.misconception(
    "You put a large negative number in the place of −∞. In a row that sees nothing it "
    "is the largest score then, and every hidden key gets the power e^0 = 1."
)
def large_number_for_infinity(largest, total, mixed, scores, value):
    scores = np.where(np.isneginf(scores), -1e9, scores)
    new = np.maximum(largest, scores.max(axis=1, keepdims=True))
    return step_from(new, new, total, mixed, largest, scores, value)


@safe_step.misconception(
    "You skipped the block as soon as one row sees nothing in it. The other rows lose "
    "their keys by that."
)
def skipped_for_all(largest, total, mixed, scores, value):
    return largest, total, mixed


@safe_step.misconception(
    "You cleared the rows that see nothing in this block. Some of them have seen keys "
    "in earlier blocks, and must keep what they have."
)
def earlier_blocks_forgotten(largest, total, mixed, scores, value):
    new = np.maximum(largest, scores.max(axis=1, keepdims=True))
    origin = np.where(np.isneginf(new), 0, new)
    _, total, mixed = step_from(new, origin, total, mixed, largest, scores, value)
    sees = ~np.isneginf(scores).all(axis=1, keepdims=True)
    return np.where(sees, new, -np.inf), total * sees, mixed * sees


# --- 14.6 -----------------------------------------------------------------------------


@exercise(
    "14.6",
    "Which blocks are needed?",
    difficulty=2,
    minutes=6,
    section=MASKS,
    learned="A block is needed as soon as its last query may see its first key.",
)
def blocks_needed(queries, keys, rows, columns):
    """True for each block of rows × columns scores with one that causality allows."""
    last_query = np.minimum(np.arange(0, queries, rows) + rows, queries) - 1
    return np.arange(0, keys, columns) <= last_query[:, None]


@blocks_needed.inputs
def _(rng):
    yield 23, 19, 5, 3
    yield 17, 29, 2, 7
    rows, columns = map(int, rng.choice([2, 3, 5, 7], size=2, replace=False))
    yield 11 * rows + 1, 13 * columns - 1, rows, columns


blocks_needed.hint(
    "Query i may see key j if j ≤ i. Which query of a block sees furthest, and which "
    "of its keys is the easiest to see?"
)
blocks_needed.hint("`np.arange(0, keys, columns)` holds the first key of each block.")


@blocks_needed.style("the mask, block by block")
def _(queries, keys, rows, columns):
    mask, down = np.tri(queries, keys, dtype=bool), range(0, queries, rows)
    across = range(0, keys, columns)
    return np.array(
        [[mask[a : a + rows, b : b + columns].any() for b in across] for a in down]
    )


@blocks_needed.style("with reduceat")
def _(queries, keys, rows, columns):
    mask = np.tri(queries, keys, dtype=bool)
    mask = np.logical_or.reduceat(mask, np.arange(0, queries, rows), axis=0)
    return np.logical_or.reduceat(mask, np.arange(0, keys, columns), axis=1)


@blocks_needed.style("rounded up")
def _(queries, keys, rows, columns):
    needed = np.zeros((-(-queries // rows), -(-keys // columns)), dtype=bool)
    for place, row in enumerate(needed):
        keys_seen = min((place + 1) * rows, queries)
        row[: -(-keys_seen // columns)] = True
    return needed


@blocks_needed.misconception(
    "You compared the numbers of the blocks. That works for square blocks; here a "
    "block has more rows than columns, or fewer. Compare positions in the text."
)
def block_numbers_compared(queries, keys, rows, columns):
    return np.tri(-(-queries // rows), -(-keys // columns), dtype=bool)


@blocks_needed.misconception(
    "You asked the first query of each block. The last one sees further, and one "
    "visible score is enough to need the block."
)
def first_query_asked(queries, keys, rows, columns):
    return np.arange(0, keys, columns) <= np.arange(0, queries, rows)[:, None]


@blocks_needed.misconception(
    "You kept only blocks that are visible from corner to corner. Those that the "
    "diagonal crosses are needed too, with a mask inside."
)
def only_whole_blocks(queries, keys, rows, columns):
    last_key = np.minimum(np.arange(0, keys, columns) + columns, keys) - 1
    return last_key <= np.arange(0, queries, rows)[:, None]


@blocks_needed.misconception(
    "You count one query too many in each block: the position at which the next block "
    "begins belongs to the next block."
)
def one_query_too_many(queries, keys, rows, columns):
    stop = np.arange(0, queries, rows) + rows
    return np.arange(0, keys, columns) <= stop[:, None]
