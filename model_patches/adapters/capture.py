"""Reading the hidden states of the prefill while ``generate`` runs, without keeping them.

Layers follow ``output_hidden_states`` of transformers: L + 1 entries, 0 = what enters the first decoder layer after the
audio features were merged in, L = after the final norm (which replaces the last layer's raw output). Each entry is
handed to a callback the moment it appears; decode steps are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

OnLayer = Callable[[int, torch.Tensor], None]


class CaptureMismatch(RuntimeError):
    """The model was not run as the adapter expects; the hidden states cannot be trusted."""


@dataclass(frozen=True)
class Decoder:
    """The parts of a language model that are read.

    Args:
        layers: its layers, in order.
        norm: its final norm.
        select: from what is read to ``(batch, positions, hidden size)``, for models whose layers hand on more.
    """

    layers: Sequence[nn.Module]
    norm: nn.Module
    select: Callable[[torch.Tensor], torch.Tensor] = lambda states: states

    @property
    def num_entries(self) -> int:
        """Number of hidden states, layers + 1."""
        return len(self.layers) + 1


def find_decoder(model: Any) -> Decoder:
    """Return the layers and the final norm of the language model inside a transformers model.

    Raises:
        CaptureMismatch: If there is no such place, or more than one.
    """
    start = model.get_decoder() if hasattr(model, "get_decoder") else model
    # Breadth first, so that the stack that `get_decoder` names wins over those inside it.
    open_modules = [start]
    while open_modules:
        found = [decoder for module in open_modules if (decoder := _as_decoder(module)) is not None]
        if len(found) == 1:
            return found[0]
        if found:
            break
        open_modules = [child for module in open_modules for child in module.children() if not _is_encoder(child)]
    raise CaptureMismatch(
        f"{type(model).__name__} has no stack of layers with one final norm behind get_decoder(), which is a "
        f"{type(start).__name__}: its hidden states cannot be read"
    )


_NORMS = ("norm", "norm_f", "final_layernorm", "final_layer_norm", "ln_f", "embedding_norm")


def _as_decoder(module: nn.Module) -> Decoder | None:
    """Return a module's layers and final norm, if it has both."""
    layers = getattr(module, "layers", None)
    norms = [getattr(module, name) for name in _NORMS if isinstance(getattr(module, name, None), nn.Module)]
    return Decoder(list(layers), norms[0]) if isinstance(layers, nn.ModuleList) and len(norms) == 1 else None


def _is_encoder(module: nn.Module) -> bool:
    """Tell whether a module reads audio or images; its layers are no part of the language model."""
    return any(word in type(module).__name__.lower() for word in ("audio", "vision", "encoder", "tower"))


@dataclass
class Prefill:
    """What a capture has seen: the shape of the prefill and how many of its entries."""

    shape: tuple[int, ...] = ()
    seen: list[int] = field(default_factory=list)

    def check(self, batch_size: int, length: int, num_entries: int) -> None:
        """Raise CaptureMismatch unless every entry came once, for prompts of this length."""
        whole = self.seen == list(range(num_entries))
        fits = len(self.shape) == 3 and self.shape[1] == length and self.shape[0] % batch_size == 0
        if not (whole and fits):
            raise CaptureMismatch(
                f"expected {num_entries} hidden states of shape ({batch_size} x beams, {length}, hidden size) in the "
                f"prefill, got entries {self.seen} of shape {self.shape}: is the prompt processed in chunks "
                "(generation config `prefill_chunk_size`), or does this model call its layers in another order?"
            )


