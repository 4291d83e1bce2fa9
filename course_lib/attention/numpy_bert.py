"""A whole pre-trained BERT encoder, from token numbers to hidden states."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from course_lib.attention.arguments import check_array
from course_lib.attention.bert_weights import (
    BertConfig,
    bert_folder,
    read_config,
    read_weights,
)
from course_lib.attention.functional import gelu, linear
from course_lib.attention.layer_norm import layer_norm
from course_lib.attention.masks import check_attention_mask
from course_lib.attention.multi_head import check_num_heads, merge_heads, split_heads
from course_lib.attention.scaled_dot_product import scaled_dot_product_attention

NAME = "NumpyBert"


class BertOutput(NamedTuple):
    """What one call computed; named and ordered as `transformers` has it.

    Attributes
    ----------
    last_hidden_state : ndarray (batch, tokens, hidden_size)
    pooler_output : ndarray (batch, hidden_size), or None if the model has no pooler
        In [-1, 1].
    hidden_states : tuple of ndarray (batch, tokens, hidden_size)
        The embeddings first, then one for each layer.
    attentions : tuple of ndarray (batch, heads, query, key)
        One for each layer, in [0, 1]; each row sums to 1.
    model, inputs
        The `NumpyBert`, and what it was given: `compare_layers` looks at them.
    """

    last_hidden_state: np.ndarray
    pooler_output: np.ndarray | None
    hidden_states: tuple
    attentions: tuple
    model: "NumpyBert"
    inputs: tuple


def add_embeddings(input_ids, token_type_ids, word, position, segment):
    """Add up what a token is, where it stands, and which sentence it belongs to.

    Parameters
    ----------
    input_ids, token_type_ids : ndarray of integers (batch, tokens)
    word, position, segment : ndarray (entries, hidden_size)
        The three learned tables.

    Returns
    -------
    ndarray (batch, tokens, hidden_size)

    Notes
    -----
    Devlin et al. 2019, "BERT" (arXiv:1810.04805), section 3, figure 2. Positions count
    from 0.

    Taught in: lesson 15.
    """
    count = input_ids.shape[-1]
    return word[input_ids] + position[:count] + segment[token_type_ids]


@dataclass(frozen=True)
class Pieces:
    """The functions that a BERT is made of. A learner may put in their own."""

    add_embeddings: Callable = add_embeddings
    layer_norm: Callable = layer_norm  # (x, weight, bias, eps)
    linear: Callable = linear  # (x, weight, bias)
    split_heads: Callable = split_heads  # (x, num_heads)
    attention: Callable = scaled_dot_product_attention  # (..., return_weights=True)
    merge_heads: Callable = merge_heads  # (x)
    residual: Callable = np.add  # (before, change)
    gelu: Callable = gelu  # (x)


@dataclass(frozen=True, eq=False)
class NumpyBert:
    """A BERT encoder with published weights, which computes the published numbers.

    Parameters
    ----------
    config : BertConfig
    weights : dict of ndarray
        By the names they have in the file.
    pieces : Pieces, optional
        The functions it is made of; see `with_pieces`.

    Notes
    -----
    Devlin et al. 2019, "BERT" (arXiv:1810.04805), section 3: the encoder of Vaswani et
    al. 2017, section 3.1, with learned positions and segments, GELU for ReLU, and a
    pooler. There is no dropout: it computes as `model.eval()` does.

    Taught in: lesson 15.

    Examples
    --------
    >>> bert = NumpyBert.from_pretrained("minilm")
    >>> output = bert(np.array([[101, 7592, 102]]))  # [CLS] hello [SEP]
    >>> output.last_hidden_state.shape, len(output.hidden_states)
    ((1, 3, 384), 7)
    """

    config: BertConfig
    weights: dict = field(repr=False)
    pieces: Pieces = Pieces()

    @classmethod
    def from_pretrained(cls, name="minilm"):
        """Read a published model, without copying its weights.

        Parameters
        ----------
        name : str or os.PathLike, default "minilm"
            ``"minilm"`` for the embedded one, or a folder with ``config.json`` and
            safetensors of a BERT.

        Returns
        -------
        NumpyBert
            Computes in float32. Its arrays are read-only and mapped: all processes
            that read the same file share its memory.

        Raises
        ------
        FileNotFoundError
            No such folder, or no config and weights in it.
        ValueError
            The model is no BERT; the file is no whole safetensors; the weights and the
            config do not fit.
        RuntimeError
            An embedded file was altered.
        """
        folder = bert_folder(name)
        config = read_config(folder)
        check_num_heads(NAME, config.num_attention_heads, config.hidden_size)
        return cls(config, read_weights(folder, config))

    def with_pieces(self, **pieces):
        """Return the same model with some of its functions replaced by yours.

        Parameters
        ----------
        **pieces : callable
            By the names in `Pieces`, such as ``gelu=my_gelu``.

        Returns
        -------
        NumpyBert
            It shares the weights.

        Raises
        ------
        TypeError
            There is no piece of that name, or it is no function.
        """
        known = Pieces.__dataclass_fields__
        for name, piece in pieces.items():
            if name in known and not callable(piece):
                raise TypeError(
                    f"{NAME}.with_pieces: `{name}` is {piece!r}, wanted a function"
                )
            if name not in known:
                raise TypeError(
                    f"{NAME}.with_pieces: there is no piece `{name}`, wanted one of "
                    f"{', '.join(known)}"
                )
        return replace(self, pieces=replace(self.pieces, **pieces))

    def __call__(self, input_ids, attention_mask=None, token_type_ids=None):
        """Compute the hidden states of a batch of texts.

        Parameters
        ----------
        input_ids : ndarray of integers (batch, tokens)
            At least 1 token, at most `config.max_position_embeddings`.
        attention_mask : ndarray (batch, tokens), optional
            1 for a token, 0 for padding; by default all are tokens.
        token_type_ids : ndarray of integers (batch, tokens), optional
            0 in the first sentence of a pair, 1 in the second; by default 0.

        Returns
        -------
        BertOutput

        Raises
        ------
        TypeError, ValueError
            No NumPy arrays of integers, shapes that differ, a token that is not in the
            vocabulary, too many tokens.

        Notes
        -----
        Padding is hidden as `transformers` does it, by adding the lowest finite number
        to its scores: a text of nothing but padding attends to all of it equally.
        """
        token_type_ids, mask = self._checked(input_ids, attention_mask, token_type_ids)
        hidden_states = [self.embeddings(input_ids, token_type_ids)]
        attentions = []
        for number in range(self.config.num_hidden_layers):
            hidden_state, weights = self.layer(number, hidden_states[-1], mask)
            hidden_states.append(hidden_state)
            attentions.append(weights)
        return BertOutput(
            hidden_states[-1],
            self.pooler(hidden_states[-1]),
            tuple(hidden_states),
            tuple(attentions),
            self,
            (input_ids, mask, token_type_ids),
        )

    def embeddings(self, input_ids, token_type_ids):
        """Return the vectors that enter layer 0: (batch, tokens, hidden_size)."""
        tables = [
            self.weights[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        ]
        x = self.pieces.add_embeddings(input_ids, token_type_ids, *tables)
        return self._norm("embeddings.LayerNorm", x)

    def layer(self, number, x, mask):
        """Return what layer `number` makes of x, and its attention weights."""
        name = f"encoder.layer.{number}"
        query, key, value = (
            self.pieces.split_heads(
                self._linear(f"{name}.attention.self.{part}", x),
                self.config.num_attention_heads,
            )
            for part in ("query", "key", "value")
        )
        mixed, weights = self.pieces.attention(
            query, key, value, mask, return_weights=True
        )
        merged = self.pieces.merge_heads(mixed)
        change = self._linear(f"{name}.attention.output.dense", merged)
        x = self._norm(
            f"{name}.attention.output.LayerNorm", self.pieces.residual(x, change)
        )

        inner = self.pieces.gelu(self._linear(f"{name}.intermediate.dense", x))
        change = self._linear(f"{name}.output.dense", inner)
        x = self._norm(f"{name}.output.LayerNorm", self.pieces.residual(x, change))
        return x, weights

    def pooler(self, x):
        """Return one vector for each text, from its first token, or None."""
        if "pooler.dense.weight" not in self.weights:
            return None
        return np.tanh(self._linear("pooler.dense", x[:, 0]))

    def _linear(self, name, x):
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        # A learner's piece may return float64: x / np.sqrt(2) does.
        return self.pieces.linear(np.asarray(x, np.float32), weight, bias)

    def _norm(self, name, x):
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        x = np.asarray(x, np.float32)
        return self.pieces.layer_norm(x, weight, bias, self.config.layer_norm_eps)

    def _checked(self, input_ids, attention_mask, token_type_ids):
        """Return the segments and the mask to add to the scores, or raise."""
        config = self.config
        check_ids("input_ids", input_ids, config.vocab_size, "vocab_size")
        if not 1 <= input_ids.shape[1] <= config.max_position_embeddings:
            raise ValueError(
                f"{NAME}: `input_ids` has {input_ids.shape[1]} tokens, wanted 1 to "
                f"{config.max_position_embeddings}, as many as the model has positions"
            )
        if token_type_ids is None:
            token_type_ids = np.zeros_like(input_ids)
        segments = config.type_vocab_size
        check_ids("token_type_ids", token_type_ids, segments, "type_vocab_size")
        same_shape("token_type_ids", token_type_ids, input_ids)
        if attention_mask is None:
            return token_type_ids, None
        check_attention_mask(NAME, attention_mask)
        same_shape("attention_mask", attention_mask, input_ids)
        is_padding = attention_mask[:, None, None, :] == 0
        lowest = np.finfo(np.float32).min
        return token_type_ids, np.where(is_padding, lowest, np.float32(0))


def check_ids(name, ids, count, what):
    """Raise unless these are integers (batch, tokens) from 0 to count - 1."""
    check_array(NAME, name, ids, dtype="np.int64")
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{NAME}: `{name}` has dtype {ids.dtype}, wanted integers")
    if ids.ndim != 2:
        raise ValueError(
            f"{NAME}: `{name}` has shape {ids.shape}, wanted (batch, tokens)"
        )
    if (wrong := ids[(ids < 0) | (ids >= count)]).size:
        raise ValueError(
            f"{NAME}: `{name}` holds {wrong[0]}, wanted 0 to {count - 1}, as {what} "
            f"is {count}"
        )


def same_shape(name, array, input_ids):
    """Raise unless the array has one entry for each token."""
    if array.shape != input_ids.shape:
        raise ValueError(
            f"{NAME}: `{name}` has shape {array.shape} but `input_ids` "
            f"{input_ids.shape}; wanted one entry for each token"
        )
