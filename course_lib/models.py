"""Pre-trained models, ready to use: the embedded MiniLM, a folder, or a hub's model.

The embedded model needs no network. A folder is read as safetensors only, because a
pickle is a program. A model from the hub is optional: whoever has no network gets one
clear sentence within ten seconds, and the lesson goes on.

Taught in: lessons 15 and 21.
"""

import contextlib
import json
import os
import re
import threading
import warnings
from pathlib import Path

from course_lib.weights import check_safetensors, minilm_folder

_HUB_PATIENCE = 8  # seconds for the hub's first answer
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_OTHER_WEIGHTS = {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".npy", ".npz", ".h5"}

# Without this, transformers asks a service on the hub to convert a pickle whenever it
# finds no safetensors, even when told to use local files only.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

# torch and transformers take 200 MB and seconds, so functions load them when called.


class HubUnavailable(RuntimeError):
    """An optional model is neither on this computer nor to be had from the hub."""


def load_tokenizer(name="minilm"):
    """Return a ready-made tokenizer.

    Parameters
    ----------
    name : str or os.PathLike, default "minilm"
        ``"minilm"`` for the embedded one, a folder, or a hub name such as
        ``"bert-base-uncased"``.

    Returns
    -------
    transformers.PreTrainedTokenizerBase
        Called with a text, it gives ``input_ids`` and ``attention_mask``. It neither
        cuts nor pads unless told to (``truncation=True``, ``padding=True``).

    Raises
    ------
    FileNotFoundError
        If the folder, or the tokenizer's files in it, don't exist.
    HubUnavailable
        If a hub name is not on this computer and the hub can't be reached.

    Notes
    -----
    The embedded one is WordPiece with BERT's lower-cased vocabulary, 30,522 pieces, at
    most 512 of them per input (Devlin et al. 2019, section 3). Deviation: its published
    file pads to 128 pieces; that is switched off here.
    Taught in: lesson 21.

    Examples
    --------
    >>> load_tokenizer().tokenize("A heartbreaking film!")
    ['a', 'heartbreak', '##ing', 'film', '!']
    """
    tokenizer = _load("load_tokenizer", name, _tokenizer)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    if name == "minilm":
        tokenizer.name_or_path = name  # or this computer's path gets into saved files
    return tokenizer


def load_encoder(name="minilm"):
    """Return a pre-trained encoder in evaluation mode, which shows its attention.

    Parameters
    ----------
    name : str or os.PathLike, default "minilm"
        ``"minilm"`` for the embedded one, a folder with ``config.json`` and
        ``model.safetensors``, or a hub name such as ``"bert-base-uncased"``.

    Returns
    -------
    transformers.PreTrainedModel
        float32, on the CPU, dropout off, with "eager" attention: only that returns
        attention weights, ``output_attentions=True`` → one tensor for each layer,
        ``(batch, heads, query, key)``, rows that sum to 1.

    Raises
    ------
    FileNotFoundError
        If the folder or a file in it is missing, or the embedded model's package is.
    ValueError
        If the weights are a pickle, truncated, or not safetensors at all.
    RuntimeError
        If the weights and the configuration don't fit: all missing, unexpected and
        wrongly shaped tensors are listed. Or if an embedded file was altered.
    HubUnavailable
        If a hub name is not on this computer and the hub can't be reached.

    Notes
    -----
    Loading draws no random numbers and never runs code that came with a model. A model
    from the hub may bring a head that an encoder has no use for; it is dropped.
    Taught in: lesson 15.

    Examples
    --------
    >>> encoder = load_encoder()
    >>> encoder.config.num_hidden_layers, encoder.config.num_attention_heads
    (6, 12)
    """
    from transformers import AutoModel

    return _load_model("load_encoder", name, AutoModel)


def _load_model(caller, name, model_class):
    """Load weights into `model_class`; every tensor of a local folder must fit."""
    import torch

    model, report = _load(
        caller,
        name,
        model_class.from_pretrained,
        dtype=torch.float32,
        attn_implementation="eager",
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # reported together with the others, below
        output_loading_info=True,
    )
    _check_fit(caller, name, report)
    if name == "minilm":
        # Else this computer's path would get into whatever is saved from the model.
        model.name_or_path = model.config.name_or_path = name
    return model.eval()


def _tokenizer(name, **options):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    # Without the files, transformers makes one that knows five special tokens only.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise FileNotFoundError(
            f"load_tokenizer: `name` {str(name)!r} holds no vocabulary, wanted a "
            "folder with tokenizer.json or vocab.txt. Save one there with "
            "tokenizer.save_pretrained(folder)."
        )
    return tokenizer


