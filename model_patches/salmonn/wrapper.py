"""The harness's model id ``salmonn``, which lmms-eval itself does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from lmms_eval.api.model import lmms
from tqdm import tqdm

from alas_metric.errors import FatalError
from alas_tasks.speech import load_audio
from model_patches.journal import weights_fingerprint
from model_patches.paired import cut
from model_patches.salmonn.adapter import SalmonnAdapter
from model_patches.salmonn.loading import LLAMA, PRETRAINED, WHISPER
from model_patches.session import generation_arguments
from model_patches.wrapper import AlasModel


class PlainSalmonn(lmms):
    """Answers to the harness's own tasks: one document after the other, its audio before the question."""

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
        """Vicuna's."""
        return self._tokenizer

    @property
    def eot_token_id(self) -> int:
        """The token that ends an answer."""
        return self.tokenizer.eos_token_id

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
        if len(audios) > 1:
            raise FatalError(f"SALMONN takes one audio per question, this document has {len(audios)}: {context[:80]!r}")
        adapter = SalmonnAdapter(self.model, self.processor)
        prompt = adapter.render(adapter.clean_text(context), len(audios))
        inputs = self.processor([prompt], [load_audio(audios[0]) if audios else None])
        inputs = {name: value.to(adapter.device) for name, value in inputs.items()}
        tokens = self.model.generate(**inputs, **generation)
        return self.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def generate_until_multi_round(self, requests: list[Any]) -> NoReturn:
        """Not offered."""
        raise NotImplementedError("SALMONN answers single questions")

    def loglikelihood(self, requests: list[Any]) -> NoReturn:
        """Not offered."""
        raise NotImplementedError("SALMONN answers questions; it gives no likelihoods")


class Salmonn(AlasModel, PlainSalmonn):
    """SALMONN on the harness's audio tasks and on the ALAS tasks.

    Args:
        pretrained: ``salmonn_7b_v0.pth`` or ``salmonn_v1.pth``; a path, or ``owner/name/file`` on the hub.
        beats: ``BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt``, likewise.
        llama: folder or hub id of Vicuna (7B v1.5; 13B v1.1 for ``salmonn_v1.pth``).
        whisper: folder or hub id of whisper-large-v2.
        qformer: folder with the ``config.json`` of a BERT of other sizes; not for published files.
        lora_alpha: scaling of LoRA; default: as in the checkpoint's configuration, else 32.
        device: ``cuda``, ``cuda:1``, ``mps`` (not tried) or ``cpu``; default: CUDA where there is one.
        device_map: ``auto`` spreads the language model over all CUDA devices of one process.
        batch_size: documents per ``generate`` in ALAS tasks.
        dtype: of the language model: ``auto`` (float16), ``float32``, ``bfloat16`` or ``float16``.
        attn_implementation: of the language model: ``eager``, ``sdpa``, ``flash_attention_2``.
        **alas: options with the prefix ``alas_``, see `model_patches.options.AlasOptions`.
    """

    adapter_class = SalmonnAdapter

    def __init__(
        self,
        pretrained: str = PRETRAINED,
        beats: str | None = None,
        llama: str = LLAMA,
        whisper: str = WHISPER,
        qformer: str | None = None,
        lora_alpha: int | None = None,
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int | str | None = 1,
        dtype: str = "auto",
        attn_implementation: str | None = None,
        **alas: Any,
    ) -> None:
        names = {"beats": beats, "llama": llama, "whisper": whisper, "qformer": qformer}
        self.start(
            pretrained=pretrained,
            device=device,
            device_map=device_map,
            batch_size=batch_size,
            options=alas,
            load_arguments={
                **names,
                "lora_alpha": lora_alpha,
                "dtype": dtype,
                "attn_implementation": attn_implementation,
            },
        )
        # Four files make this model; each tells one run from another.
        paths = {"pretrained": pretrained, **names}
        self._identity["weights"] = {name: weights_fingerprint(path) for name, path in paths.items() if path}
