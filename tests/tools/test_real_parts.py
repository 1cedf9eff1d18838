"""The scripts of tools/real_parts: on small made-up inputs, and with marker ``real`` on the real weights."""

from __future__ import annotations

import ctypes.util
import json
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TOOLS = str(ROOT / "tools" / "real_parts")


@pytest.fixture(scope="module", autouse=True)
def scripts():
    pytest.importorskip("peft")
    sys.path.insert(0, TOOLS)
    yield
    sys.path.remove(TOOLS)


def spoken(words: list[tuple[str, float, float]], seconds: float = 2.0):
    from synthesis import RATE, Utterance

    samples = np.random.default_rng(0).normal(0, 0.1, int(RATE * seconds)).astype(np.float32)
    return Utterance("u", " ".join(word for word, _, _ in words), samples, words)


# Sentences and speech


def test_sentences_are_plain_and_split_by_their_text(tmp_path) -> None:
    from sentences import plain, sentences

    book = tmp_path / "unpacked/fortunes/usr/share/games/fortunes/wisdom.u8"
    book.parent.mkdir(parents=True)
    (tmp_path / "unpacked/fortunes-min").mkdir()
    book.write_text("".join(f"The {a} {b} has never been {c}.\n%\n" for a in "xyz" for b in "pqrst" for c in "klmno"))
    glosses = tmp_path / "unpacked/wordnet-base/usr/share/wordnet/data.verb"
    glosses.parent.mkdir(parents=True)
    glosses.write_text("".join(f'0 v 01 say 0 | a gloss; "they said {a} to {b}"\n' for a in "xyz" for b in "pqrst"))
    train, test = (sentences(tmp_path, split) for split in ("train", "test"))
    assert len(train) > 75 and test and not set(train) & set(test) and all("never" in text for text in test)
    assert len({*train[: 75 - len(test)], *test}) == 75 and "They said x to p." in train[75 - len(test) :]
    assert plain("Too short.\n%\nNumbers like 42 are not said here.\n%\nSome things, it seems, never change!\n") == [
        "Some things, it seems, never change!"
    ]


def test_words_of_another_number_are_refused() -> None:
    from synthesis import words_of

    sounds = [("^", 0.1), ("ð", 0.1), ("ə", 0.2), (" ", 0.1), ("d", 0.1), (",", 0.3), ("$", 0.1)]
    assert words_of("The d,", sounds) == [
        ("The", 0.1, pytest.approx(0.4)),
        ("d,", pytest.approx(0.5), pytest.approx(0.6)),
    ]
    assert words_of("The d of", sounds) is None


@pytest.mark.skipif(not ctypes.util.find_library("espeak-ng"), reason="the library of espeak-ng is not installed")
def test_espeak_says_words_where_the_samples_are_loud(tmp_path) -> None:
    from synthesis import RATE, Voice, say, synthesiser

    voice = Voice("espeak", name="en-us+f2")
    utterance = say(voice, synthesiser(voice, tmp_path), "u", "Take the bull by the horn and go.")
    assert utterance is not None and [word for word, _, _ in utterance.words] == utterance.text.split()
    spans = [(int(start * RATE), int(end * RATE)) for _, start, end in utterance.words]
    assert all(a < b <= c for (a, b), (c, _) in pairwise(spans)) and spans[-1][1] <= len(utterance.samples)
    assert min(np.abs(utterance.samples[a:b]).max() for a, b in spans) > 0.05


def test_a_shard_is_kept_as_it_was_first_written(tmp_path) -> None:
    from synthesis import load_utterances, save_utterances

    first, second = spoken([("one", 0.0, 0.5)]), spoken([("two", 0.1, 0.5)])
    for utterance in (first, second):
        save_utterances(tmp_path / "a/0.npz", [utterance, utterance])
    found = load_utterances(tmp_path / "a/0.npz")
    assert [u.words for u in found] == [[("one", 0.0, 0.5)]] * 2 and [f.name for f in (tmp_path / "a").iterdir()] == [
        "0.npz"
    ]
    np.testing.assert_allclose(found[1].samples, np.clip(first.samples, -1, 1), atol=1 / 32767)


