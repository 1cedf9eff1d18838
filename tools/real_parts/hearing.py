"""How many words a trained model gets wrong on sentences that it never heard, and what it answers to human prompts.

    python tools/real_parts/hearing.py ADAPTER ... [--work FOLDER]

for each adapter file that training left, by voice of the test split (two of them never heard in training) and on
recorded human prompts. The encoder's features are those that training kept; prompts are answered in batches.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import jiwer
import torch
from features import encode, load_encoder, load_shard
from lessons import REPEAT
from parts import default_work
from prompts import prompt_audio, prompts
from speech_llm import Heard, audio_prompt, hear, load_adapter, make_model, make_processor
from transformers import PreTrainedTokenizerBase, Qwen2AudioForConditionalGeneration

VOICES = ("joe", "heart", "espeak-us-f2", "espeak-scot-m7", "espeak-rp-f4")
HUMAN = 10
BATCH = 20
_WORDS = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.Strip(), jiwer.ReduceToListOfListOfWords()]
)


def answers(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    features: Sequence[Heard],
    instruction: str = REPEAT,
) -> list[str]:
    """Return the greedy answers to an instruction on each utterance, of which the encoder heard (positions, D)."""
    found: list[str] = []
    for first in range(0, len(features), BATCH):
        found += _answers(model, tokenizer, features[first : first + BATCH], instruction)
    return found


@torch.inference_mode()
def _answers(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    features: Sequence[Heard],
    instruction: str,
) -> list[str]:
    prompts = [audio_prompt(len(heard), instruction) for heard in features]
    encoded = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt").to(model.device)
    given = {"inputs_embeds": hear(model, encoded.input_ids, features), "attention_mask": encoded.attention_mask}
    said = model.generate(**given, max_new_tokens=48, do_sample=False)
    texts: list[str] = tokenizer.batch_decode(said, skip_special_tokens=True)
    return texts


def word_errors(texts: Sequence[str], said: Sequence[str]) -> float:
    """Return the word error rate without case and punctuation.

    Example:
        >>> word_errors(["Let sleeping dogs lie."], ["let sleeping dogs fly"])
        0.25
    """
    measured = jiwer.process_words(list(texts), list(said), reference_transform=_WORDS, hypothesis_transform=_WORDS)
    return float(measured.wer)


def table(
    model: Qwen2AudioForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, work: Path, number: int
) -> Iterator[str]:
    """Yield the lines of a model's table and its answers to human prompts."""
    for voice in VOICES:
        heard = load_shard(work, voice, "test", 0)[:number]
        said = answers(model, tokenizer, [features for _, features in heard])
        yield f"| {voice} | {len(heard)} | {word_errors([u.text for u, _ in heard], said):.1%} |"
    human = dict(list(prompts(work).items())[:: max(1, len(prompts(work)) // number)][:number])
    encoder = load_encoder(work)
    said = answers(model, tokenizer, [encode(encoder, prompt_audio(work, name)) for name in human])
    yield f"| human prompts | {len(human)} | {word_errors(list(human.values()), said):.1%} |\n"
    pairs = list(zip(human.values(), said, strict=True))
    yield from (f"- {text} | {answer}" for text, answer in pairs[:: max(1, len(pairs) // HUMAN)][:HUMAN])


def main() -> None:
    """Evaluate adapters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--utterances", type=int, default=50, help="of each voice")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    processor = make_processor(arguments.work)
    for file in arguments.adapter:
        model = load_adapter(make_model(arguments.work, processor.tokenizer), file).to(arguments.device)
        print(f"{file.stem}\n\n| voice | utterances | words wrong |\n|---|---:|---:|")
        for line in table(model, processor.tokenizer, arguments.work, arguments.utterances):
            print(line, flush=True)


if __name__ == "__main__":
    main()