@contextmanager
def capture_prefill(decoder: Decoder, on_layer: OnLayer) -> Iterator[Prefill]:
    """Call ``on_layer(entry, hidden_states)`` for each entry of the first pass through ``decoder``.

    The hooks only read. They are gone once the last entry is read, and when the context is left, also by an exception.

    Args:
        decoder: the layers and the final norm.
        on_layer: gets the entry's number, 0..L, and its states, shape ``(batch x beams, positions, hidden size)``.

    Yields:
        What was seen, for `Prefill.check` once generation is over.

    Example:
        >>> with capture_prefill(decoder, on_layer) as prefill:  # doctest: +SKIP
        ...     model.generate(**inputs)
    """
    prefill = Prefill()
    handles = ExitStack()

    def report(entry: int, states: torch.Tensor) -> None:
        states = decoder.select(states)
        prefill.seen.append(entry)
        prefill.shape = tuple(states.shape)
        if len(prefill.seen) == decoder.num_entries:
            handles.close()  # the decode steps, thousands of calls of a layer, go on without hooks
        on_layer(entry, states.detach())

    def before_first(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        report(0, kwargs["hidden_states"] if "hidden_states" in kwargs else args[0])

    def after(entry: int) -> Callable[..., None]:
        return lambda _module, _args, output: report(entry, states_in(output))

    with handles:
        first = decoder.layers[0].register_forward_pre_hook(before_first, with_kwargs=True)
        handles.callback(first.remove)
        # The last layer is not hooked: its raw output is replaced by the final norm's.
        for entry, module in enumerate([*decoder.layers[:-1], decoder.norm], start=1):
            handles.callback(module.register_forward_hook(after(entry)).remove)
        yield prefill


def states_in(output: Any) -> torch.Tensor:
    """Return the hidden states in what a layer returns."""
    return output[0] if isinstance(output, tuple) else output


@dataclass
class WordPooling:
    """Text run: the mean over each word's tokens, per layer.

    Args:
        tokens: for each row of the batch, for each word, the positions of its tokens.
    """

    tokens: Sequence[Sequence[Sequence[int]]]
    vectors: list[list[torch.Tensor]] = field(default_factory=list)
    """Layer by layer, row by row: ``(words, hidden size)``, float32."""

    def __post_init__(self) -> None:
        self._tables = [token_table(words) for words in self.tokens]

    def __call__(self, _entry: int, states: torch.Tensor) -> None:
        """Pool one layer's states."""
        beams = states.shape[0] // len(self.tokens)
        # Kept where this layer is; the next one is there too, unless the model is spread over several devices.
        self._tables = [(tokens.to(states.device), weights.to(states.device)) for tokens, weights in self._tables]
        with full_precision(states.device.type):
            rows = [pool_tokens(states[row * beams], *table) for row, table in enumerate(self._tables)]
        self.vectors.append(rows)


@dataclass
class LayerVectors:
    """Audio run: hands each layer's word vectors and vectors at the audio positions on, and lets them go at once.

    Args:
        positions: for each row of the batch, the positions of the audio in the prompt.
        vectors: the word vectors of the text run, as `WordPooling.vectors`.
        receivers: for each row, what gets a layer's number, its word vectors ``(words, hidden size)`` and the vectors
            at the audio positions ``(positions, hidden size)``, float32, on the device of the layer.
        readers: for each row, what gets a layer's number and its states at the audio positions as they are, and returns
            what the receiver gets too; none: nothing is read.
        check: look whether the audio features stand at the audio positions.
    """

    positions: Sequence[torch.Tensor]
    vectors: list[list[torch.Tensor]]
    receivers: Sequence[Callable[..., None]]
    readers: Sequence[Callable[[int, torch.Tensor], Any]] = ()
    check: bool = False

    def __call__(self, entry: int, states: torch.Tensor) -> None:
        """Compare one layer's states."""
        beams = states.shape[0] // len(self.positions)
        self.positions = [positions.to(states.device) for positions in self.positions]
        for row, (positions, receive) in enumerate(zip(self.positions, self.receivers, strict=True)):
            heard = states[row * beams].index_select(0, positions)
            frames = heard.float()
            if self.check and entry == 0 and len(frames) > 1 and not bool((frames != frames[:1]).any()):
                raise CaptureMismatch(
                    f"all {len(frames)} audio positions enter the first layer with the same vector: the model "
                    "embedded the placeholder and did not put the audio features in its place"
                )
            read = (self.readers[row](entry, heard),) if self.readers else ()
            with full_precision(states.device.type):
                receive(entry, self.vectors[entry][row].to(states.device), frames, *read)


def pool_words(states: torch.Tensor, words: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the mean hidden state of each word's tokens, in float32.

    Args:
        states: hidden states of one prompt, shape ``(positions, hidden size)``.
        words: the token positions of each word.

    Returns:
        Shape ``(words, hidden size)``.
    """
    tokens, weights = token_table(words)
    return pool_tokens(states, tokens.to(states.device), weights.to(states.device))


def token_table(words: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token positions of each word, padded, and the weight of each in its mean, ``(words, tokens)`` each."""
    longest = max(len(tokens) for tokens in words)
    padded = torch.tensor([[*tokens, *[tokens[0]] * (longest - len(tokens))] for tokens in words])
    weights = torch.tensor([[1 / len(tokens)] * len(tokens) + [0.0] * (longest - len(tokens)) for tokens in words])
    return padded, weights


def pool_tokens(states: torch.Tensor, tokens: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted means of hidden states, see `pool_words` and `token_table`."""
    return (states[tokens].float() * weights[..., None]).sum(dim=1)


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Compute in float32 proper, whatever autocast and TF32 settings the model runs under."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def verify_capture(decoder: Decoder, generate: Callable[..., Any]) -> None:
    """Compare what the hooks read in a prefill with the model's own ``output_hidden_states``.

    The model's last entry may also be the last layer's raw output: some end their list before the final norm, and
    any does whose configuration says ``tie_last_hidden_states=False``. What is read ends after it all the same.

    Args:
        decoder: the layers and the final norm that are hooked.
        generate: the model's ``generate``, with the inputs of one prompt.

    Raises:
        CaptureMismatch: If an entry differs in a single number.
    """
    captured: list[torch.Tensor] = []
    raw: list[torch.Tensor] = []
    last = decoder.layers[-1].register_forward_hook(lambda _module, _args, output: raw.append(states_in(output)))
    with capture_prefill(decoder, lambda _entry, states: captured.append(states)):
        try:
            output = generate(
                max_new_tokens=1, do_sample=False, num_beams=1, output_hidden_states=True, return_dict_in_generate=True
            )
        finally:
            last.remove()
    own = output.hidden_states[0] if output.hidden_states else ()
    if len(own) != len(captured):
        raise CaptureMismatch(f"the model returns {len(own)} hidden states, the hooks read {len(captured)}")
    for entry, (states, expected) in enumerate(zip(captured, map(decoder.select, own), strict=True)):
        ends = entry == len(own) - 1 and _equal(decoder.select(raw[0]), expected)
        if not (ends or _equal(states, expected)):
            raise CaptureMismatch(
                f"hidden states read in entry {entry} of {len(own)} are not those of output_hidden_states "
                f"(shapes {tuple(states.shape)} and {tuple(expected.shape)}): this model needs an adapter of its own"
            )


def _equal(states: torch.Tensor, expected: torch.Tensor) -> bool:
    return states.shape == expected.shape and bool(torch.equal(states, expected.to(states.device)))
