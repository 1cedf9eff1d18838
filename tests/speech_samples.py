"""Documents as the ALAS tasks give them, and the harness's requests for them."""

from __future__ import annotations

import numpy as np
from lmms_eval.api.instance import Instance

from alas_metric import AlignmentRecord, WordTiming, split_units
from alas_tasks.speech import SpeechSample
from model_patches.run.session import Session

SHORT = {"max_new_tokens": 4, "until": []}


def speech(seconds: float, rate: int = 16000, channels: int = 1, seed: int = 0) -> dict:
    shape = int(rate * seconds) if channels == 1 else (int(rate * seconds), channels)
    return {
        "array": np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32),
        "sampling_rate": rate,
    }


def evenly(transcript: str, seconds: float) -> list[WordTiming]:
    units = split_units(transcript)
    step = seconds / max(1, len(units))
    return [WordTiming(unit.text, i * step, (i + 1) * step) for i, unit in enumerate(units)]


def sample(uid: str, transcript: str | None = "the quick brown fox", seconds: float = 2.0, **fields) -> SpeechSample:
    words = fields.pop("words", evenly(transcript or "", seconds))
    return SpeechSample(
        uid=uid, audio=fields.pop("audio", speech(seconds)), transcript=transcript, words=words, **fields
    )


def requests_for(samples, generation=SHORT, question="what?", padding=()):
    return [
        Instance(
            request_type="generate_until",
            arguments=(question, dict(generation), lambda doc: [doc], number, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": number, "repeats": 1, "alas": True}
            | ({"__padding_only__": True} if number in padding else {}),
        )
        for number, _ in enumerate(samples)
    ]


def run(session: Session, samples, **kwargs) -> list[AlignmentRecord]:
    answers = session.answer(requests_for(samples, **kwargs), {"task": {"test": samples}})
    return [AlignmentRecord.from_json(answer) for answer in answers]
