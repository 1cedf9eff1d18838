"""The harness's own tasks on model ids that it does not have, answered through the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from lmms_eval.api.model import lmms
from tqdm import tqdm

from alas_metric.errors import FatalError
from alas_tasks.audio import load_audio
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.generation import cut, generation_arguments


class PlainModel(lmms):
    """Answers to the harness's simple requests: one document after the other, its audio before the question."""

    processor: Any
    _model: Any
    _tokenizer: Any
    _device: torch.device
    batch_size_per_gpu: int

    @property
    def model(self) -> Any:
        """The loaded model."""
        return self._model

    @property
    def config(self) -> Any:
        """Its configuration."""
        return self._model.config

    @property
    def tokenizer(self) -> Any:
        """The language model's."""
        return self._tokenizer

    @property
    def eot_token_id(self) -> int:
        """The token that ends an answer."""
        return int(self.tokenizer.eos_token_id)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._device

    @property
    def batch_size(self) -> int:
        """Documents per ``generate`` in ALAS tasks."""
        return self.batch_size_per_gpu

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Answer the harness's simple requests."""
        answers = []
        for request in tqdm(requests, desc="Model Responding", disable=self.rank != 0):
            context, generation, to_audio, doc_id, task, split = request.args
            audios = to_audio(self.task_dict[task][split][doc_id]) or []
            until = generation.get("until") or []
            stops = [until] if isinstance(until, str) else until
            answer = cut(self._answer(context, audios, generation_arguments(generation)), [s for s in stops if s])
            self.cache_hook.add_partial("generate_until", (context, generation), answer)
            answers.append(answer)
        return answers

    def _answer(self, context: str, audios: Sequence[Any], generation: dict[str, Any]) -> str:
        adapter: SpeechAdapter = self.alas_adapter  # of AlasModel
        pieces = [piece for audio in audios for piece in adapter.split(load_audio(audio))]
        try:
            inputs = adapter.ask([adapter.clean_text(context)], [pieces])
        except ValueError as error:
            raise FatalError(f"a document cannot be asked: {error}; it is {context[:80]!r}") from error
        return adapter.answers(inputs, **generation)[0]

    def generate_until_multi_round(self, requests: list[Any]) -> NoReturn:
        """Not offered."""
        raise NotImplementedError("only single questions are answered")

    def loglikelihood(self, requests: list[Any]) -> NoReturn:
        """Not offered."""
        raise NotImplementedError("questions are answered; no likelihoods are given")


def stock_wrapper(path: str) -> type[lmms]:
    """Return a wrapper class of the harness, or a stand-in where a package that it imports is missing.

    ALAS tasks do not need those packages. Every other task on the id then stops with the package's name.
    """
    from model_patches.registry import load_object

    try:
        found: type[lmms] = load_object(path)
    except ImportError as error:
        return _stand_in(path, error)
    return found


def _stand_in(path: str, error: ImportError) -> type[lmms]:
    class Missing(PlainModel):
        is_simple = ".simple." in path

        def generate_until(self, requests: list[Any]) -> NoReturn:
            raise FatalError(
                f"only ALAS tasks can be run: others run the harness's own {path}, which cannot be imported "
                f"({error}). Install the package that it names."
            )

    return Missing
