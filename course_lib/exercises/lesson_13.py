"""The exercises of lesson 13: the gradients that train a transformer, by hand."""

import numpy as np
from scipy.special import erf, ndtr

from course_lib.attention import softmax, softmax_backward
from course_lib.exercises.exercise import exercise

NUDGES = "1 · What if I nudge this number?"
LINEAR = "3 · The linear layer"
SOFTMAX = "4 · Softmax"
ATTENTION = "5 · Attention, walked backwards"
GELU = "6 · GELU"
LAYER_NORM = "7 · LayerNorm"

AUTOGRAD = ["torch.autograd.grad", "torch.autograd.backward"]


# --- 13.1 -----------------------------------------------------------------------------


@exercise(
    "13.1",
    "Slopes by nudging",
    difficulty=2,
    minutes=8,
    section=NUDGES,
    learned="It knows nothing about f, so it can judge every formula that follows.",
)
def numerical_gradient(f, x, step):
    """Central differences: the slope of the number f(x) for each entry of x."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[place] = step
        gradient[place] = (f(x + nudge) - f(x - nudge)) / (2 * step)
    return gradient


@numerical_gradient.inputs
def _(rng):
    yield rng.normal(size=(3, 5)), 0.1, rng.normal(size=(3, 5))
    yield rng.normal(size=7), float(rng.uniform(0.05, 0.2)), rng.normal(size=7)


@numerical_gradient.use
def _(answer, x, step, bend):
    def f(x):
        """A number whose slopes differ from entry to entry, and with each other."""
        return float((bend * x**3).sum() + x.sum() ** 2)

    return answer(f, x, step)


numerical_gradient.hint(
    "For one entry: call f a step above and a step below. How far apart are these two?"
)
numerical_gradient.hint(
    "`for place in np.ndindex(x.shape)` visits every entry, whatever the number of "
    "axes. Nudge a copy: `nudged = x.copy()`."
)


@numerical_gradient.style("flat, and back to the shape")
def _(f, x, step):
    nudges = step * np.eye(x.size).reshape(-1, *x.shape)
    rises = [f(x + nudge) - f(x - nudge) for nudge in nudges]
    return np.reshape(rises, x.shape) / (2 * step)


@numerical_gradient.style("one copy, every nudge undone")
def _(f, x, step):
    nudged, gradient = x.copy(), np.empty_like(x)
    for place in np.ndindex(*x.shape):
        kept = nudged[place]
        nudged[place] = kept + step
        above = f(nudged)
        nudged[place] = kept - step
        gradient[place] = (above - f(nudged)) / step / 2
        nudged[place] = kept
    return gradient


@numerical_gradient.style("mean of the slopes on both sides")
def _(f, x, step):
    def slope(place):
        nudge = step * (np.arange(x.size) == place).reshape(x.shape)
        ahead, behind = f(x + nudge) - f(x), f(x) - f(x - nudge)
        return (ahead / step + behind / step) / 2

    return np.array([slope(place) for place in range(x.size)]).reshape(x.shape)


def _nudges(x, step):
    return step * np.eye(x.size).reshape(-1, *x.shape)


@numerical_gradient.misconception(
    "You stepped to one side only. The bend of the curve spoils that slope; a step to "
    "each side lets it cancel."
)
def one_sided(f, x, step):
    rises = [f(x + nudge) - f(x) for nudge in _nudges(x, step)]
    return np.reshape(rises, x.shape) / step


@numerical_gradient.misconception(
    "Your two points lie on both sides of x. How far apart are they? That distance is "
    "the run of this slope."
)
def half_of_the_distance(f, x, step):
    rises = [f(x + nudge) - f(x - nudge) for nudge in _nudges(x, step)]
    return np.reshape(rises, x.shape) / step


@numerical_gradient.misconception(
    "The first slope is right and then they go astray: each entry stays nudged when "
    "you go on to the next. Put it back first."
)
def nudges_not_undone(f, x, step):
    nudged, gradient = x.copy(), np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudged[place] += step
        above = f(nudged)
        nudged[place] -= 2 * step
        gradient[place] = (above - f(nudged)) / (2 * step)
    return gradient


@numerical_gradient.misconception(
    "You nudged all entries together. That tells how f changes when everything moves; "
    "a gradient asks about one entry while the others stay."
)
def all_at_once(f, x, step):
    return (f(x + step) - f(x - step)) / (2 * step)


@numerical_gradient.misconception(
    "You nudged whole rows: where x has two axes, `x[i]` is a row. Visit every entry, "
    "as `np.ndindex(x.shape)` does."
)
def rows_at_once(f, x, step):
    gradient = np.zeros(x.shape)
    for i in range(len(x)):
        nudge = np.zeros(x.shape)
        nudge[i] = step
        gradient[i] = (f(x + nudge) - f(x - nudge)) / (2 * step)
    return gradient


@numerical_gradient.misconception(
    "Each slope is right, but they stand in one row. A gradient has the shape of what "
    "it belongs to."
)
def shape_lost(f, x, step):
    rises = [f(x + nudge) - f(x - nudge) for nudge in _nudges(x, step)]
    return np.array(rises) / (2 * step)


# --- 13.2 -----------------------------------------------------------------------------


@exercise(
    "13.2",
    "Back through a linear layer",
    difficulty=2,
    minutes=8,
    section=LINEAR,
    banned=["course_lib.attention.linear_backward", *AUTOGRAD],
    learned="Three lines, and most of a transformer's arithmetic is trained by them.",
)
def my_linear_backward(grad_output, x, weight):
    """Of Y = XWᵀ + b: return dX, dW and db, in this order, from grad_output = dY."""
    return grad_output @ weight, grad_output.T @ x, grad_output.sum(axis=0)


@my_linear_backward.inputs
def _(rng):
    yield tuple(rng.normal(size=size) for size in [(5, 3), (5, 7), (3, 7)])
    yield tuple(rng.normal(size=size) for size in [(2, 11), (2, 5), (11, 5)])


my_linear_backward.hint(
    "Write the shapes down: dY (n, out), X (n, in), W (out, in). Which products of "
    "two of them have the shape of the third?"
)
my_linear_backward.hint(
    "The formula of section 3 for dX adds over o. In a matrix product, the index that "
    "is added over is the last on the left and the first on the right."
)
my_linear_backward.hint("A bias is used by every row, so every row has a say in it.")


@my_linear_backward.style("einsum")
def _(grad_output, x, weight):
    grad_x = np.einsum("no,oi->ni", grad_output, weight)
    return (
        grad_x,
        np.einsum("no,ni->oi", grad_output, x),
        np.einsum("no->o", grad_output),
    )


@my_linear_backward.style("row by row")
def _(grad_output, x, weight):
    grad_x = np.array([weight.T @ row for row in grad_output])
    grad_weight = sum(np.outer(g, row) for g, row in zip(grad_output, x, strict=True))
    return grad_x, grad_weight, sum(grad_output)


@my_linear_backward.style("turned over at the end")
def _(grad_output, x, weight):
    ones = np.ones(len(x))
    return (weight.T @ grad_output.T).T, (x.T @ grad_output).T, ones @ grad_output


@my_linear_backward.misconception(
    "Your dW is turned over: it has the inputs as rows. W has one row for each output, "
    "and its gradient has the same shape."
)
def weight_turned_over(grad_output, x, weight):
    return grad_output @ weight, x.T @ grad_output, grad_output.sum(axis=0)


@my_linear_backward.misconception(
    "On the way forward W was turned over; you turned it over on the way back too. "
    "Going back, the outputs come first, and W has them as its rows already."
)
def turned_over_again(grad_output, x, weight):
    return grad_output @ weight.T, grad_output.T @ x, grad_output.sum(axis=0)


@my_linear_backward.misconception(
    "db holds one row for each token. There is one bias, which all tokens share: add "
    "over the paths."
)
def bias_of_every_token(grad_output, x, weight):
    return grad_output @ weight, grad_output.T @ x, grad_output


@my_linear_backward.misconception(
    "You averaged over the tokens. Each token that uses a weight or bias is a path to "
    "L, and paths add up."
)
def averaged_over_tokens(grad_output, x, weight):
    grad_weight = grad_output.T @ x / len(x)
    return grad_output @ weight, grad_weight, grad_output.mean(axis=0)


@my_linear_backward.misconception(
    "You added over the outputs: that is one number for each token. The bias has one "
    "number for each output."
)
def bias_along_the_wrong_axis(grad_output, x, weight):
    return grad_output @ weight, grad_output.T @ x, grad_output.sum(axis=1)


# --- 13.3 -----------------------------------------------------------------------------


@exercise(
    "13.3",
    "Back through softmax",
    difficulty=3,
    minutes=10,
    section=SOFTMAX,
    banned=["course_lib.attention.softmax_backward", *AUTOGRAD],
    learned="Scores whose dA lies above the row's weighted mean should grow.",
)
def my_softmax_backward(grad_output, weights):
    """Of A = softmax(S), row by row: return dS from grad_output = dA, weights = A."""
    mean = (grad_output * weights).sum(axis=-1, keepdims=True)
    return weights * (grad_output - mean)


@my_softmax_backward.inputs
def _(rng):
    yield rng.normal(size=(5, 7)), softmax(rng.normal(size=(5, 7)))
    yield rng.normal(size=(11, 3)), softmax(rng.normal(size=(11, 3), scale=2))


my_softmax_backward.hint(
    "Write the sum out for one score, $dS_0$: the first term has i = j, all others "
    "have not. $A_0$ stands in each of them."
)
my_softmax_backward.hint(
    "What remains when $A_j$ is taken out in front is $dA_j$ minus a sum that is the "
    "same for every j of the row."
)
my_softmax_backward.hint(
    "That sum multiplies two arrays entry by entry and adds along the last axis, with "
    "`keepdims=True`."
)


@my_softmax_backward.style("the table, row by row")
def _(grad_output, weights):
    tables = [np.diag(row) - np.outer(row, row) for row in weights]
    return np.array([t @ g for t, g in zip(tables, grad_output, strict=True)])


@my_softmax_backward.style("einsum")
def _(grad_output, weights):
    mean = np.einsum("qk,qk->q", grad_output, weights)
    return weights * grad_output - weights * mean[:, None]


@my_softmax_backward.style("multiplied first")
def _(grad_output, weights):
    product = grad_output * weights
    return product - weights * product.sum(axis=1)[:, None]


@my_softmax_backward.misconception(
    "You followed each score to its own share only, the case i = j. It moves all the "
    "other shares of the row too."
)
def own_share_only(grad_output, weights):
    return grad_output * weights * (1 - weights)


@my_softmax_backward.misconception(
    "You subtracted the plain mean of dA. Each entry counts as much as its share says: "
    "look again at what A_i does in the case i ≠ j."
)
def plain_mean(grad_output, weights):
    return weights * (grad_output - grad_output.mean(axis=-1, keepdims=True))


@my_softmax_backward.misconception(
    "Your sum runs over the queries. The shares of one row, over the keys, compete "
    "with each other."
)
def over_the_queries(grad_output, weights):
    mean = (grad_output * weights).sum(axis=0, keepdims=True)
    return weights * (grad_output - mean)


@my_softmax_backward.misconception(
    "The share in front is missing: both cases of the table hold the share of the "
    "score that was nudged."
)
def without_the_share(grad_output, weights):
    return grad_output - (grad_output * weights).sum(axis=-1, keepdims=True)


@my_softmax_backward.misconception(
    "NumPy lines the row sums up with the columns. Keep the summed axis, with "
    "keepdims=True, so that each sum stands beside its row."
)
def sums_without_their_axis(grad_output, weights):
    return weights * (grad_output - (grad_output * weights).sum(axis=-1))


# --- 13.4 -----------------------------------------------------------------------------


@exercise(
    "13.4",
    "The gradient of the values",
    difficulty=1,
    minutes=4,
    section=ATTENTION,
    banned=["course_lib.attention.scaled_dot_product_attention_backward", *AUTOGRAD],
    learned="A value hears from every query, as loudly as that query looked at it.",
)
def grad_of_value(grad_output, weights):
    """Of Z = AV: return dV, (keys, width), from grad_output = dZ and weights = A."""
    return weights.T @ grad_output


@grad_of_value.inputs
def _(rng):
    yield rng.normal(size=(5, 11)), softmax(rng.normal(size=(5, 7)))
    yield rng.normal(size=(7, 2)), softmax(rng.normal(size=(7, 3)))


grad_of_value.hint("Value j goes into every row of Z. The paths to L are the queries.")
grad_of_value.hint("The sum runs over the queries, the *first* axis of both arrays.")


@grad_of_value.style("einsum")
def _(grad_output, weights):
    return np.einsum("qk,qd->kd", weights, grad_output)


@grad_of_value.style("query by query")
def _(grad_output, weights):
    pairs = zip(weights, grad_output, strict=True)
    return sum(np.outer(shares, row) for shares, row in pairs)


@grad_of_value.style("key by key")
def _(grad_output, weights):
    columns = weights.T
    return np.array([(share[:, None] * grad_output).sum(axis=0) for share in columns])


@grad_of_value.misconception(
    "You used the weights as they stood on the way forward. There they mixed values "
    "for each query; now queries are collected for each value."
)
def as_on_the_way_forward(grad_output, weights):
    return weights @ grad_output


@grad_of_value.misconception(
    "You divided by the number of queries. Each query is a path to L, and paths add up."
)
def averaged_over_queries(grad_output, weights):
    return weights.T @ grad_output / len(weights)


@grad_of_value.misconception(
    "You made the columns of A add up to 1. Softmax did that to the rows; a value that "
    "many look at does have a larger say."
)
def columns_made_to_one(grad_output, weights):
    return (weights / weights.sum(axis=0)).T @ grad_output


@grad_of_value.misconception(
    "All values get the same here. How much each query took of each value is in "
    "`weights`."
)
def without_the_weights(grad_output, weights):
    return np.tile(grad_output.sum(axis=0), (weights.shape[1], 1))


# --- 13.5 -----------------------------------------------------------------------------


@exercise(
    "13.5",
    "The gradients of queries and keys",
    difficulty=3,
    minutes=10,
    section=ATTENTION,
    banned=["course_lib.attention.scaled_dot_product_attention_backward", *AUTOGRAD],
    learned="With 13.4, that is all of attention: what trains every head there is.",
)
def grad_of_query_and_key(grad_output, query, key, value):
    """Of softmax(QKᵀ/√d_k) V: return dQ and dK from grad_output = dZ."""
    root = np.sqrt(query.shape[-1])
    weights = softmax(query @ key.T / root)
    grad_scores = softmax_backward(grad_output @ value.T, weights)
    return grad_scores @ key / root, grad_scores.T @ query / root


@grad_of_query_and_key.inputs
def _(rng):
    sizes = (5, 11), (5, 3), (7, 3), (7, 11)
    yield tuple(rng.normal(size=size) for size in sizes)
    sizes = (13, 2), (13, 5), (3, 5), (3, 2)
    yield tuple(rng.normal(size=size) for size in sizes)


grad_of_query_and_key.hint(
    "Walk the table from the bottom up. You need A, so go forward once: scores, "
    "softmax."
)
grad_of_query_and_key.hint(
    "dA has the shape of A, (queries, keys). Which product of dZ and V has it? Then "
    "`softmax_backward(dA, A)` gives dS."
)
grad_of_query_and_key.hint(
    "S is a product, divided by the root. So dS goes to Q by way of K, to K by way of "
    "Q, and each is divided by the root once."
)


@grad_of_query_and_key.style("einsum")
def _(grad_output, query, key, value):
    scale = query.shape[1] ** -0.5
    weights = softmax(scale * np.einsum("qc,kc->qk", query, key))
    grad_weights = np.einsum("qd,kd->qk", grad_output, value)
    grad_scores = scale * softmax_backward(grad_weights, weights)
    grad_query = np.einsum("qk,kc->qc", grad_scores, key)
    return grad_query, np.einsum("qk,qc->kc", grad_scores, query)


@grad_of_query_and_key.style("by way of the output")
def _(grad_output, query, key, value):
    root = np.sqrt(key.shape[-1])
    weights = softmax(query @ key.T / root)
    output = weights @ value
    mean = (grad_output * output).sum(axis=-1, keepdims=True)  # rowsum(dA ∘ A) as well
    grad_scores = weights * (grad_output @ value.T - mean) / root
    return grad_scores @ key, grad_scores.T @ query


@grad_of_query_and_key.style("query by query")
def _(grad_output, query, key, value):
    root = np.sqrt(query.shape[1])
    grad_query, grad_key = np.zeros_like(query), np.zeros_like(key)
    for i, q in enumerate(query):
        shares = softmax(key @ q / root)
        grad_scores = softmax_backward(value @ grad_output[i], shares) / root
        grad_query[i] = grad_scores @ key
        grad_key += np.outer(grad_scores, q)
    return grad_query, grad_key


def _scores_and_their_gradient(grad_output, query, key, value):
    weights = softmax(query @ key.T / np.sqrt(query.shape[-1]))
    return weights, softmax_backward(grad_output @ value.T, weights)


@grad_of_query_and_key.misconception(
    "The root is missing on the way back. The scores were divided by it, so a nudge of "
    "a query reaches them weakened by the same factor."
)
def without_the_root(grad_output, query, key, value):
    _, grad_scores = _scores_and_their_gradient(grad_output, query, key, value)
    return grad_scores @ key, grad_scores.T @ query


@grad_of_query_and_key.misconception(
    "You divided by the root twice. It stands on the path once, between the product "
    "and the softmax."
)
def root_twice(grad_output, query, key, value):
    _, grad_scores = _scores_and_their_gradient(grad_output, query, key, value)
    width = query.shape[-1]
    return grad_scores @ key / width, grad_scores.T @ query / width


@grad_of_query_and_key.misconception(
    "Your weights are made without the root, so they are not those of the forward "
    "pass. Divide the scores before the softmax."
)
def weights_without_the_root(grad_output, query, key, value):
    weights = softmax(query @ key.T)
    grad_scores = softmax_backward(grad_output @ value.T, weights)
    grad_scores = grad_scores / np.sqrt(query.shape[-1])
    return grad_scores @ key, grad_scores.T @ query


@grad_of_query_and_key.misconception(
    "You went from dA straight to the product: the softmax step is missing between "
    "them."
)
def softmax_skipped(grad_output, query, key, value):
    grad_weights = grad_output @ value.T / np.sqrt(query.shape[-1])
    return grad_weights @ key, grad_weights.T @ query


@grad_of_query_and_key.misconception(
    "Going back through softmax, you added along the columns. It shared out each row, "
    "over the keys."
)
def softmax_over_queries(grad_output, query, key, value):
    root = np.sqrt(query.shape[-1])
    weights = softmax(query @ key.T / root)
    grad_scores = softmax_backward(grad_output @ value.T, weights, axis=0) / root
    return grad_scores @ key, grad_scores.T @ query


@grad_of_query_and_key.misconception(
    "dK collects from the queries, so dS has to be turned over for it: the keys must "
    "come first."
)
def not_turned_over(grad_output, query, key, value):
    _, grad_scores = _scores_and_their_gradient(grad_output, query, key, value)
    root = np.sqrt(query.shape[-1])
    return grad_scores @ key / root, grad_scores @ query / root


# --- 13.6 -----------------------------------------------------------------------------


@exercise(
    "13.6",
    "Back through GELU",
    difficulty=2,
    minutes=5,
    section=GELU,
    banned=["course_lib.attention.gelu_backward", *AUTOGRAD],
    learned="Two paths from x, so two terms.",
)
def my_gelu_backward(grad_output, x):
    """Return dx of y = x·Φ(x), entry by entry, from grad_output = dy."""
    bell = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    return grad_output * (ndtr(x) + x * bell)


@my_gelu_backward.inputs
def _(rng):
    yield rng.normal(size=(5, 7)), rng.normal(size=(5, 7), scale=2)
    yield rng.normal(size=11), rng.normal(size=11)


my_gelu_backward.hint(
    "x·Φ(x) is a product of two things that both move with x. Take one path at a time, "
    "while the other factor stays."
)
my_gelu_backward.hint("`ndtr(x)` is Φ(x). The slope of Φ is the bell curve φ.")


@my_gelu_backward.style("with erf")
def _(grad_output, x):
    below = (1 + erf(x / np.sqrt(2))) / 2
    return grad_output * below + grad_output * x * np.exp(-x * x / 2) / np.sqrt(
        2 * np.pi
    )


@my_gelu_backward.style("a bell of one's own")
def _(grad_output, x):
    def bell(z):
        return np.exp(-0.5 * z**2) * (2 * np.pi) ** -0.5

    slope = ndtr(x) + x * bell(x)
    return slope * grad_output


@my_gelu_backward.style("from the other side")
def _(grad_output, x):
    above = ndtr(-x)  # what is not below
    return grad_output * (1 - above + x / np.sqrt(2 * np.pi * np.exp(x**2)))


@my_gelu_backward.misconception(
    "You treated Φ(x) as if it stood still. x is in it too, and that is a second path."
)
def first_path_only(grad_output, x):
    return grad_output * ndtr(x)


@my_gelu_backward.misconception(
    "On the second path, the slope of Φ is multiplied by the factor that stands before "
    "it, and yours is missing."
)
def second_path_without_its_factor(grad_output, x):
    return grad_output * (ndtr(x) + np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


@my_gelu_backward.misconception(
    "The slope is right, but what arrives from above is missing: multiply along the "
    "path."
)
def without_what_comes(grad_output, x):
    return ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


@my_gelu_backward.misconception(
    "This is the slope of the approximation with tanh, which GPT-2 uses. BERT has the "
    "exact Φ; the two differ in the fourth digit."
)
def slope_of_the_approximation(grad_output, x):
    root, c = np.sqrt(2 / np.pi), 0.044715
    bent = np.tanh(root * (x + c * x**3))
    inner = root * (1 + 3 * c * x**2)
    return grad_output * (0.5 * (1 + bent) + 0.5 * x * (1 - bent**2) * inner)


# --- 13.7 -----------------------------------------------------------------------------


@exercise(
    "13.7",
    "Back through LayerNorm",
    difficulty=3,
    minutes=12,
    section=LAYER_NORM,
    banned=["course_lib.attention.layer_norm_backward", *AUTOGRAD],
    learned="No row of yours holds a mean, or a part along the normalised row.",
)
def my_layer_norm_backward(grad_output, x, weight, eps):
    """Of y = γ·n + β with n = (x − μ)/√(var + eps), row by row: return dx from dy."""
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    n = (x - x.mean(axis=-1, keepdims=True)) / deviation
    grad = grad_output * weight
    along = n * (grad * n).mean(axis=-1, keepdims=True)
    return (grad - grad.mean(axis=-1, keepdims=True) - along) / deviation


@my_layer_norm_backward.inputs
def _(rng):
    x = rng.normal(size=(5, 7), loc=2)
    yield rng.normal(size=(5, 7)), x, rng.normal(size=7), 0.1
    x = rng.normal(size=(3, 11), scale=3)
    eps = float(rng.uniform(0.5, 2))
    yield rng.normal(size=(3, 11)), x, rng.normal(size=11), eps


my_layer_norm_backward.hint(
    "Go forward once: mean, deviation and n of each row. Then go back through the "
    "stretch, to dn."
)
my_layer_norm_backward.hint(
    "The sums over j are the same for all entries of a row: "
    "`.mean(axis=-1, keepdims=True)` is that sum with its 1/m."
)


@my_layer_norm_backward.style("row by row, from a table")
def _(grad_output, x, weight, eps):
    rows, size = [], x.shape[1]
    for g, row in zip(grad_output * weight, x, strict=True):
        sigma = np.sqrt(np.var(row) + eps)
        n = (row - row.mean()) / sigma
        table = np.eye(size) - 1 / size - np.outer(n, n) / size
        rows.append(table @ g / sigma)
    return np.array(rows)


@my_layer_norm_backward.style("path by path")
def _(grad_output, x, weight, eps):
    size = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    sigma = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / size + eps)
    direct = grad_output * weight / sigma
    by_mean = -direct.sum(axis=-1, keepdims=True) / size
    by_sigma = -(direct * centred).sum(axis=-1, keepdims=True) * centred / sigma**2
    return direct + by_mean + by_sigma / size


@my_layer_norm_backward.style("einsum")
def _(grad_output, x, weight, eps):
    size = x.shape[1]
    centred = x - np.einsum("ni->n", x)[:, None] / size
    inverse = (np.einsum("ni,ni->n", centred, centred) / size + eps)[:, None] ** -0.5
    n, grad = centred * inverse, grad_output * weight
    dot = np.einsum("ni,ni->n", grad, n)[:, None] / size
    return inverse * (grad - grad.sum(axis=1)[:, None] / size - n * dot)


def _layer_norm_slopes(grad, x, deviation, *, mean=True, along=True):
    """The right formula, unless a term is left out or the deviation is another."""
    n = (x - x.mean(axis=-1, keepdims=True)) / deviation
    result = grad
    if mean:
        result = result - grad.mean(axis=-1, keepdims=True)
    if along:
        result = result - n * (grad * n).mean(axis=-1, keepdims=True)
    return result / deviation


def _deviation(x, eps):
    return np.sqrt(x.var(axis=-1, keepdims=True) + eps)


@my_layer_norm_backward.misconception(
    "You took mean and deviation for constants. Both are made from x, and each is a "
    "path of its own."
)
def direct_path_only(grad_output, x, weight, eps):
    return grad_output * weight / _deviation(x, eps)


@my_layer_norm_backward.misconception(
    "The path through the deviation is missing: a nudge of one entry also changes what "
    "the whole row is divided by."
)
def without_the_path_through_the_deviation(grad_output, x, weight, eps):
    grad = grad_output * weight
    return _layer_norm_slopes(grad, x, _deviation(x, eps), along=False)


@my_layer_norm_backward.misconception(
    "The path through the mean is missing, so your rows do not add up to 0."
)
def without_the_path_through_the_mean(grad_output, x, weight, eps):
    grad = grad_output * weight
    return _layer_norm_slopes(grad, x, _deviation(x, eps), mean=False)


@my_layer_norm_backward.misconception(
    "γ is missing. It is the last step on the way forward, so the first on the way "
    "back."
)
def without_the_stretch(grad_output, x, weight, eps):
    return _layer_norm_slopes(grad_output, x, _deviation(x, eps))


@my_layer_norm_backward.misconception(
    "You multiplied by γ at the end. It has to come first: the means over the row must "
    "be those of dy·γ."
)
def stretched_too_late(grad_output, x, weight, eps):
    return _layer_norm_slopes(grad_output, x, _deviation(x, eps)) * weight


@my_layer_norm_backward.misconception(
    "Your deviation divides by one less than the number of entries, as one does to "
    "estimate from a sample. LayerNorm describes the row itself: divide by its length."
)
def deviation_of_a_sample(grad_output, x, weight, eps):
    deviation = np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + eps)
    return _layer_norm_slopes(grad_output * weight, x, deviation)


@my_layer_norm_backward.misconception(
    "You added eps to the deviation. It belongs to the variance, below the root."
)
def eps_outside_the_root(grad_output, x, weight, eps):
    deviation = x.std(axis=-1, keepdims=True) + eps
    return _layer_norm_slopes(grad_output * weight, x, deviation)