def _load(caller, name, from_pretrained, **options):
    options["trust_remote_code"] = False
    is_model = "use_safetensors" in options
    folder = _folder(caller, name, is_model)
    if folder is not None:
        with _quiet():
            return from_pretrained(folder, local_files_only=True, **options)
    with contextlib.suppress(OSError, ValueError), _quiet():
        # The cache first: what was downloaded once needs no network again.
        return from_pretrained(name, local_files_only=True, **options)
    _ask_hub(caller, name, is_model)
    try:
        return from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        problem = str(error).partition("\n")[0]
        raise HubUnavailable(_optional(caller, name, problem)) from error


def _folder(caller, name, is_model):
    """Return the folder that `name` means, checked, or None if it is a hub name."""
    if not isinstance(name, str | os.PathLike):
        kind = type(name).__name__
        raise TypeError(f"{caller}: `name` is a {kind}, wanted a name or a folder")
    if name == "minilm":
        return minilm_folder()
    path = Path(name or "(an empty name)").expanduser()
    if path.is_file():
        if is_model:
            check_safetensors(path)
        raise ValueError(f"{caller}: `name` {path} is a file; give the folder it is in")
    if path.is_dir():
        if is_model:
            _check_folder(caller, path)
        return path
    if isinstance(name, str) and _HUB_NAME.fullmatch(name):
        return None
    raise FileNotFoundError(
        f"{caller}: `name` {str(name)!r} is no existing folder and no hub name; "
        "wanted 'minilm', a folder, or a name such as 'bert-base-uncased'"
    )


def _check_folder(caller, folder):
    """Refuse a folder whose weights aren't whole safetensors files, before loading."""
    safe = sorted(folder.glob("*.safetensors"))
    others = [path for path in folder.iterdir() if path.suffix in _OTHER_WEIGHTS]
    for path in safe or others:
        check_safetensors(path)
    for wanted in ["config.json", *(["model.safetensors"] if not safe else [])]:
        if not (folder / wanted).is_file():
            raise FileNotFoundError(
                f"{caller}: `name` {folder} has no {wanted}, wanted a folder "
                "written by model.save_pretrained(folder)"
            )
    for index in folder.glob("*.safetensors.index.json"):
        shards = set(
            json.loads(index.read_text("utf-8")).get("weight_map", {}).values()
        )
        if foreign := shards - {path.name for path in safe}:
            raise ValueError(
                f"{caller}: {index} names {', '.join(sorted(foreign))}, wanted only "
                f"safetensors files in {folder}"
            )


def _check_fit(caller, name, report):
    shapes = {
        f"{key} is {tuple(got)}, wanted {tuple(wanted)}"
        for key, got, wanted in report["mismatched_keys"]
    }
    missing, unexpected = report["missing_keys"], report["unexpected_keys"]
    is_from_hub = name != "minilm" and not Path(name).expanduser().is_dir()
    if shapes or (not is_from_hub and (missing or unexpected)):
        groups = {"missing": missing, "unexpected": unexpected, "wrong shape": shapes}
        listed = [f"{kind}: {_listed(keys)}" for kind, keys in groups.items()]
        raise RuntimeError(
            f"{caller}: the weights of `name` {str(name)!r} don't fit its config.json. "
            f"{'; '.join(listed)}. Save weights and config together, with "
            "save_pretrained, and load them with the kind of model that saved them."
        )
    if missing:
        warnings.warn(
            f"{caller}: {str(name)!r} has no weights for {_listed(missing)}; "
            "they are random until trained",
            stacklevel=4,
        )


def _listed(keys):
    return ", ".join(sorted(keys)) or "none"


def _ask_hub(caller, name, is_model):
    """Raise HubUnavailable, in time, unless the hub has what is wanted."""
    from transformers.utils import hub

    wanted = ["config.json"]
    if is_model:
        wanted = ["model.safetensors", "model.safetensors.index.json"]
    problems = []

    def ask():
        try:
            # No cache: it has been tried, and it would answer for a dead hub.
            found = any(hub.has_file(name, f, cache_dir=os.devnull) for f in wanted)
        except Exception as error:  # of a proxy, a certificate, a gate: all say no
            problems.append(str(error).partition("\n")[0])
        else:
            absent = f"the hub can't be reached or has no {wanted[0]} for it"
            problems.append("" if found else absent)

    # A thread, since looking up a name in a dead network may block for a minute.
    thread = threading.Thread(target=ask, daemon=True)
    with _quiet():
        thread.start()
        thread.join(_HUB_PATIENCE)
    silent = f"the hub gave no answer in {_HUB_PATIENCE} s"
    if problem := problems[0] if problems else silent:
        raise HubUnavailable(_optional(caller, name, problem))


def _optional(caller, name, problem):
    return (
        f"{caller}: `name` {name!r} is not on this computer, and {problem}. It is "
        "optional; the lesson goes on without it. With a network, call "
        f"{caller}({name!r}) again; {caller}('minilm') always works."
    )


@contextlib.contextmanager
def _quiet():
    """Keep progress bars and log lines away from work of a tenth of a second."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()
