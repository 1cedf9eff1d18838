"""Alignment during training: a callback for `transformers.Trainer`, and its parts for other loops.

Every so many steps a few utterances are probed (`model_patches.probing`). The model, its mode, its gradients and all
random numbers are left as they were found, so that the training goes on as it would have without. What it takes: for
each utterance two prefills without gradients and, beside the model, the word vectors of one utterance and one layer's
slice; audio and word times of the utterances stay in the host's memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger
from transformers import TrainerCallback

from alas_metric.corpus.aggregate import layer_items, layer_values
from alas_metric.corpus.layers import best_layer_of, headline
from alas_metric.corpus.metrics import RANKING, ROWS
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import score_record
from alas_metric.errors import FatalError
from alas_metric.files import write_atomically
from model_patches.probing import Probe, Utterance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADLINES = tuple(row.key for row in ROWS if row.headline and row.curve)
PREFIX = "alas"


@dataclass
class History:
    """What was measured so far.

    Args:
        path: a JSON file that is written anew with each entry; None for none.
        entries: one for each time: ``step``, ``seconds`` that it took, ``documents`` that were scored, ``skipped`` by
            cause, and by metric ``values``, means over layers 1 to L, and ``layers``, the values of layers 0 to L.
    """

    path: Path | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)

    def resume(self, step: int) -> None:
        """Take up what the file holds of the steps up to this one; nothing at step 0."""
        if step and self.path is not None and self.path.is_file():
            found = json.loads(self.path.read_text(encoding="utf-8"))
            self.entries = [entry for entry in found if entry["step"] <= step]

    def add(self, entry: dict[str, Any]) -> None:
        """Add an entry and write the file."""
        self.entries.append(entry)
        if self.path is not None:
            write_atomically(self.path, json.dumps(self.entries, allow_nan=False).encode())


def measured(records: Iterable[AlignmentRecord], step: int, keys: Sequence[str] = HEADLINES) -> dict[str, Any]:
    """Return an entry of `History` from the records of one step.

    Args:
        records: of the utterances.
        step: of the training.
        keys: which metrics.

    Example:
        In a loop of one's own:

        >>> probe, history = Probe(utterances), History(Path("alas.json"))  # doctest: +SKIP
        >>> history.add(measured(probe(model, processor), step))  # doctest: +SKIP
        >>> log(scalars(history.entries[-1]))  # doctest: +SKIP
    """
    scores = [score_record(record) for record in records]
    items = layer_items(scores)
    layers = {key: layer_values(key, items) for key in keys}
    causes = [each.skipped for each in scores if each.skipped is not None]
    return {
        "step": step,
        "documents": len(items),
        "skipped": {cause: causes.count(cause) for cause in sorted(set(causes))},
        "values": {key: headline(values) for key, values in layers.items()},
        "layers": layers,
    }


def scalars(entry: Mapping[str, Any], each_layer: Sequence[str] = (RANKING,)) -> dict[str, float]:
    """Return an entry of `History` as loggers take it: names to numbers, what is undefined left out.

    Args:
        entry: see `measured`.
        each_layer: the metrics that are there layer by layer too.
    """
    found = {f"{PREFIX}/{key}": value for key, value in entry["values"].items()}
    best = best_layer_of(entry["layers"].get(RANKING, []))
    found[f"{PREFIX}/best_layer"] = None if best is None else float(best)
    for key in each_layer:
        values = entry["layers"][key]
        width = len(str(len(values) - 1))  # so that names are in order
        found |= {f"{PREFIX}/{key}/layer_{layer:0{width}}": value for layer, value in enumerate(values)}
    return {name: value for name, value in found.items() if value is not None}


class AlasCallback(TrainerCallback):
    """Probes a few utterances every so many steps of a `transformers.Trainer`, and logs by whatever it logs by.

    Args:
        trainer: the trainer, which has the model, its processor (``processing_class``) and the loggers.
        utterances: what is probed; a few dozen suffice. See `Probe` for their word times.
        every: after how many steps; it is done before the first step and after the last too.
        keys: the metrics that are measured.
        each_layer: those of them that are logged layer by layer too, as numbers; figures of them go to loggers that
            take figures (TensorBoard, Weights and Biases, trackio).
        history: the JSON file of all that was measured; default: ``alas_history.json`` in the trainer's output folder.
        processor: default: the trainer's.
        options: see `Probe`.

    The process of rank 0 probes, and the others wait for it at the next step; a model whose weights are spread over
    processes is refused.

    Example:
        >>> trainer = Trainer(model, arguments, train_dataset=..., processing_class=processor)  # doctest: +SKIP
        >>> trainer.add_callback(AlasCallback(trainer, utterances, every=100))  # doctest: +SKIP
        >>> trainer.train()  # doctest: +SKIP
    """

    def __init__(
        self,
        trainer: Any,
        utterances: Iterable[Utterance],
        *,
        every: int = 100,
        keys: Sequence[str] = HEADLINES,
        each_layer: Sequence[str] = (RANKING,),
        history: str | Path | None = None,
        processor: Any = None,
        **options: Any,
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected a number of steps from 1 up, got {every}")
        self.processor = trainer.processing_class if processor is None else processor
        if self.processor is None:
            raise ValueError("the model's processor is needed: Trainer(processing_class=...), or processor= here")
        self.trainer, self.every = trainer, every
        self.keys = tuple(dict.fromkeys([*keys, *each_layer]))
        self.each_layer = tuple(each_layer)
        self.probe = Probe(utterances, **options)
        path = Path(trainer.args.output_dir) / "alas_history.json" if history is None else Path(history)
        self.history = History(path)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Refuse what cannot be probed, and probe the model as it is before the first step."""
        refuse_sharded(self.trainer)
        self.history.resume(state.global_step)
        self._measure(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Probe the model if it is time, or this is the last step: when training has ended some loggers are closed."""
        if state.global_step % self.every == 0 or control.should_training_stop:
            self._measure(state, control)

    def _measure(self, state: Any, control: Any) -> None:
        entries = self.history.entries
        if not state.is_world_process_zero or (entries and entries[-1]["step"] == state.global_step):
            return
        begin = time.monotonic()
        entry = measured(self.probe(plain_model(self.trainer), self.processor), state.global_step, self.keys)
        self.history.add({**entry, "seconds": round(time.monotonic() - begin, 3)})
        self._log(control)

    def _log(self, control: Any) -> None:
        # The trainer's `log` takes a request to log the loss, made at this same step, for done.
        asked = control.should_log
        self.trainer.log(scalars(self.history.entries[-1], self.each_layer))
        control.should_log = asked
        for key in self.each_layer:
            try:
                self._log_figure(key)
            except Exception as error:  # a logger's trouble with a picture must not end a training
                logger.warning(f"ALAS: the figure of {key} could not be logged: {type(error).__name__}: {error}")

    def _log_figure(self, key: str) -> None:
        loggers = [each for each in self.trainer.callback_handler.callbacks if type(each).__name__ in _FIGURE_LOGGERS]
        if not loggers:
            return
        from alas_metric.figures.training import training_curves

        figure = training_curves(self.history.entries, key)
        for each in loggers:
            _FIGURE_LOGGERS[type(each).__name__](each, f"{PREFIX}/{key}", figure, self.history.entries[-1]["step"])


def refuse_sharded(trainer: Any) -> None:
    """Refuse a model whose weights are spread over processes.

    Raises:
        FatalError: With FSDP, DeepSpeed's stage 3 or tensor parallelism.
    """
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    found = {
        "FSDP": trainer.is_fsdp_enabled,
        "DeepSpeed's stage 3": plugin is not None and plugin.zero_stage == 3,
        "tensor parallelism": any(hasattr(each, "device_mesh") for each in trainer.model.parameters()),
    }
    if names := [name for name, is_so in found.items() if is_so]:
        raise FatalError(
            f"AlasCallback needs the whole model in one process, and {' and '.join(names)} spreads its weights over "
            "several: save checkpoints, and evaluate them with lmms-eval or model_patches.probe_all"
        )


def plain_model(trainer: Any) -> Any:
    """Return the model of transformers inside what a trainer wraps around it; adapters of peft stay in its layers."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _to_tensorboard(callback: Any, name: str, figure: Figure, step: int) -> None:
    if callback.tb_writer is not None:
        callback.tb_writer.add_figure(name, figure, step, close=False)


def _to_wandb(callback: Any, name: str, figure: Figure, step: int) -> None:
    callback._wandb.log({name: callback._wandb.Image(_pixels(figure)), "train/global_step": step})


def _to_trackio(callback: Any, name: str, figure: Figure, step: int) -> None:
    callback._trackio.log({name: callback._trackio.Image(_pixels(figure)), "train/global_step": step})


def _pixels(figure: Figure) -> Any:
    """Return a figure as an image of PIL."""
    import io

    from PIL import Image

    from alas_metric.figures.style import png

    return Image.open(io.BytesIO(png(figure)))


_FIGURE_LOGGERS = {"TensorBoardCallback": _to_tensorboard, "WandbCallback": _to_wandb, "TrackioCallback": _to_trackio}
"""Of the callbacks by which a trainer logs, those that take pictures."""