def test_prompts_with_numbers_or_notes_are_left_out() -> None:
    from prompts import transcripts

    listing = "; English\nvm-no: You have no messages.\nbeep: [a simple beep]\nmenu: Press 1 to go on.\nyes: Yes."
    assert transcripts(listing) == {"vm-no": "You have no messages."}


def test_word_errors_know_neither_case_nor_punctuation() -> None:
    from hearing import word_errors

    assert word_errors(["Let sleeping dogs lie."], ["let, sleeping DOGS lie"]) == 0
    assert word_errors(["Let sleeping dogs lie.", "Go."], ["let sleeping dogs fly", "go on"]) == pytest.approx(0.4)


# Parts


def ct2(variables: dict[str, np.ndarray], aliases: dict[str, str]) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.float16): 4}
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        data += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += struct.pack("<BI", kinds[array.dtype], array.nbytes) + array.tobytes()
    data += struct.pack("<I", len(aliases))
    return data + b"".join(text(alias) + text(target) for alias, target in aliases.items())


def test_ctranslate2_variables_are_read_and_a_missing_part_is_named() -> None:
    from convert import read_ct2

    rng = np.random.default_rng(0)
    given = {"a/weight": rng.normal(size=(2, 3)).astype(np.float16), "heads": np.array(8, np.int8)}
    data = ct2(given, {"b": "a/weight"})
    found = read_ct2(data)
    assert set(found) == {"a/weight", "heads", "b"} and int(found["heads"]) == 8
    np.testing.assert_array_equal(found["b"], given["a/weight"])
    with pytest.raises(ValueError, match="ends at a/weight, variable 1: is a part missing"):
        read_ct2(data[:60])


def test_openai_names_take_every_variable_to_a_working_whisper() -> None:
    import whisper
    from convert import _dims, openai_names

    rng, size = np.random.default_rng(0), 16
    made = lambda *shape: rng.normal(0, 0.1, shape).astype(np.float32)  # noqa: E731
    attention = {"linear_0": 3 * size, "linear_1": size}
    variables = {
        "encoder/position_encodings/encodings": made(10, size),
        "decoder/position_encodings/encodings": made(12, size),
        "decoder/embeddings/weight": made(50, size),
        "encoder/conv1/weight": made(size, 80, 3),
        "encoder/conv1/bias": made(size),
        "encoder/conv2/weight": made(size, size, 3),
        "encoder/conv2/bias": made(size),
        "encoder/num_heads": np.array(2, np.int8),
        "decoder/num_heads": np.array(2, np.int8),
    }

    def linear(name: str, rows: int, columns: int) -> None:
        variables[name + "/weight"], variables[name + "/bias"] = made(rows, columns), made(rows)

    def norm(name: str) -> None:
        variables[name + "/gamma"], variables[name + "/beta"] = made(size), made(size)

    for side in ("encoder", "decoder"):
        norm(f"{side}/layer_norm")
        block = f"{side}/layer_0/"
        for name, rows in attention.items():
            linear(f"{block}self_attention/{name}", rows, size)
        norm(block + "self_attention/layer_norm")
        linear(block + "ffn/linear_0", 4 * size, size)
        linear(block + "ffn/linear_1", size, 4 * size)
        norm(block + "ffn/layer_norm")
    norm("decoder/layer_0/attention/layer_norm")
    for name, rows in {"linear_0": size, "linear_1": 2 * size, "linear_2": size}.items():
        linear(f"decoder/layer_0/attention/{name}", rows, size)
    state = openai_names(variables)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**_dims(state, variables)))
    model.load_state_dict(state)
    query, key, value = np.split(variables["decoder/layer_0/self_attention/linear_0/weight"], 3)
    attn = model.decoder.blocks[0].attn
    for module, weight in ((attn.query, query), (attn.key, key), (attn.value, value)):
        np.testing.assert_array_equal(module.weight.detach(), weight)


# Features


@pytest.fixture(scope="module")
def encoder(scripts):
    from features import encoder_config
    from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

    sizes = {"n_audio_state": 16, "n_audio_layer": 2, "n_audio_head": 2, "n_mels": 80, "n_audio_ctx": 1500}
    torch.manual_seed(0)
    return Qwen2AudioEncoder(encoder_config(sizes)).eval()


