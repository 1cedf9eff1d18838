"""What turns a model wrapper of the harness into one that also runs the ALAS tasks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import torch
from accelerate import Accelerator, DistributedType
from accelerate.utils import broadcast_object_list
from lmms_eval.api.model import lmms
from loguru import logger

from alas_metric.errors import FatalError, UnobtainableError
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.capture import CaptureMismatch
from model_patches.adapters.fingerprint import weights_fingerprint
from model_patches.run.dumping import Dumps, FirstDocuments, StateFiles
from model_patches.run.options import AlasOptions, check_options, resume_advice, writing_run
from model_patches.run.session import Session

_ONE_MODEL_PER_PROCESS = ("NO", "MULTI_GPU", "MULTI_CPU", "MULTI_XPU", "MULTI_NPU")


class AlasModel(lmms):
    """Mixin for a stock wrapper: requests of ALAS tasks go through the paired runs, all others to the stock code.

    A subclass names its ``adapter_class``, calls `start` in its ``__init__`` and inherits from the stock wrapper after
    this class.
    """

    adapter_class: ClassVar[type[SpeechAdapter]]

    def start(
        self,
        *,
        pretrained: str,
        device: str | None,
        device_map: str | None,
        batch_size: int | str | None,
        options: Mapping[str, Any],
        load_arguments: Mapping[str, Any],
    ) -> None:
        """Load the model and set the attributes that the harness and the stock wrappers read.

        Raises:
            FatalError: If an argument cannot be used or the model cannot be loaded.
        """
        lmms.__init__(self)
        accelerator = Accelerator()
        self._device = choose_device(
            device, accelerator.device.type, accelerator.local_process_index, accelerator.num_processes
        )
        self.alas_options = AlasOptions.from_model_args(options)
        if options:  # what is wrong with them shows before the model is loaded
            check_options(self.alas_options, self._device)
        spread = device_map == "auto" and accelerator.num_processes == 1 and self._device.type == "cuda"
        self.device_map = "auto" if spread else str(self._device)
        chosen = {name: value for name, value in load_arguments.items() if value is not None}
        try:
            self._model, self.processor = self.adapter_class.load(pretrained, device_map=self.device_map, **chosen)
        except FatalError:
            raise
        except Exception as error:  # of many kinds: no such file, damaged weights, no memory, a package is missing
            logger.opt(exception=error).debug("ALAS")
            raise UnobtainableError(
                f"pretrained={pretrained} cannot be loaded on {self.device_map}: {type(error).__name__}: {error}"
            ) from error
        self.processor.tokenizer.padding_side = "left"
        self._tokenizer = self.processor.tokenizer
        self._config = self._model.config
        self.batch_size_per_gpu = read_batch_size(batch_size)
        self._identity = {
            "pretrained": pretrained,
            "weights": weights_fingerprint(pretrained, chosen.get("revision")),
            "load": dict(chosen),
            "peft": weights_fingerprint(chosen["peft"]) if "peft" in chosen else None,
            "dtype": str(self._model.dtype),
            "device": self._device.type,
            "batch_size": self.batch_size_per_gpu,
        }
        self._session: Session | None = None
        self._join(accelerator)
        # Processes start within seconds of each other; the first one's date is the one in the names of the results.
        self._date = broadcast_object_list([writing_run().date])[0] if self.alas_options.keeps else ""

    def _join(self, accelerator: Accelerator) -> None:
        """Take this process's place among the others."""
        kind = accelerator.distributed_type
        self._sharded = kind == DistributedType.FSDP
        if accelerator.num_processes == 1:
            return
        if self._sharded:
            self._model = accelerator.prepare(self._model)
        elif kind.value not in _ONE_MODEL_PER_PROCESS:
            raise FatalError(
                f"{kind.value} is not supported: use accelerate's data parallelism (one model per process), "
                "or device_map=auto in a single process for a model that does not fit one device"
            )
        self.accelerator = accelerator
        self._rank = accelerator.process_index
        self._world_size = accelerator.num_processes
        if accelerator.is_local_main_process:
            logger.info(f"Using {accelerator.num_processes} devices with data parallelism")

    def make_adapter(self) -> SpeechAdapter:
        """Return the adapter for the loaded model."""
        return self.adapter_class(self.model, self.processor)

    @cached_property
    def alas_adapter(self) -> SpeechAdapter:
        """The adapter for the loaded model.

        Raises:
            FatalError: saying what in the model or its processor does not fit.
        """
        try:
            return self.make_adapter()
        except (ValueError, CaptureMismatch) as error:
            raise FatalError(f"the hidden states of {self._identity['pretrained']} cannot be read: {error}") from error

    def generate_until(self, requests: list[Any]) -> list[Any]:
        """Answer requests: those of ALAS tasks with records, all others as the stock wrapper does."""
        ours = [bool((request.metadata or {}).get("alas")) for request in requests]
        if not any(ours):
            return list(super().generate_until(requests))
        # Ours first: what they lack, Sentence-BERT say, must show before the other tasks have taken their hours.
        records = iter(self._records([r for r, alas in zip(requests, ours, strict=True) if alas]))
        stock = [request for request, alas in zip(requests, ours, strict=True) if not alas]
        answers = iter(super().generate_until(stock) if stock else [])
        return [next(records) if alas else next(answers) for alas in ours]

    def _records(self, requests: list[Any]) -> list[str]:
        try:
            return self._records_of(requests)
        except FatalError:
            raise
        except Exception as error:
            logger.exception("ALAS")
            advice = resume_advice(self.alas_options)
            raise FatalError(f"an unexpected error ended the run: {type(error).__name__}: {error}. {advice}") from error

    def _records_of(self, requests: list[Any]) -> list[str]:
        if self._sharded:
            raise FatalError(
                "ALAS tasks need a whole model in each process, and FSDP shards it: use data parallelism, "
                "or device_map=auto in a single process"
            )
        if self._session is None:
            adapter = self.alas_adapter
            self._session = Session(
                adapter,
                self.alas_options,
                {**self._identity, "adapter": vars_of(adapter)},
                batch_size=self._safe_batch_size(),
                rank=self.rank,
                use_cache=getattr(self, "use_cache", True),
                keepers=self._keepers(),
            )
        return self._session.answer(requests, self.task_dict)

    def _keepers(self) -> list[FirstDocuments]:
        """Return what keeps something of the first documents beside the results."""
        options, found = self.alas_options, list[FirstDocuments]()
        if options.dump:
            found.append(Dumps(writing_run().folder, self._date, options.dump, options.dump_audio))
        if options.states:
            found.append(StateFiles(writing_run().folder, self._date, options.states))
        return found

    def _safe_batch_size(self) -> int:
        """Return the batch size at which padding does not move the scores: in half precision it does."""
        if self.batch_size > 1 and not self.alas_adapter.batches:
            logger.warning("ALAS documents are run one by one: this family has not been shown to take batches unmoved")
            return 1
        if self.batch_size > 1 and self._model.dtype != torch.float32:
            logger.warning(
                f"ALAS documents are run one by one: in {self._model.dtype} the padding of a batch moves hidden "
                "states far enough to move paths. dtype=float32 allows batches; other tasks keep theirs."
            )
            return 1
        return int(self.batch_size)

    def clean(self) -> None:
        """Let go of the model, also of the session's hold on it."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self.__dict__.pop("alas_adapter", None)
        super().clean()


def vars_of(adapter: SpeechAdapter) -> dict[str, Any]:
    """Return the adapter's plain settings, which are part of what tells one run from another."""
    return {name: value for name, value in vars(adapter).items() if isinstance(value, (str, int, float, bool))}


def read_batch_size(batch_size: int | str | None) -> int:
    """Return the batch size as a number.

    Raises:
        FatalError: For anything but a whole number from 1 up.
    """
    try:
        size = int(batch_size or 1)
    except ValueError:
        size = 0
    if size < 1:
        raise FatalError(f"--batch_size must be a whole number from 1 up, got {batch_size!r}")
    return size


def choose_device(requested: str | None, default: str, local_rank: int, num_processes: int) -> torch.device:
    """Return this process's device.

    Args:
        requested: the model argument, or None.
        default: the kind of device that accelerate takes, which ``ACCELERATE_USE_CPU`` decides too.
        local_rank: index of this process on its machine.
        num_processes: of the whole run.

    Raises:
        UnobtainableError: If CUDA is asked for and there is none.
    """
    kind = requested or default
    if kind.startswith("cuda") and not torch.cuda.is_available():
        raise UnobtainableError(
            f"device={kind} was asked for, and torch {torch.__version__} sees no CUDA device. "
            "Leave it out, or use --device cpu."
        )
    if kind == "cuda" or (kind.startswith("cuda") and num_processes > 1):
        return torch.device("cuda", local_rank)
    return torch.device(kind)
