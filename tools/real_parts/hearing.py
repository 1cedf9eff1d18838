"""How many words a trained model gets wrong on sentences that it never heard, and what it answers to human prompts.

    python tools/real_parts/hearing.py ADAPTER ... [--work FOLDER]

for each adapter file that training left, by voice of the test split (two of them never heard in training) and on
recorded human prompts. Answers come from the plugin's own adapter, through the whole encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import jiwer
import numpy as np
import torch
from features import load_shard
from lessons import REPEAT
from parts import default_work
from prompts import prompt_audio, prompts
from speech_llm import load_adapter, make_model, make_processor
from tqdm import tqdm

from model_patches.families.qwen2_audio import Qwen2AudioAdapter

VOICES = ("joe", "heart", "espeak-us-f2", "espeak-scot-m7", "espeak-rp-f4")
HUMAN = 10
_WORDS = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.Strip(), jiwer.ReduceToListOfListOfWords()]
)


def answers(adapter: Qwen2AudioAdapter, audios: Sequence[np.ndarray]) -> list[str]:
    """Return the greedy answers to the request to repeat each audio."""
    found: list[str] = []
    for audio in tqdm(audios, leave=False):
        found += adapter.answers(adapter.audio_prompts([audio], [REPEAT]).inputs, max_new_tokens=48, do_sample=False)
    return found


def word_errors(texts: Sequence[str], said: Sequence[str]) -> float:
    """Return the word error rate without case and punctuation.

    Example:
        >>> word_errors(["Let sleeping dogs lie."], ["let sleeping dogs fly"])
        0.25
    """
    measured = jiwer.process_words(list(texts), list(said), reference_transform=_WORDS, hypothesis_transform=_WORDS)
    return float(measured.wer)


def table(adapter: Qwen2AudioAdapter, work: Path, number: int) -> Iterator[str]:
    """Yield the lines of a model's table and its answers to human prompts."""
    for voice in VOICES:
        heard = [utterance for utterance, _ in load_shard(work, voice, "test", 0)][:number]
        said = answers(adapter, [utterance.samples for utterance in heard])
        yield f"| {voice} | {len(heard)} | {word_errors([u.text for u in heard], said):.1%} |"
    human = dict(list(prompts(work).items())[:: max(1, len(prompts(work)) // HUMAN)][:HUMAN])
    said = answers(adapter, [prompt_audio(work, name) for name in human])
    yield f"| human prompts | {len(human)} | {word_errors(list(human.values()), said):.1%} |\n"
    yield from (f"- {text} | {answer}" for text, answer in zip(human.values(), said, strict=True))


def main() -> None:
    """Evaluate adapters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--utterances", type=int, default=50, help="of each voice")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    processor = make_processor(arguments.work)
    for file in arguments.adapter:
        model = load_adapter(make_model(arguments.work, processor.tokenizer), file)
        print(f"{file.stem}\n\n| voice | utterances | words wrong |\n|---|---:|---:|")
        for line in table(Qwen2AudioAdapter(model, processor), arguments.work, arguments.utterances):
            print(line, flush=True)


if __name__ == "__main__":
    main()