@pytest.mark.parametrize("seconds", [0.3, 1.234, 29.99])
def test_a_short_window_hears_what_thirty_seconds_hear(encoder, seconds: float) -> None:
    from features import encode, log_mel, num_positions
    from transformers.masking_utils import create_bidirectional_mask

    samples = np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    mel, frames = log_mel(samples)
    speech = (torch.arange(1500) < (frames - 1) // 2 + 1)[None].long()
    mask = create_bidirectional_mask(
        config=encoder.config, inputs_embeds=torch.zeros(1, 1500, 1), attention_mask=speech
    )
    with torch.inference_mode():
        whole = encoder(torch.from_numpy(mel[None]), attention_mask=mask).last_hidden_state[0]
    found = encode(encoder, samples)
    assert len(found) == num_positions(frames) == encoder._get_feat_extract_output_lengths(torch.tensor(frames))[1]
    np.testing.assert_allclose(found, whole[: len(found)], atol=1e-5)
    assert encoder.config.max_source_positions == len(encoder.embed_positions.weight) == 1500


# Connectors


class Words:
    """A tokenizer of two known words, of which the second one has two tokens."""

    def __call__(self, text: str, add_special_tokens: bool = True):
        from types import SimpleNamespace

        return SimpleNamespace(input_ids={" one": [1], " three,": [2, 3, 4], " ": [0]}[text])

    def decode(self, ids: list[int]) -> str:
        return {1: " one", 2: " th", 3: "ree", 4: ","}[ids[0]]


def test_tokens_share_their_words_time_by_letters() -> None:
    from connectors import spoken_tokens

    utterance = spoken([("one", 0.0, 0.2), ("three,", 0.4, 0.8)])
    assert spoken_tokens(Words(), utterance, 22).tolist() == [1] * 5 + [-1] * 5 + [2] * 4 + [3] * 6 + [-1] * 2


def test_ridge_finds_a_linear_map_and_its_turns_keep_lengths() -> None:
    from connectors import fit_connectors, spoken_tokens, token_accuracy

    rng = np.random.default_rng(0)
    utterance = spoken([("one", 0.0, 0.4), ("three,", 0.6, 1.4)])
    embeddings = rng.normal(size=(5, 8)).astype(np.float32)
    heard = rng.normal(size=(5, 12)).astype(np.float32)
    tokens = spoken_tokens(Words(), utterance, 50)
    pairs = [(utterance, 10 * heard[np.maximum(tokens, 0)] + rng.normal(0, 0.01, (50, 12)))] * 20
    connectors = fit_connectors(pairs, Words(), embeddings)
    assert token_accuracy(connectors.ridge, pairs, Words(), embeddings) == 1
    given = connectors(*pairs[0])
    np.testing.assert_allclose(given["ridge"], embeddings[np.maximum(tokens, 0)], atol=0.05)
    for name in ("rotated", "random", "mel"):
        assert np.abs(given[name] - given["ridge"]).max() > 0.5
    lengths = {name: np.linalg.norm(given[name], axis=1) for name in ("ridge", "rotated")}
    np.testing.assert_allclose(lengths["rotated"], lengths["ridge"], rtol=1e-4)
    for name in ("random", "mel"):
        np.testing.assert_allclose(given[name].mean(0), given["ridge"].mean(0), atol=1e-3)
        assert given[name].std(0).mean() == pytest.approx(given["ridge"].std(0).mean(), rel=0.3)


def test_late_puts_each_word_into_the_next_ones_time() -> None:
    from connectors import late

    utterance = spoken([("a", 0.2, 0.4), ("b", 0.4, 0.8), ("c", 0.8, 1.0)])
    owner = np.repeat([0, 1, 2, 3, 0], [5, 5, 10, 5, 5])
    assert late(owner[:, None], utterance)[:, 0].tolist() == [0] * 10 + [1] * 10 + [2] * 5 + [0] * 5


# Forms


def test_a_constant_of_a_position_never_moves_the_path_and_one_of_a_word_does() -> None:
    from alas_metric.document.paths import monotonic_alignment_search

    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(40, 5, 20)).astype(np.float32)
    path = monotonic_alignment_search(similarity)
    moved = monotonic_alignment_search(similarity + rng.integers(-3, 4, size=(40, 1, 20)).astype(np.float32))
    assert (path == moved).mean() > 0.999
    assert (path != monotonic_alignment_search(similarity + np.arange(5, dtype=np.float32)[:, None])).mean() > 0.1


