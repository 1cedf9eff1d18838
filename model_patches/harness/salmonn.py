"""The harness's model id ``salmonn``, which lmms-eval itself does not have."""

from __future__ import annotations

from typing import Any

from model_patches.adapters.fingerprint import weights_fingerprint
from model_patches.families.salmonn.adapter import SalmonnAdapter
from model_patches.families.salmonn.loading import LLAMA, PRETRAINED, WHISPER
from model_patches.harness.plain import PlainModel
from model_patches.harness.wrapper import AlasModel


class Salmonn(AlasModel, PlainModel):
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
        **alas: options with the prefix ``alas_``, see `model_patches.run.options.AlasOptions`.
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
