"""Train the demo's Whisper: a small model in openai-whisper's own format, with its tokenizer, on the same speech.

1. ``encoder``: which token is spoken in each frame, by a linear layer that is thrown away.
2. ``decoder``: transcription on 5 s of audio.
3. ``padded``: the same on Whisper's windows of 30 s, with silence around the speech.

Word times are read off the cross-attention of the upper half of the decoder. In a Whisper this small it does not come
to follow the audio by itself, so from stage 2 on the mean of those heads is also trained to (cross-entropy with the
token's exact time span). Stopped and started again, it goes on where it was::

    python tools/demo_world/train_whisper.py --work FOLDER --output FILE.pt
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import whisper
from speech import SAMPLE_RATE, VOICES, WORDS, Utterance, WordBank, say_many
from torch.nn.functional import cross_entropy, gelu
from training import Stage, train
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

STEPS = {"encoder": 600, "decoder": 2000, "padded": 500}
SHORT = 250
"""Encoder positions of the first two stages, 5 s."""
FRAMES_PER_SECOND = 50
DIMENSIONS = ModelDimensions(
    n_mels=80,
    n_audio_ctx=1500,
    n_audio_state=64,
    n_audio_head=4,
    n_audio_layer=3,
    n_vocab=51864,
    n_text_ctx=448,
    n_text_state=64,
    n_text_head=4,
    n_text_layer=2,
)


class Lessons:
    """Speech with its tokens and their times as batches of tensors.

    Args:
        model: the model.
        bank: the words of the training voices.
    """

    def __init__(self, model: Whisper, bank: WordBank) -> None:
        self.model = model
        self.bank = bank
        self.tokenizer = get_tokenizer(multilingual=False)
        self.tokens = {word: self.tokenizer.encode(" " + word) for word in WORDS}
        self.classes = {
            token: index for index, token in enumerate(sorted({t for ids in self.tokens.values() for t in ids}))
        }
        self.head = torch.nn.Linear(DIMENSIONS.n_audio_state, len(self.classes))
        self._seen: dict[str, torch.Tensor] = {}
        self.model.decoder.blocks[-1].cross_attn.register_forward_hook(self._see)

    def _see(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], _: object) -> None:
        """Keep the mean cross-attention of the heads that word times are read off; Whisper itself detaches it."""
        queries, keys = module.query(inputs[0]), module.key(inputs[1])
        queries, keys = (x.unflatten(-1, (module.n_head, -1)).transpose(1, 2) for x in (queries, keys))
        scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
        self._seen["attention"] = scores.softmax(-1).mean(1)

    def frames(self, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stage ``encoder``."""
        utterances = say_many(self.bank, rng, 32)
        targets = np.full((len(utterances), SHORT), -100)
        for row, utterance in zip(targets, utterances, strict=True):
            for token, start, end in self.spoken_tokens(utterance):
                row[round(start * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = self.classes[token]
        logits = self.head(self._encode([u.samples for u in utterances], SHORT))
        return cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten(), ignore_index=-100)

    def short(self, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stage ``decoder``."""
        return self._transcription(rng, 16, SHORT)

    def padded(self, rng: np.random.Generator) -> torch.Tensor:
        """Loss of stage ``padded``."""
        return self._transcription(rng, 8, DIMENSIONS.n_audio_ctx)

    def _transcription(self, rng: np.random.Generator, number: int, positions: int) -> torch.Tensor:
        rows = [self._lesson(utterance, rng, positions) for utterance in say_many(self.bank, rng, number)]
        states = self._encode([samples for samples, _, _, _ in rows], positions)
        width = max(len(ids) for _, ids, _, _ in rows)
        ids = torch.full((number, width), self.tokenizer.eot)
        labels = torch.full((number, width), -100)
        spans = torch.zeros(number, width, positions)
        for index, (_, row, prompt, times) in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            labels[index, prompt - 1 : len(row) - 1] = torch.tensor(row[prompt:])
            for place, start, end in times:
                first = min(int(start * FRAMES_PER_SECOND), positions - 1)
                spans[index, place, first : max(first + 1, int(end * FRAMES_PER_SECOND))] = 1
        logits = self.model.decoder(ids, states)
        loss = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        # Evenly over the whole span: a word that is looked at for a moment only leaves the rest to the next word.
        frames = spans.sum(-1)
        looks = (spans * torch.log(self._seen["attention"].clamp_min(1e-7))).sum(-1)[frames > 0] / frames[frames > 0]
        return loss - 0.2 * looks.mean()

    def _lesson(
        self, utterance: Utterance, rng: np.random.Generator, positions: int
    ) -> tuple[np.ndarray, list[int], int, list[tuple[int, float, float]]]:
        """Return samples, token ids, how many of them are given, and where each prediction should look, in seconds."""
        samples, shift = _cut_or_delay(utterance, rng, positions)
        spoken = [(token, start + shift, end + shift) for token, start, end in self.spoken_tokens(utterance)]
        text = [token for token, _, _ in spoken]
        tokenizer, end = self.tokenizer, len(samples) / SAMPLE_RATE
        if rng.random() < 0.5:
            ids = [tokenizer.sot, tokenizer.no_timestamps, *text, tokenizer.eot]
            prompt = 2
        else:
            first, last = (
                tokenizer.timestamp_begin + round(t * FRAMES_PER_SECOND) for t in (spoken[0][1], spoken[-1][2])
            )
            ids = [tokenizer.sot, first, *text, last, tokenizer.eot]
            prompt = 1
        # The prediction of text token i is made at place i + 1; after the last token comes what follows the speech.
        times = [(place + 1, start, stop) for place, (_, start, stop) in enumerate(spoken)]
        return samples, ids, prompt, [*times, (len(text) + 1, spoken[-1][2], max(end, spoken[-1][2] + 0.04))]

    def spoken_tokens(self, utterance: Utterance) -> list[tuple[int, float, float]]:
        """Return each token with its time span; the pause between two words is shared by them."""
        spans = []
        words = utterance.words
        for index, (word, start, end) in enumerate(words):
            left = (words[index - 1][2] + start) / 2 if index else start
            right = (end + words[index + 1][1]) / 2 if index + 1 < len(words) else end
            ids = self.tokens[word]
            shares = np.cumsum([0] + [len(self.tokenizer.decode([i]).strip()) for i in ids])
            edges = left + (right - left) * shares / shares[-1]
            spans += list(zip(ids, edges[:-1], edges[1:], strict=True))
        return spans

    def _encode(self, audio: Sequence[np.ndarray], positions: int) -> torch.Tensor:
        """Return encoder states; fewer positions than Whisper's 1,500 leave out the padding after the speech."""
        samples = positions * 2 * whisper.audio.HOP_LENGTH
        padded = torch.stack([torch.from_numpy(whisper.pad_or_trim(row, samples)) for row in audio])
        mel = torch.stack([whisper.log_mel_spectrogram(row, DIMENSIONS.n_mels) for row in padded])
        encoder = self.model.encoder
        if positions == DIMENSIONS.n_audio_ctx:
            return encoder(mel)
        states = (
            gelu(encoder.conv2(gelu(encoder.conv1(mel)))).transpose(1, 2) + encoder.positional_embedding[:positions]
        )
        for block in encoder.blocks:
            states = block(states)
        return encoder.ln_post(states)


def _cut_or_delay(utterance: Utterance, rng: np.random.Generator, positions: int) -> tuple[np.ndarray, float]:
    """Cut the silence around the speech, or put some before it; return samples and by how much they moved, in s."""
    samples = utterance.samples
    if rng.random() < 0.5:
        first = round(max(0, utterance.words[0][1] - rng.uniform(0, 0.05)) * SAMPLE_RATE)
        last = round((utterance.words[-1][2] + rng.uniform(0, 0.1)) * SAMPLE_RATE)
        return samples[first:last], -first / SAMPLE_RATE
    room = positions / FRAMES_PER_SECOND - len(samples) / SAMPLE_RATE
    delay = round(rng.uniform(0, min(1.0, room)) * SAMPLE_RATE)
    noise = 1e-3 * rng.standard_normal(delay).astype(np.float32) * rng.integers(2)
    return np.concatenate([noise.astype(np.float32), samples]), delay / SAMPLE_RATE


def make_model(tokens: Sequence[int], seed: int) -> Whisper:
    """Return the untrained model. All tokens that never occur share one embedding, so that the file packs well."""
    torch.manual_seed(seed)
    model = Whisper(DIMENSIONS)
    with torch.no_grad():
        torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)
        embedding = model.decoder.token_embedding.weight
        used = sorted(tokens)
        values = 0.1 * torch.randn(len(used), embedding.shape[1])
        embedding.zero_()
        embedding[used] = values
    return model


def save(model: Whisper, file: Path) -> None:
    """Write a checkpoint that `whisper.load_model` reads, in half precision."""
    state = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    torch.save({"dims": asdict(DIMENSIONS), "model_state_dict": state}, file)


def main() -> None:
    """Train all stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="spoken words and state of the training")
    parser.add_argument("--output", type=Path, help="the trained checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work, seed = arguments.work, arguments.seed
    tokenizer = get_tokenizer(multilingual=False)
    times = range(tokenizer.timestamp_begin, tokenizer.timestamp_begin + 7 * FRAMES_PER_SECOND)
    used = {token for word in WORDS for token in tokenizer.encode(" " + word)}
    model = make_model([*used, *times, tokenizer.sot, tokenizer.eot, tokenizer.no_timestamps], seed)
    lessons = Lessons(model, WordBank(work / "words.npz", VOICES))
    model.head = lessons.head  # so that it is saved with the state of the first stage
    everything = [parameter for parameter in model.parameters() if parameter.requires_grad]
    encoder = [*model.encoder.parameters(), *lessons.head.parameters()]
    train(model, Stage("encoder", STEPS["encoder"], 3e-3, lessons.frames, encoder), work, seed)
    train(model, Stage("decoder", STEPS["decoder"], 3e-3, lessons.short, everything), work, seed)
    train(model, Stage("padded", STEPS["padded"], 1e-3, lessons.padded, everything), work, seed)
    del model.head
    save(model, arguments.output or work / "whisper.pt")


if __name__ == "__main__":
    main()