def test_every_form_finds_words_that_are_there() -> None:
    from forms import TRIED, centred, raw, standardised

    rng = np.random.default_rng(0)
    words = rng.normal(size=(2, 6, 32)).astype(np.float32)
    frames = np.repeat(words, 8, axis=1) + rng.normal(0, 0.1, (2, 48, 32)).astype(np.float32)
    for name, form in ({f.__name__: f for f in (raw, centred, standardised)} | TRIED).items():
        similarity = form(words, frames)
        assert similarity.shape == (2, 6, 48) and np.isfinite(similarity).all(), name
        own = np.repeat(np.eye(6, dtype=bool), 8, axis=1)
        assert (similarity[:, own].mean(1) > similarity[:, ~own].mean(1)).all(), name


# The bench


def test_bench_tells_words_from_strangers(tmp_path) -> None:
    import bench as script
    from connectors import CONNECTORS
    from states import States

    rng = np.random.default_rng(0)
    heard = []
    for i in range(12):
        utterance = spoken([(f"w{j}", 0.32 * j, 0.32 * (j + 1)) for j in range(6)])
        utterance = replace(utterance, uid=f"u{i}")
        words = rng.normal(size=(3, 6, 32)).astype(np.float32)
        strangers = {name: rng.normal(size=(3, 48, 32)).astype(np.float32) for name in CONNECTORS}
        frames = strangers | {"ridge": np.repeat(words, 8, axis=1) + 0.1 * strangers["ridge"]}
        heard.append((utterance, States(words, frames)))
    bench = script.Bench("tiny", len(heard), 0.5)
    for connector in CONNECTORS:
        documents = [script.scored(u, states.words, states.frames[connector]) for u, states in heard]
        bench.curves |= {(key, connector): curve for key, curve in script.curves(documents).items()}
    assert bench.curves["alas_skill_standardised", "ridge"].mean > 0.95
    assert bench.curves["alas_skill_raw", "mel"].mean < 0.3
    wrong = bench.wrong_order("alas_skill_centred")
    assert set(wrong) == set(CONNECTORS) - {"ridge"} and max(w.max() for w in wrong.values()) == 0
    plain = json.loads(json.dumps(script.as_json(bench), allow_nan=False))
    assert len(plain["curves"]) == len(CONNECTORS) * len(script.METRICS)
    lines = list(script.tables(bench))
    assert sum(line.startswith("| `alas_evidence_raw` |") for line in lines) == len(CONNECTORS) + 2
    assert lines[-len(script.METRICS) + 1] == "| `alas_skill_centred` | 0.0% (0.0%) |" + " 0.0% (0.0%) |" * 3
    assert script.draw(bench, tmp_path).stat().st_size > 10000


def test_a_form_in_the_products_place_gives_the_products_numbers() -> None:
    import bench as script
    from forms import centred, raw, standardised

    from alas_metric.document.similarity import FORMS

    rng = np.random.default_rng(0)
    utterance = spoken([(f"w{j}", 0.32 * j, 0.32 * (j + 1)) for j in range(6)])
    words, frames = (rng.normal(size=(3, n, 32)).astype(np.float32) for n in (6, 48))
    two = [replace(utterance, uid=uid) for uid in "ab"]
    keys = [f"{name}_{form}" for name in ("alas_skill", "alas_evidence", "frame_skill") for form in FORMS]
    own = script.curves([script.scored(u, words, frames) for u in two], keys)
    placed = script.curves([script.scored(u, words, frames, (standardised, raw, centred)) for u in two], keys)
    for there, here in {"standardised": "raw", "raw": "centred", "centred": "standardised"}.items():
        for name in ("alas_skill", "alas_evidence", "frame_skill"):
            np.testing.assert_allclose(placed[f"{name}_{here}"].values, own[f"{name}_{there}"].values, atol=1e-6)


# Training


