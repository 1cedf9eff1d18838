"""SALMONN: every stage against the original's recorded outputs, its prompts and positions, its files and errors."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from kept_similarities import KeptSimilarities
from lmms_eval.api.instance import Instance

from alas_metric import AlignmentRecord, WordTiming, score_record, split_units
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.speech import SpeechSample
from model_patches import probe
from model_patches.adapters.capture import WordPooling, capture_prefill
from model_patches.families.salmonn.beats import Beats
from model_patches.families.salmonn.fbank import beats_features
from model_patches.families.salmonn.loading import load_tokenizer
from model_patches.harness.salmonn import Salmonn
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation

EMOTION = (
    "Describe the emotion of the speaker in one word. The emotion could be only from these four category: anger, "
    "happiness, sadness, neutrality."
)
GREEDY = {"max_new_tokens": 5, "do_sample": False}
PLACEHOLDERS = 88

STAGES = [
    ("prompt ids", "end to end"),
    ("log-mel", "end to end"),
    ("filter banks", "end to end"),
    *(
        (stage, route)
        for stage in ("BEATs", "Whisper", "joined", "Q-Former", "projected")
        for route in ("fed", "end to end")
    ),
    *((f"BEATs {part}", "fed") for part in ("convolution", "position bias", "first layer")),
    ("wrapped", "fed"),
    *(
        (stage, route)
        for stage in (
            *(f"hidden states {layer}" for layer in range(5)),
            "first logits",
            "greedy ids",
            "step logits",
            "beam ids",
        )
        for route in ("fed", "end to end")
    ),
]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)


def evenly(transcript: str, seconds: float) -> list[WordTiming]:
    units = split_units(transcript)
    step = seconds / len(units)
    return [WordTiming(unit.text, i * step, (i + 1) * step) for i, unit in enumerate(units)]


# The original's outputs.


@pytest.fixture(scope="module")
def differences(salmonn, salmonn_folder):
    from salmonn_conformance import compare_all

    return compare_all(salmonn, salmonn_folder)


@pytest.mark.parametrize(("stage", "route"), STAGES)
def test_equals_the_original(differences, stage, route) -> None:
    found = {
        case: difference
        for case, of_case in differences.items()
        for difference in of_case
        if (difference.stage, difference.route) == (stage, route)
    }
    assert found
    assert {case: d for case, d in found.items() if not d.value <= d.tolerance} == {}


def test_no_stage_is_left_out(differences) -> None:
    assert {(d.stage, d.route) for of_case in differences.values() for d in of_case} == set(STAGES)


def test_longer_clips_and_a_batch_equal_the_original(salmonn, full_salmonn_folder) -> None:
    from salmonn_conformance import AUDIO, BATCH, TEXT, compare_all

    found = compare_all(salmonn, full_salmonn_folder)
    assert set(found) == {*AUDIO, BATCH, *TEXT}
    assert {case: [d for d in of_case if not d.value <= d.tolerance] for case, of_case in found.items()} == {
        case: [] for case in found
    }


@torch.no_grad()
@pytest.mark.parametrize("case", ["text_nospace", "text_space"])
def test_without_lora_it_is_the_plain_language_model(salmonn, salmonn_folder, case) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from salmonn_conformance import FED, VOCABULARY, largest, read_expected

    expected = read_expected(salmonn_folder, case)
    layers = [module for module in salmonn.model.modules() if isinstance(module, BaseTunerLayer)]
    assert len(layers) == 8, "queries and values of four layers"
    for layer in layers:
        layer.enable_adapters(False)
    try:
        output = salmonn.model(expected["input_ids"], output_hidden_states=True)
    finally:
        for layer in layers:
            layer.enable_adapters(True)
    found = torch.stack(output.hidden_states)
    assert largest(found, expected["hidden_states_no_lora"]) <= FED
    assert largest(output.logits[:, -1], expected["logits_first_no_lora"][:, :VOCABULARY]) <= FED


def test_the_tokenizer_is_read_from_sentencepiece(salmonn_folder) -> None:
    tokenizer = load_tokenizer(str(salmonn_folder / "tiny_llama"))
    vectors = json.loads((salmonn_folder / "expected" / "tokenizer_vectors.json").read_text())["encode"]
    # A text that starts with a space gets no second one, special tokens inside a text are tokens, and there is no
    # [PAD]: none of these occurs in a prompt.
    unlike = (" ", "▁")
    same = [
        v for v in vectors if not v["text"].startswith(unlike) and "[PAD]" not in v["text"] and "<s>" not in v["text"]
    ]
    assert len(same) >= 83
    for vector in same:
        assert tokenizer(vector["text"], add_special_tokens=False).input_ids == vector["ids"], vector["text"]
        assert tokenizer(vector["text"]).input_ids == vector["ids_with_bos"]


# Filter banks and BEATs, where the answer is known without the original.


def test_filter_banks_of_a_tone_peak_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    features = beats_features(tone)
    mel = lambda hertz: 1127 * np.log1p(hertz / 700)  # noqa: E731
    band = (mel(1000) - mel(20)) / (mel(8000) - mel(20)) * 129 - 1
    assert features.shape == (98, 128) and features.dtype == np.float32
    assert (abs(features.argmax(axis=1) - band) < 1).all()


def test_filter_banks_of_silence_are_finite() -> None:
    assert np.isfinite(beats_features(np.zeros(400))).all()


def test_a_beats_of_another_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="layer_norm_first"):
        Beats.from_checkpoint({"cfg": {"layer_norm_first": True}, "model": {}})


# Prompts, positions and words.


def test_prompts_are_those_of_the_paper(salmonn) -> None:
    assert salmonn.render("What is said?", 1) == ("USER: <Speech><SpeechHere></Speech> What is said?\nASSISTANT:")
    assert salmonn.render_text("HELLO WORLD", "What is said?") == (
        "USER: <Text>HELLO WORLD</Text>What is said?\nASSISTANT:"
    )


@pytest.mark.parametrize(
    ("seconds", "positions"),
    [(0.01, 1), (0.34, 1), (0.3401, 2), (0.6, 2), (1, 3), (7.3, 22), (29, 86), (29.95, 88), (30, 88)],
)
def test_positions_beyond_the_audio_are_trimmed(salmonn, seconds, positions) -> None:
    prompts = salmonn.audio_prompts([noise(seconds)], ["?"])
    salmonn.check_audio(prompts, [seconds])
    ids = prompts.inputs["input_ids"][0]
    assert (ids == salmonn.audio_token_id).sum() == PLACEHOLDERS, "the model itself always gets all of them"
    kept = prompts.positions[0]
    assert kept.tolist() == list(range(int(kept[0]), int(kept[0]) + positions))
    assert int(kept[0]) == int((ids == salmonn.audio_token_id).nonzero()[0])
    assert salmonn.seconds_per_position == 0.34


@pytest.mark.parametrize(("seconds", "cause"), [(0, "too_short"), (30.001, "too_long"), (35, "too_long")])
def test_audio_that_cannot_be_scored_is_skipped(salmonn, seconds, cause) -> None:
    with pytest.raises(SkipDocument, match=cause):
        salmonn.audio_prompts([noise(seconds)], ["?"])


@pytest.mark.parametrize(
    "transcript",
    [
        "the quick brown fox",
        "HELLO WORLD",
        "naïve café, isn't it?",
        "a well-known twenty-one",
        "日本 の",
        "what? what?",
    ],
)
def test_words_are_found_by_their_characters(salmonn, transcript) -> None:
    units = split_units(transcript)
    prompts = salmonn.text_prompts([transcript], [f"repeat {transcript}"], [units])
    ids = prompts.inputs["input_ids"][0]
    for unit, tokens in zip(units, prompts.words[0], strict=True):
        assert transcript[unit.start : unit.end] in salmonn.tokenizer.decode(ids[tokens])
    starts = [tokens[0] for tokens in prompts.words[0]]
    assert starts == sorted(starts)


def test_a_placeholder_in_a_text_is_not_audio(salmonn) -> None:
    text = salmonn.clean_text("say <SpeechHere> now</s>")
    assert text == "say   now"
    prompts = salmonn.audio_prompts([noise(1)], [text])
    assert (prompts.inputs["input_ids"] == salmonn.audio_token_id).sum() == PLACEHOLDERS


def test_audio_and_placeholders_must_agree(salmonn) -> None:
    with pytest.raises(ValueError, match="no <SpeechHere> in the prompt"):
        salmonn.processor(["what?"], [noise(1)])
    inputs = dict(salmonn.audio_prompts([noise(1)], ["?"]).inputs)
    with pytest.raises(ValueError, match="88 placeholders for 0 audio"):
        salmonn.model.embed(inputs["input_ids"])


# Capture and paired runs.


@pytest.mark.parametrize("seconds", [0.6, 1.0, 7.3])
def test_captured_states_equal_output_hidden_states_bit_for_bit(salmonn, seconds) -> None:
    transcript = "the quick brown fox"
    for prompts in (
        salmonn.audio_prompts([noise(seconds)], ["what is said?"]),
        salmonn.text_prompts([transcript], ["who?"], [split_units(transcript)]),
    ):
        states = {}
        with capture_prefill(salmonn.decoder, lambda entry, tensor: states.setdefault(entry, tensor.clone())) as seen:  # noqa: B023
            output = salmonn.model.generate(**prompts.inputs, **GREEDY)
        seen.check(1, prompts.length, salmonn.decoder.num_entries)
        expected = salmonn.model.generate(
            **prompts.inputs, **GREEDY, output_hidden_states=True, return_dict_in_generate=True
        )
        assert torch.equal(output, expected.sequences)
        assert torch.equal(output[:, : prompts.length], prompts.inputs["input_ids"])
        assert len(states) == len(expected.hidden_states[0]) == 5
        for entry, tensor in enumerate(expected.hidden_states[0]):
            assert torch.equal(states[entry], tensor), f"entry {entry}"


def test_a_batch_equals_single_runs(salmonn) -> None:
    audios = [noise(1), noise(7.3, seed=1), noise(29, seed=2)]
    texts = ["the quick brown fox", "ask not", "what your country can do for you"]
    questions = ["what?", "who is it that speaks here?", "?"]
    units = [split_units(text) for text in texts]

    def run(rows: list[int]) -> tuple[list[np.ndarray], list[list[int]]]:
        pick = lambda values: [values[row] for row in rows]  # noqa: E731
        text = salmonn.text_prompts(pick(texts), pick(questions), pick(units))
        pooling = WordPooling(text.words)
        with capture_prefill(salmonn.decoder, pooling):
            salmonn.model.generate(**text.inputs, **GREEDY)
        audio = salmonn.audio_prompts(pick(audios), pick(questions))
        frames = KeptSimilarities(audio.positions, pooling.vectors, check=True)
        with capture_prefill(salmonn.decoder, frames):
            tokens = salmonn.model.generate(**audio.inputs, **GREEDY, eos_token_id=-1)
        return [frames.of_row(row) for row in range(len(rows))], tokens[:, audio.length :].tolist()

    together, answers = run([0, 1, 2])
    for row in range(3):
        (alone,), (answer,) = run([row])
        np.testing.assert_allclose(together[row], alone, atol=2e-5)
        assert answers[row] == answer


def record_of(salmonn, transcript: str, seconds: float) -> AlignmentRecord:
    sample = SpeechSample(uid="u", audio=None, transcript=transcript, words=evenly(transcript, seconds))
    document = Preparation(salmonn)(sample, "what?", noise(seconds))
    (record,) = PairedRuns(salmonn)([document], [noise(seconds)], GREEDY)
    return AlignmentRecord.from_json(record.to_json())


def test_a_record_of_the_paired_runs(salmonn) -> None:
    record = record_of(salmonn, "the quick brown fox", 4.0)
    assert (record.num_layers, record.num_frames, record.swapped) == (5, 12, False)
    assert record.audio_answer is not None and record.text_answer is not None
    assert "USER" not in record.audio_answer and "SpeechHere" not in record.audio_answer
    assert np.isfinite(score_record(record).columns["alas_raw"]).all()


def test_fewer_positions_than_words_swap_the_roles(salmonn) -> None:
    record = record_of(salmonn, "the quick brown fox jumps over the dog", 1.0)
    assert (record.num_frames, record.swapped) == (3, True)
    columns = score_record(record).columns
    assert np.isfinite(columns["alas_swapped_raw"]).all() and np.isfinite(columns["alas_seconds_raw"]).all()


def test_probe_knows_the_model(salmonn) -> None:
    text = "the quick brown fox"
    record = probe(salmonn.model, salmonn.processor, noise(4), text, words=evenly(text, 4))
    assert (record.num_layers, record.num_frames) == (5, 12)


# Loading.


@pytest.fixture
def arguments(salmonn_folder) -> dict[str, str]:
    names = {"pretrained": "salmonn_tiny.pth", "beats": "tiny_beats.pt"}
    folders = {"llama": "tiny_llama", "whisper": "tiny_whisper", "qformer": "tiny_bert"}
    return {name: str(salmonn_folder / file) for name, file in {**names, **folders}.items()} | {"device": "cpu"}


def refused(arguments: dict[str, str], **changes) -> str:
    with pytest.raises(FatalError) as error:
        Salmonn(**{**arguments, **changes})
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("pretrained", "tsinghua-ee/SALMONN-7B"),
        ("beats", "microsoft/unilm"),
        ("llama", "vicuna-7b-v1.5"),
        ("whisper", "openai/whisper-large-v2"),
        ("qformer", "leave it out"),
    ],
)
@pytest.mark.parametrize("value", ["/nowhere/at/all", "nobody/nothing/file.pt"])
def test_a_missing_file_is_named_with_its_source(arguments, name, source, value) -> None:
    message = refused(arguments, **{name: value})
    assert f"{name}=" in message and source in message


def test_beats_has_no_default(arguments) -> None:
    assert "the model argument beats= is missing" in refused(arguments, beats=None)


class Harmful:
    def __reduce__(self):
        return (Path("ran").touch, ())


@pytest.mark.parametrize("name", ["pretrained", "beats"])
@pytest.mark.parametrize("content", ["text", "pickle", "torch pickle", "other", "cut"])
def test_garbage_is_refused_and_nothing_in_it_runs(arguments, name, content, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.pt"
    if content == "text":
        path.write_text("<html>404</html>")
    elif content == "pickle":
        path.write_bytes(pickle.dumps({"model": Harmful(), "cfg": {}}))
    elif content == "torch pickle":
        torch.save({"model": Harmful(), "cfg": {}}, path)
    elif content == "other":
        torch.save({"weights": {}}, path)
    else:
        path.write_bytes(Path(arguments[name]).read_bytes()[:50_000])
    message = refused(arguments, **{name: str(path)})
    assert message.startswith(f"{name}=") and "Expected" in message
    assert "weights_only" not in message, "nobody should be advised to switch the safe reading off"
    assert not Path("ran").exists()


def changed(path: str, folder: Path, change) -> str:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, folder / "changed.pt")
    return str(folder / "changed.pt")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pretrained", lambda c: c["model"].pop("ln_audio.bias"), "ln_audio.bias"),
        ("pretrained", lambda c: c["model"].pop("speech_query_tokens"), "no window-level Q-Former"),
        ("pretrained", lambda c: c["model"].update({"speech_llama_proj.bias": torch.zeros(63)}), "size mismatch"),
        (
            "pretrained",
            lambda c: c["model"].pop(
                "llama_model.base_model.model.model.layers.3.self_attn.q_proj.lora_A.default.weight"
            ),
            "does not belong to this llama",
        ),
        ("pretrained", lambda c: c["config"].update(model={"second_per_window": 0.5}), "second_per_window"),
        ("beats", lambda c: c["cfg"].update(deep_norm=False), "deep_norm"),
        ("beats", lambda c: c["cfg"].update(encoder_embed_dim=48), "size mismatch"),
        ("beats", lambda c: c["model"].pop("encoder.pos_conv.0.weight_v"), "pos_conv"),
        ("beats", lambda c: c.pop("cfg"), "'cfg'"),
    ],
)
def test_wrong_weights_are_refused(arguments, tmp_path, name, change, message) -> None:
    text = refused(arguments, **{name: changed(arguments[name], tmp_path, change)})
    assert text.startswith(f"{name}=") and message in text


def test_weights_that_are_not_used_are_named(arguments, tmp_path) -> None:
    from loguru import logger

    extra = {"speech_Qformer.cls.bias": torch.zeros(3), "llama_model.base_model.model.lm_head.weight": torch.zeros(3)}
    lines: list[str] = []
    handle = logger.add(lines.append, level="WARNING", format="{message}")
    Salmonn(**arguments)
    assert lines == [], "leftovers of the original's way of saving are none"
    Salmonn(
        **{**arguments, "pretrained": changed(arguments["pretrained"], tmp_path, lambda c: c["model"].update(extra))}
    )
    logger.remove(handle)
    assert all(name in "".join(lines) for name in ("cls.bias", "lm_head.weight"))


def test_a_whisper_of_other_mels_is_refused(arguments, tmp_path) -> None:
    whisper = Path(arguments["whisper"])
    for file in whisper.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((whisper / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "feature_size": 128}))
    assert "large-v2 has 80" in refused(arguments, whisper=str(tmp_path))


def test_lora_alpha_comes_from_the_argument_the_checkpoint_or_the_recipe(arguments, tmp_path) -> None:
    def scaling(**changes) -> float:
        layer = Salmonn(**{**arguments, **changes}).model.llama_model.model.layers[0].self_attn.q_proj
        return layer.scaling["default"]

    assert scaling() == 4.0
    saved = changed(arguments["pretrained"], tmp_path, lambda c: c["config"].update(model={"lora_alpha": 16}))
    assert scaling(pretrained=saved) == 2.0
    assert scaling(pretrained=saved, lora_alpha=28) == 3.5


def test_in_half_precision_only_the_language_model_is_half(arguments) -> None:
    model = Salmonn(**arguments, dtype="bfloat16").model
    kinds = {name.split(".")[0]: p.dtype for name, p in model.named_parameters() if "llama_model" not in name}
    assert set(kinds.values()) == {torch.float32}
    llama = {"lora" if ".lora_" in name else "base": p.dtype for name, p in model.llama_model.named_parameters()}
    assert llama == {"lora": torch.float32, "base": torch.bfloat16}
    assert model.dtype == torch.bfloat16


# The harness.


def ask(wrapper: Salmonn, documents: list[list[dict]], **generation) -> list[str]:
    wrapper.task_dict = {"stock": {"test": documents}}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=("what is said?", dict(generation), lambda doc: doc, number, "stock", "test"),
            idx=0,
            metadata={"task": "stock", "doc_id": number, "repeats": 1},
        )
        for number, _ in enumerate(documents)
    ]
    return wrapper.generate_until(requests)


def clip(seconds: float, rate: int = 16000) -> dict:
    return {"array": noise(seconds * rate / 16000), "sampling_rate": rate}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_stock_tasks_are_answered(arguments, dtype) -> None:
    wrapper = Salmonn(**arguments, dtype=dtype)
    answers = ask(wrapper, [[clip(1)], [clip(35)], [clip(2, 44100)], []], max_new_tokens=6)
    assert len(answers) == 4 and all(isinstance(answer, str) for answer in answers)
    if dtype == "float32":
        inputs = wrapper.processor(["USER: <Speech><SpeechHere></Speech> what is said?\nASSISTANT:"], [noise(1)])
        tokens = wrapper.model.generate(**inputs, max_new_tokens=6, do_sample=False)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        assert answers[0] == wrapper.tokenizer.decode(new, skip_special_tokens=True).strip()
        assert ask(wrapper, [[clip(1)]], max_new_tokens=6, until=[answers[0][1]])[0] == answers[0][:1]


def test_two_audios_in_one_question_are_refused(arguments) -> None:
    with pytest.raises(FatalError, match="one audio per question"):
        ask(Salmonn(**arguments), [[clip(1), clip(1)]])


def test_an_unknown_argument_is_named(arguments) -> None:
    assert "unknown model argument vicuna" in refused(arguments, vicuna="x")


def test_other_weights_are_another_run(arguments, tmp_path) -> None:
    weights = Salmonn(**arguments)._identity["weights"]
    assert set(weights) == {"pretrained", "beats", "llama", "whisper", "qformer"}
    other = changed(arguments["beats"], tmp_path, lambda c: c["model"]["layer_norm.bias"].add_(1))
    assert Salmonn(**{**arguments, "beats": other})._identity["weights"]["beats"] != weights["beats"]


@pytest.mark.slow
def test_the_command_line(arguments, sentence_bert_folder, whisper_file, tmp_path) -> None:
    from worlds import local_data

    environment = local_data(tmp_path)
    given = {
        **arguments,
        "dtype": "float32",
        "alas_reference": f"whisper:{whisper_file}",
        "alas_sbert": sentence_bert_folder,
    }
    command = [sys.executable, "-m", "lmms_eval", "--tasks", "alas", "--model", "salmonn", "--log_samples"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in given.items() if name != "device")]
    command += ["--device", "cpu", "--gen_kwargs", "max_new_tokens=4", "--output_path", "out", "--limit", "2"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    for task, question in {"librisqa": ". Answer the  question as short", "iemocap": EMOTION}.items():
        # The harness also exits with 0 when a run failed.
        (log,) = (tmp_path / "out").rglob(f"*_samples_alas_{task}.jsonl")
        records = [AlignmentRecord.from_json(json.loads(line)["filtered_resps"]) for line in log.open()]
        scored = [record for record in records if record.skipped is None]
        assert scored and all(question in record.instruction for record in scored)
        assert all(record.num_layers == 5 for record in scored)
