"""Train the demo's speech LLM: a small, real Qwen2-Audio that learns to listen, in about an hour on two cores.

1. ``text``: the decoder alone learns to answer from transcripts.
2. ``frames``: encoder and projector learn to put each audio position next to the embedding of the token that is
   spoken there (cross-entropy of scaled cosines, with the exact times of the synthetic speech).
3. ``joint``: everything together answers from audio and from transcripts; no times are used.

With ``--end-to-end`` no time of a word is used anywhere: in the place of ``frames`` everything together learns to
repeat one or two random words, then up to four, and ``joint`` takes longer.

Checkpoints of stage 3 are kept along the way. Stopped and started again, it goes on where it was::

    python tools/demo_world/train_qwen2_audio.py --work FOLDER --output FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from speech import QUESTIONS, STYLES, VOICES, Sentence, Utterance, WordBank, make_sentences, random_words, say_many
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from training import Stage, train
from transformers import (
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2TokenizerFast,
    WhisperFeatureExtractor,
)
from transformers.masking_utils import create_bidirectional_mask

SECONDS = 5
VOCABULARY = 524
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
EMOTION = "classify the emotion of the speaker in only one word including anger, happiness, sadness, neutrality."
QUESTION_END = ". Answer the question in one word"
REPEAT = "Repeat what the speaker says."
STEPS = {"text": 1000, "frames": 800, "joint": 2400}
END_TO_END_STEPS = {"text": 1000, "repeat-2": 800, "repeat-4": 800, "joint": 3600}
BATCH = 16
KEPT = (0.0, 0.1, 0.25, 0.5, 1.0)
"""The shares of stage ``joint`` after which a checkpoint is kept."""


def make_processor(seed: int) -> Qwen2AudioProcessor:
    """Return a processor for 5 s windows with a byte-level BPE learnt from the prompts and part of the grammar.

    It is too small to hold every word whole, so that, as in real models, some words are split.
    """
    rng = np.random.default_rng([seed, 1])
    sentences = [s.text for s in make_sentences(rng, 300, held_out=False)]
    prompts = [EMOTION, REPEAT, *(question + QUESTION_END for question in QUESTIONS.values()), *STYLES]
    frame = "system\nYou are a helpful assistant. user\nAudio 1: Audio Transcription: \n\n assistant\n"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*sentences, *[*prompts, frame] * 100], trainer)
    fast = Qwen2TokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.add_special_tokens({"additional_special_tokens": SPECIALS})
    extractor = WhisperFeatureExtractor(
        feature_size=128, chunk_length=SECONDS, sampling_rate=16000, hop_length=160, n_fft=400
    )
    return Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=fast)


def make_model(processor: Qwen2AudioProcessor, seed: int) -> Qwen2AudioForConditionalGeneration:
    """Return the untrained model, about 2 million parameters."""
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "d_model": 128,
            "encoder_layers": 3,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 384,
            "num_mel_bins": 128,
            "max_source_positions": 50 * SECONDS,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 128,
            "intermediate_size": 320,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
        },
        audio_token_index=processor.audio_token_id,
    )
    torch.manual_seed(seed)
    model = Qwen2AudioForConditionalGeneration(config)
    model.generation_config.eos_token_id = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = processor.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.generation_config.max_new_tokens = 64
    return model


class Lessons:
    """Prompts with their answers as batches of tensors.

    Args:
        model: the model.
        processor: its processor.
        bank: the words of the training voices.
    """

    def __init__(self, model: Qwen2AudioForConditionalGeneration, processor: Qwen2AudioProcessor, bank: WordBank):
        self.model = model
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.bank = bank

    def text(self, rng: np.random.Generator, number: int = 2 * BATCH) -> torch.Tensor:
        """Loss of answers that are read off transcripts."""
        sentences = make_sentences(rng, number, held_out=False)
        styles = rng.choice(list(STYLES), number)
        pairs = [self._lesson(s, str(style), rng) for s, style in zip(sentences, styles, strict=True)]
        turns = [f"Audio Transcription: {s.text}\n\n{q}" for s, (q, _) in zip(sentences, pairs, strict=True)]
        return self.model(**self._batch(turns, [answer for _, answer in pairs])).loss

    def audio(self, rng: np.random.Generator, number: int = BATCH) -> torch.Tensor:
        """Loss of answers from audio."""
        utterances = say_many(self.bank, rng, number)
        questions, answers = zip(*(self._lesson(u.sentence, u.style, rng) for u in utterances), strict=True)
        return self._heard_loss(utterances, questions, answers)

    def _heard_loss(
        self, utterances: Sequence[Utterance], questions: Sequence[str], answers: Sequence[str]
    ) -> torch.Tensor:
        features = self._features(utterances)
        lengths = _num_positions(features["feature_attention_mask"].sum(-1))
        turns = [
            "Audio 1: <|audio_bos|>" + "<|AUDIO|>" * int(length) + f"<|audio_eos|>\n{question}"
            for length, question in zip(lengths, questions, strict=True)
        ]
        return self.model(**self._batch(turns, answers), **features).loss

    def both(self, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stage ``joint``."""
        return self.audio(rng) + 0.3 * self.text(rng, BATCH // 2)

    def repeat(self, longest: int, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stages ``repeat-2`` and ``repeat-4``: what was said, one to so many random words, and the texts."""
        utterances = say_many(self.bank, rng, BATCH, partial(random_words, longest=longest))
        answers = [u.sentence.text for u in utterances]
        return self._heard_loss(utterances, [REPEAT] * BATCH, answers) + 0.3 * self.text(rng, BATCH // 2)

    def frames(self, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stage ``frames``: which token is spoken at each position, by cosine to all embeddings."""
        utterances = say_many(self.bank, rng, 2 * BATCH)
        features = self._features(utterances)
        states = torch.nn.functional.normalize(self._heard(**features), dim=-1)
        embeddings = torch.nn.functional.normalize(self.model.get_input_embeddings().weight.detach(), dim=-1)
        targets = torch.cat([self.spoken_tokens(u) for u in utterances])
        return torch.nn.functional.cross_entropy(15 * states @ embeddings.T, targets, ignore_index=-100)

    def _heard(self, input_features: torch.Tensor, feature_attention_mask: torch.Tensor) -> torch.Tensor:
        """Return what the decoder gets of all utterances, one after another, shape (positions, hidden_size)."""
        tower = self.model.model.audio_tower
        frames = feature_attention_mask.sum(-1)
        halved = torch.arange(input_features.shape[-1] // 2, device=frames.device) < ((frames - 1) // 2 + 1)[:, None]
        states = input_features.new_zeros(*halved.shape, 1)
        mask = create_bidirectional_mask(config=tower.config, inputs_embeds=states, attention_mask=halved.long())
        states = self.model.model.multi_modal_projector(tower(input_features, attention_mask=mask).last_hidden_state)
        return torch.cat([row[:length] for row, length in zip(states, _num_positions(frames), strict=True)])

    def spoken_tokens(self, utterance: Utterance) -> torch.Tensor:
        """Return the id of the token spoken at each position, -100 where nobody speaks."""
        frames = -(-len(utterance.samples) // 160)
        centres = (np.arange(_num_positions(frames)) + 0.5) * 0.04
        targets = np.full(len(centres), -100)
        for word, start, end in utterance.words:
            ids = self.tokenizer(" " + word).input_ids
            shares = np.cumsum([0] + [len(self.tokenizer.decode(i).strip()) for i in ids])
            edges = start + (end - start) * shares / shares[-1]
            for token, left, right in zip(ids, edges, edges[1:], strict=False):
                targets[(centres >= left) & (centres < right)] = token
        return torch.from_numpy(targets).to(self.model.device)

    def _lesson(self, sentence: Sentence, style: str, rng: np.random.Generator) -> tuple[str, str]:
        """Return an instruction and its answer."""
        what = rng.random()
        if what < 0.3:
            return REPEAT, sentence.text
        if what < 0.6:
            return EMOTION, style
        slot = str(rng.choice(list(sentence.slots)))
        return QUESTIONS[slot] + QUESTION_END, sentence.slots[slot]

    def _features(self, utterances: Sequence[Utterance]) -> dict[str, torch.Tensor]:
        made = self.processor.feature_extractor(
            [u.samples for u in utterances],
            sampling_rate=16000,
            return_attention_mask=True,
            padding="max_length",
            return_tensors="pt",
        )
        where = self.model.device
        return {
            "input_features": made.input_features.to(where),
            "feature_attention_mask": made.attention_mask.to(where),
        }

    def _batch(self, turns: Sequence[str], answers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return token ids, mask and labels; only the answers are learnt."""
        rows, labels = [], []
        for turn, answer in zip(turns, answers, strict=True):
            prompt = self.tokenizer(chat(turn)).input_ids
            reply = self.tokenizer(answer + "<|im_end|>").input_ids
            rows.append(prompt + reply)
            labels.append([-100] * len(prompt) + reply)
        width = max(map(len, rows))
        pad, where = self.model.generation_config.pad_token_id, self.model.device
        return {
            "input_ids": torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=where),
            "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=where),
            "labels": torch.tensor([row + [-100] * (width - len(row)) for row in labels], device=where),
        }


def chat(turn: str) -> str:
    """Return the prompt as Qwen2-Audio's chat template writes it."""
    return (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{turn}<|im_end|>\n<|im_start|>assistant\n"
    )


def _num_positions(frames: int | torch.Tensor) -> int | torch.Tensor:
    return ((frames - 1) // 2 + 1) // 2


def save(model: Qwen2AudioForConditionalGeneration, processor: Qwen2AudioProcessor, folder: Path) -> None:
    """Write the checkpoint in half precision; its configuration asks for float32 when loaded with dtype=auto."""
    weights = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    model.config.dtype = "float32"
    model.save_pretrained(folder, state_dict=weights)
    processor.save_pretrained(folder)


def main() -> None:
    """Train all stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="spoken words, state of the training, checkpoints")
    parser.add_argument("--output", type=Path, help="folder of the trained model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--end-to-end", action="store_true", help="train without the times of words, in more steps")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the steps of every stage")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work, seed = arguments.work, arguments.seed
    processor = make_processor(seed)
    model = make_model(processor, seed)
    save(model, processor, work / "untrained")
    lessons = Lessons(model.to(arguments.device), processor, WordBank(work / "words.npz", VOICES))
    language, hearing = model.model.language_model, [model.model.audio_tower, model.model.multi_modal_projector]
    decoder = [*language.parameters(), *model.lm_head.parameters()]
    ears = [parameter for module in hearing for parameter in module.parameters() if parameter.requires_grad]
    chosen = END_TO_END_STEPS if arguments.end_to_end else STEPS
    steps = {name: max(1, round(number * arguments.scale)) for name, number in chosen.items()}
    marks = {round(share * steps["joint"]): f"joint-{share:.0%}".replace("%", "") for share in KEPT}

    def keep(done: int) -> None:
        if done in marks:
            save(model, processor, work / marks[done])

    train(model, Stage("text", steps["text"], 3e-3, lessons.text, decoder), work, seed)
    if arguments.end_to_end:
        for longest in (2, 4):
            name, loss = f"repeat-{longest}", partial(lessons.repeat, longest)
            train(model, Stage(name, steps[name], 2e-3, loss, decoder + ears), work, seed)
    else:
        train(model, Stage("frames", steps["frames"], 3e-3, lessons.frames, ears), work, seed)
    keep(0)
    train(model, Stage("joint", steps["joint"], 2e-3, lessons.both, decoder + ears), work, seed, keep)
    save(model.eval(), processor, arguments.output or work / "trained")


if __name__ == "__main__":
    main()