def test_every_question_is_answered_by_the_sentence() -> None:
    from lessons import questions

    asked = {lesson.instruction: lesson.answer for lesson in questions("The more you look, the less it is.")}
    assert asked["What is the first word?"] == "The" and asked["What is the last word?"] == "is"
    assert asked['Which word comes after "you"?'] == "look" and asked['Which word comes before "look"?'] == "you"
    assert 'Which word comes after "the"?' not in asked  # said twice
    assert 'Which word comes after "The"?' not in asked


@pytest.fixture
def teacher(scripts, monkeypatch, tmp_path):
    """The training on the demo's small model, on made-up features."""
    import train
    from speech_llm import with_lora
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    from alas_tasks.demo.files import QWEN2_AUDIO

    texts = ["the red dog runs", "a blue cat sings", "the tiger waits", "at noon a cat hides"] * 3
    said = [spoken([(word, 0.0, 0.1) for word in text.split()]) for text in texts]
    rng = np.random.default_rng(0)
    mels = [torch.from_numpy(rng.normal(size=(128, 40 + 4 * i)).astype(np.float16)) for i in range(len(said))]
    monkeypatch.setattr(train, "speak_shard", lambda work, voice, split, number: work)
    monkeypatch.setattr(train, "load_utterances", lambda file: said)
    monkeypatch.setattr(train, "log_mels", lambda recordings, device: mels)

    def build():
        torch.manual_seed(0)
        model = Qwen2AudioForConditionalGeneration.from_pretrained(QWEN2_AUDIO, dtype=torch.float32)
        return with_lora(model.requires_grad_(requires_grad=False))

    tokenizer = AutoProcessor.from_pretrained(QWEN2_AUDIO).tokenizer
    return lambda: train.Teacher(build(), tokenizer, tmp_path)


