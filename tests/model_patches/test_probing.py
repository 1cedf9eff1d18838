"""`probe`: one utterance from Python, the same record as the harness's, the model left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from alas_metric import AlignmentRecord, WordTiming, score_record, summarise
from alas_metric.errors import SkipDocument
from model_patches import probe
from model_patches.adapters.generation import generation_arguments
from model_patches.reference.whisper_reference import WhisperReference
from model_patches.registry import adapter_for
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation

AUDIO = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
WORDS = [WordTiming(word, i * 0.5, i * 0.5 + 0.4) for i, word in enumerate(["the", "quick", "brown", "fox"])]
TRANSCRIPT = "the quick brown fox"


@pytest.fixture
def model(qwen2_audio):
    return qwen2_audio.model


def test_a_record_per_utterance(qwen2_audio, model) -> None:
    record = probe(model, qwen2_audio.processor, AUDIO, TRANSCRIPT, words=WORDS)
    assert record.num_layers == 4 and record.num_frames == 50 and record.reference == "words"
    assert record.audio_answer is None
    assert score_record(AlignmentRecord.from_json(record.to_json())).columns["alas_raw"].shape == (4,)


def test_it_is_the_record_of_the_paired_runs(qwen2_audio, model, sentence_bert_folder) -> None:
    arguments = {
        "words": WORDS,
        "instruction": "what?",
        "responses": True,
        "generation": {"max_new_tokens": 4},
        "uid": "u",
    }
    arguments["sbert"] = str(sentence_bert_folder)
    record = probe(model, qwen2_audio.processor, AUDIO, TRANSCRIPT, **arguments)
    assert summarise([score_record(record)], threshold=-1.0)["kept"] == 1
    from alas_tasks.speech import SpeechSample
    from model_patches.run.comparison import AnswerComparison

    sample = SpeechSample(uid="u", audio=None, transcript=TRANSCRIPT, words=WORDS)
    document = Preparation(qwen2_audio)(sample, "what?", AUDIO)
    (expected,) = PairedRuns(qwen2_audio, True, AnswerComparison(str(sentence_bert_folder)))(
        [document], [AUDIO], generation_arguments({"max_new_tokens": 4})
    )
    assert record.to_json() == expected.to_json()
    assert record.audio_answer is not None


def test_inside_a_training_loop(qwen2_audio, model) -> None:
    model.train()
    model.model.language_model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    qwen2_audio.tokenizer.padding_side = "right"
    parameter = next(model.parameters())
    parameter.requires_grad_(True)
    try:
        record = probe(model, qwen2_audio.processor, AUDIO, TRANSCRIPT, words=WORDS)
        assert [module.training for module in model.modules()] == modes
        assert qwen2_audio.tokenizer.padding_side == "right"
        assert parameter.grad is None and torch.is_grad_enabled()
        model.eval()
        assert probe(model, qwen2_audio.processor, AUDIO, TRANSCRIPT, words=WORDS).to_json() == record.to_json()
    finally:
        model.eval()


def test_a_file_another_rate_and_whisper(qwen2_audio, model, whisper_file, tmp_path) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, np.stack([np.repeat(AUDIO, 2)] * 2, axis=1), 32000)
    from model_patches.reference.cache import AlignmentCache

    whisper = WhisperReference(str(whisper_file), cache=AlignmentCache(tmp_path))
    record = probe(model, qwen2_audio.processor, str(path), TRANSCRIPT, reference=whisper)
    assert record.num_frames == 50 and record.reference == whisper.name


def test_what_cannot_be_probed_is_said(qwen2_audio, model) -> None:
    with pytest.raises(SkipDocument, match="empty_transcript"):
        probe(model, qwen2_audio.processor, AUDIO, "[LAUGHTER]", words=[])
    with pytest.raises(ValueError, match=r"Qwen2Tokenizer has no audio feature extractor"):
        adapter_for("bert")(model, qwen2_audio.tokenizer)