def test_loss_is_the_models_own_on_the_answers_tokens(teacher) -> None:
    from lessons import Lesson

    taught = teacher()
    features = [np.random.default_rng(i).normal(size=(n, 128)).astype(np.float32) for i, n in enumerate((5, 7))]
    rows = [
        taught.row(Lesson("Repeat what is said.", a), len(f), "")
        for a, f in zip(("a dog", "the cat"), features, strict=True)
    ]
    model = taught.language
    found = taught.answer_loss(rows, features)
    expected = []
    for (prompt, answer), heard in zip(rows, features, strict=True):
        ids = torch.tensor([prompt + answer])
        embedded = model.get_input_embeddings()(ids)
        at = ids == taught.tokenizer.convert_tokens_to_ids("<|AUDIO|>")
        embedded[at] = taught.model.model.multi_modal_projector(torch.from_numpy(heard))
        logits = taught.head(model(inputs_embeds=embedded).last_hidden_state)[0, len(prompt) - 1 : -1]
        expected.append(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum"))
    tokens = sum(len(answer) for _, answer in rows)
    assert found.item() == pytest.approx(sum(e.item() for e in expected) / tokens, rel=1e-4)


def test_augmented_features_are_the_same_words_otherwise_said(scripts) -> None:
    from augmentation import masked, noisy, warped

    tone = torch.full((80, 60), -1.0)
    tone[40] = 1.0
    torch.testing.assert_close(warped(tone, 1.0, 1.0), tone)
    higher = warped(tone, 1.1, 1.5)
    assert higher.shape == (80, 90) and set(higher.argmax(0).tolist()) == {44}
    torch.manual_seed(0)
    loud = noisy(tone, level=0.0, tilt=0.0)
    assert (loud[40] - 1).abs().max() < 0.01  # 40 dB below the tone
    assert loud[:40].median() == pytest.approx(np.log10(np.log(2)) / 4, abs=0.01)  # an exponential law's, of power
    rising = noisy(tone, level=0.0, tilt=0.5)
    assert rising[70:].mean() - rising[:10].mean() == pytest.approx(0.5 * 70 / 80, abs=0.05)
    holes = masked(torch.ones(80, 400), np.random.default_rng(0))
    assert set(holes.unique().tolist()) == {-1.0, 1.0} and (holes == 1).float().mean() > 0.6


def test_interrupted_training_ends_where_an_uninterrupted_one_ends(teacher, tmp_path) -> None:
    import train

    def trained(folder: Path, *until: int) -> list[torch.Tensor]:
        for steps in until:
            taught = teacher()
            module = train.Trained(taught.adapted)
            stage = train.Stage("lora", 4, 1e-3, taught.loss, list(module.parameters()))

            def stop(done: int, steps: int = steps) -> None:
                if done == steps < 4:
                    raise KeyboardInterrupt

            with suppress(KeyboardInterrupt):
                train.train(module, stage, folder, 0, stop, save_every=1)
        return [p.detach() for p in module.parameters()]

    whole, pieces = trained(tmp_path / "whole", 4), trained(tmp_path / "pieces", 1, 3, 4)
    assert all(torch.equal(a, b) for a, b in zip(whole, pieces, strict=True))
    before = [p.detach() for p in train.Trained(teacher().adapted).parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(whole, before, strict=True))


def test_a_merged_adapter_answers_as_the_adapted_model_did(teacher, tmp_path) -> None:
    from speech_llm import load_adapter, place_tensors, save_adapter, trained_tensors
    from transformers import Qwen2AudioForConditionalGeneration

    from alas_tasks.demo.files import QWEN2_AUDIO

    adapted = teacher().adapted
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in trained_tensors(adapted).values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_adapter(adapted, tmp_path / "a.safetensors")
    plain = Qwen2AudioForConditionalGeneration.from_pretrained(QWEN2_AUDIO, dtype=torch.float32)
    ids = torch.arange(20)[None]
    untouched = plain(input_ids=ids).logits
    merged = load_adapter(plain, tmp_path / "a.safetensors")
    adapted.eval()
    torch.testing.assert_close(merged(input_ids=ids).logits, adapted(input_ids=ids).logits, atol=2e-2, rtol=1e-2)
    assert (merged(input_ids=ids).logits - untouched).abs().max() > 0.5
    with pytest.raises(ValueError, match="are not the model's"):
        place_tensors(trained_tensors(adapted), {})


def test_a_batch_is_answered_as_each_of_it_alone(scripts) -> None:
    from hearing import answers
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    from alas_tasks.demo.files import QWEN2_AUDIO

    model = Qwen2AudioForConditionalGeneration.from_pretrained(QWEN2_AUDIO, dtype=torch.float32)
    tokenizer = AutoProcessor.from_pretrained(QWEN2_AUDIO).tokenizer
    heard = [np.random.default_rng(i).normal(size=(n, 128)).astype(np.float32) for i, n in enumerate((5, 40, 17))]
    together = answers(model, tokenizer, heard)
    assert together == [answers(model, tokenizer, [one])[0] for one in heard] and len(set(together)) == 3


def test_tau_is_of_words_that_are_right_and_the_score(scripts) -> None:
    from bench import METRICS
    from checkpoints import tables

    def found(name: str, errors: float, value: float) -> dict:
        values = {key: [9.0, value, value / 2] for key in METRICS}
        values |= {"cka": [9.0, -value, -value]}
        judged = {"verdict": "aligned", "verdicts": "all layers"}
        return {"adapter": name, "word_errors": errors, "values": values, **judged}

    lines = list(tables([found("a", 0.9, 0.1), found("b", 0.5, 0.2), found("c", 0.1, 0.4)]))
    assert lines[2].startswith("| a | 90.0% | 0.08 (0.10) |")
    assert "| `retrieval_skill` | 1.00 | 1.00 |" in lines and "| `cka` | -1.00 | -1.00 |" in lines


def test_a_manifest_holds_speech_with_its_times_and_the_pipeline_runs_on_it(scripts, monkeypatch, tmp_path) -> None:
    import manifest
    import pipeline
    import soundfile

    words = [("one", 0.0, 0.5), ("two.", 0.6, 1.0)]
    monkeypatch.setattr(manifest, "speak_shard", lambda *_: None)
    monkeypatch.setattr(manifest, "load_utterances", lambda _: [replace(spoken(words), uid=uid) for uid in "abc"])
    monkeypatch.setattr(sys, "argv", ["manifest.py", str(tmp_path / "joe"), "--utterances", "2"])
    manifest.main()
    rows = [json.loads(line) for line in (tmp_path / "joe/speech.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", "b"] and rows[0]["words"] == [list(word) for word in words]
    assert rows[0]["transcript"] == rows[0]["answer"] == "one two."
    assert soundfile.info(tmp_path / "joe" / rows[0]["audio"]).duration == pytest.approx(2)
    monkeypatch.setattr(pipeline, "whisper_checkpoint", lambda work: work / "base.pt")
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm/modules.json").touch()
    monkeypatch.setattr(pipeline, "unpacked", lambda part, work: [work / part])
    *made, run = pipeline.commands(tmp_path, tmp_path / "out", tmp_path / "a.safetensors", 2, ["joe", "human"])
    assert [Path(command[0]).name for command in made].count("alas") == 2 and "--adapter" in made[0]
    assert f"alas_sbert={tmp_path / 'minilm'}" in run[run.index("--model_args") + 1]
    assert run[run.index("--tasks") + 1].count("real_") == 2
    *_, several = pipeline.commands(tmp_path, tmp_path / "out", tmp_path / "a.safetensors", 2, ["joe"], processes=2)
    assert "accelerate launch --cpu --num_processes 2 -m lmms_eval --tasks" in " ".join(several)


# The real weights


@pytest.fixture(scope="module")
def work(scripts) -> Path:
    from parts import default_work, have

    folder = default_work()
    missing = [part for part in ("whisper-base", "smollm2", "sentences") if not have(part, folder)]
    if missing:
        pytest.skip(f"{folder} lacks {', '.join(missing)}: run `python tools/real_parts/bench.py --output FOLDER` once")
    for module in ("hibari", "onnx", "gguf"):
        pytest.importorskip(module)
    return folder


@pytest.mark.real
def test_standardised_skill_finds_words_in_a_real_llm_where_raw_is_blind(work) -> None:
    import bench as script
    from states import Listener

    speech = script.Speech({"heart": 2}, {"heart": 1}, utterances=10)
    bench = script.run(Listener("smollm2", work), speech, {})
    middle = {key: curve.values[1:17].mean() for key, curve in bench.curves.items()}
    assert middle["alas_skill_standardised", "ridge"] > 0.3
    assert middle["alas_skill_raw", "ridge"] < 0
    # Words one word late have a skill above 0 too, which is why the word at its own time is asked for.
    assert max(middle["alas_skill_standardised", other] for other in ("rotated", "random", "mel")) < 0.2
    assert middle["retrieval_skill", "ridge"] > 0.3
    assert max(middle["retrieval_skill", other] for other in script.OTHERS) < 0.2


@pytest.mark.real
def test_the_trained_speech_llm_aligns_and_hears_in_the_harness(work, tmp_path) -> None:
    import pipeline

    options = ["--voices", "joe", "--utterances", "4"]
    subprocess.run([sys.executable, f"{TOOLS}/pipeline.py", str(tmp_path), *options], check=True)
    assert pipeline.ADAPTER.stat().st_size < 12e6
    (results,) = tmp_path.glob("results/**/*_results.json")
    (scores,) = json.loads(results.read_text())["results"].values()
    assert scores["alas_skill_all,none"] > 0.8
    assert scores["answer_similarity_audio,none"] > 0.4
    (samples,) = tmp_path.glob("results/**/*_samples_real_joe.jsonl")
    assert len(samples.read_text().splitlines()) == 4


@pytest.mark.real
def test_the_full_stops_of_an_abbreviation_take_no_speech_from_the_next_word() -> None:
    """Whisper base gives the last full stop of `U.S.` up to 0.25 s of what follows."""
    from parts import default_work
    from synthesis import VOICES, say, synthesiser

    from alas_metric.document.units import split_units
    from model_patches.reference.whisper_reference import WhisperReference

    checkpoint = default_work() / "models/whisper-base.pt"
    if not checkpoint.is_file():
        pytest.skip(f"there is no {checkpoint}: run `python tools/real_parts/bench.py --output FOLDER` once")
    reference = WhisperReference(str(checkpoint), device="cpu")
    voice = VOICES["espeak-us-f2"]
    sayer = synthesiser(voice, default_work())
    for text in ("The U.S. president spoke to the press.", "The U.S. economy grew last year."):
        said = say(voice, sayer, "u", text)
        words = reference.words(said.samples.astype(np.float32), text, split_units(text))
        assert [word.start for word in words[1:3]] == pytest.approx(
            [start for _, start, _ in said.words[1:3]], abs=0.12
        )
