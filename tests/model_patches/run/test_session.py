"""Documents that are hard, broken or interrupted: each is scored, or left out by its cause; none loses the run."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from lmms_eval.api.instance import Instance
from speech_samples import SHORT, evenly, requests_for, run, sample, speech

from alas_metric import AlignmentRecord, WordTiming, score_record
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.answer_similarity import DEFAULT_MODEL, MULTILINGUAL_MODEL
from alas_tasks.speech import SpeechSample
from model_patches.adapters.generation import generation_arguments
from model_patches.reference.whisper_reference import WhisperReference
from model_patches.run import comparison, harness_run
from model_patches.run.options import AlasOptions
from model_patches.run.requests import batches, read_requests
from model_patches.run.session import Session

pytestmark = pytest.mark.usefixtures("no_sentence_bert")


@pytest.fixture
def make(qwen2_audio):
    def build(batch_size: int = 1, **options) -> Session:
        return Session(
            qwen2_audio,
            AlasOptions(**{"reference": "words", **options}),
            {"model": "tiny"},
            batch_size=batch_size,
        )

    return build


SCORED = {
    "one word": sample("a", "fox", 1),
    "more words than positions": sample("b", " ".join(f"w{i}" for i in range(60)), 1),
    "44.1 kHz stereo": sample("c", seconds=2, audio=speech(2, 44100, 2)),
    "8 kHz": sample("d", seconds=2, audio=speech(2, 8000)),
    "35 s": sample("e", "ask not what your country can do", 35),
    "95 s": sample("f", "ask not what your country can do", 95),
    "silence": sample("g", seconds=2, audio={"array": np.zeros(32000, np.float32), "sampling_rate": 16000}),
    "emoji": sample("h", "smile \U0001f600 now \U0001f468\u200d\U0001f469\u200d\U0001f467"),
    "placeholder": sample("i", "say <|AUDIO|> now <|im_end|>"),
    "control characters": sample("j", "a\x00b\x07 c\u2028d\r\n e"),
    "think tags and quotes": sample("k", '<think> {"a": 1} </think> it\'s "so" \\ {{b}}'),
}


@pytest.mark.parametrize("name", SCORED)
def test_hard_but_scored(make, name) -> None:
    document = SCORED[name]
    if name in ("placeholder", "control characters", "emoji", "think tags and quotes"):
        cleaned = make().prepare.adapter.clean_text(document.transcript)
        document = sample(document.uid, document.transcript, words=evenly(cleaned, 2))
    (record,) = run(make(), [document])
    assert record.skipped is None
    scores = score_record(record)
    assert np.isfinite(scores.columns["alas_seconds_raw"]).all()
    assert record.forced == (name == "one word")
    assert record.swapped == (name == "more words than positions")


SKIPPED = {
    "empty_transcript": sample("a", "[LAUGHTER] -- ...", words=None),
    "too_short": sample("b", seconds=0.02),
    "non_finite_audio": sample(
        "c", audio={"array": np.array([0.0, np.nan] * 8000, np.float32), "sampling_rate": 16000}
    ),
    "missing_audio": sample("d", audio={"path": "/nowhere/x.wav", "bytes": None}),
    "unreadable_audio": sample("e", audio={"path": "x.flac", "bytes": b"fLaC not really"}),
    "bad_timestamps": sample("f", words=[WordTiming(w, 0.5, float("nan")) for w in ["the", "quick", "brown", "fox"]]),
    "no_word_timestamps": sample("g", words=None),
}


def test_each_is_left_out_by_its_cause_and_the_others_survive(make, log) -> None:
    samples = [sample("first"), *SKIPPED.values(), sample("last", seconds=1)]
    for batch_size in (1, 3):
        records = run(make(batch_size), samples)
        assert [r.skipped and r.skipped["cause"] for r in records] == [None, *SKIPPED, None]
        assert [r.uid for r in records] == [s.uid for s in samples]
    for cause, document in SKIPPED.items():
        assert any(f"{document.uid}: {cause}" in line for line in log)


def test_truncated_flac_and_reversed_words(make, tmp_path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, speech(2)["array"], 16000)
    path.write_bytes(path.read_bytes()[:-4000])
    backwards = [WordTiming(w, 1.0, 0.5) for w in ["the", "quick", "brown", "fox"]]
    records = run(make(), [sample("a", audio={"path": str(path), "bytes": None}), sample("b", words=backwards)])
    assert [r.skipped["cause"] for r in records] == ["unreadable_audio", "bad_timestamps"]


def test_a_document_that_raises_in_the_middle_of_a_batch(make, monkeypatch) -> None:
    session = make(3)
    model = session.runs.adapter.model
    generate = type(model).generate
    samples = [sample("a"), sample("b", seconds=1.7), sample("c", seconds=1.4)]

    def fragile(self, *args, **kwargs):
        features = kwargs.get("input_features")
        if features is not None and (kwargs["feature_attention_mask"].sum(-1) == 170).any():
            raise RuntimeError("a kernel of this document alone")
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "generate", fragile)
    records = run(session, samples)
    assert [r.skipped and r.skipped["cause"] for r in records] == [None, "error", None]
    assert "a kernel of this document alone" in records[1].skipped["detail"]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("you can't allocate memory")]
)
def test_out_of_memory_on_one_document(make, monkeypatch, error) -> None:
    session = make()
    whole = session.runs.adapter.audio_prompts

    def limited(audios, instructions):
        if len(audios[0]) > 16000:
            raise error
        return whole(audios, instructions)

    monkeypatch.setattr(session.runs.adapter, "audio_prompts", limited)
    records = run(session, [sample("a", seconds=1), sample("b"), sample("c", seconds=1)])
    assert [r.skipped and r.skipped["cause"] for r in records] == [None, "out_of_memory", None]


def test_audio_that_does_not_reach_the_model_ends_the_run(make, monkeypatch) -> None:
    session = make()
    encode = session.runs.adapter.encode_audio

    def forgetful(prompts, segments):
        inputs = encode(prompts, segments)
        return {name: value for name, value in inputs.items() if "feature" not in name}

    monkeypatch.setattr(session.runs.adapter, "encode_audio", forgetful)
    with pytest.raises(FatalError, match=r"first document did not reach the model.*no audio features"):
        run(session, [sample("a")])


def test_batches_move_no_score(make) -> None:
    samples = [
        sample("a"),
        sample("b", "ask not what your country can do for you", 5),
        sample("c", "hello world", 3.3),
        sample("d", "one two three", 31),
    ]
    one, three = run(make(1), samples), run(make(3), samples)
    for single, batched in zip(one, three, strict=True):
        assert single.text_answer == batched.text_answer and single.audio_answer == batched.audio_answer
        for key, column in score_record(single).columns.items():
            np.testing.assert_allclose(score_record(batched).columns[key], column, atol=1e-6, err_msg=key)


def test_without_answers_the_alignment_is_the_same(make) -> None:
    full, probed = run(make(), [sample("a")])[0], run(make(responses=False), [sample("a")])[0]
    assert probed.audio_answer is None and probed.text_answer is None and probed.similarities == {}
    for kind, path in full.paths.items():
        assert np.array_equal(path, probed.paths[kind])


def test_closed_answers_are_compared_as_labels(make) -> None:
    document = sample("a", target="happiness", read_answer=lambda answer: "happiness" if answer else None)
    (record,) = run(make(), [document])
    assert record.labels == {"audio": "happiness", "text": "happiness", "target": "happiness"}
    assert record.similarities == {}


def test_padding_is_not_run_and_repeats_are(make) -> None:
    samples = [sample("a"), sample("b")]
    session = make()
    requests = requests_for(samples, padding={1})
    answers = session.answer([requests[0], requests[0], requests[1]], {"task": {"test": samples}})
    assert answers[0] == answers[1] != "" and answers[2] == ""
    items = read_requests([requests[0], requests[0], requests[1]], {"task": {"test": samples}})
    assert [item.repeat for item in items] == [0, 1, 0]


def test_chat_requests_are_read_too(make) -> None:
    document = sample("a")

    def messages(doc):
        return [{"role": "user", "content": [{"type": "speech_sample", "url": doc}, {"type": "text"}]}]

    request = Instance(
        request_type="generate_until",
        arguments=("what?", messages, dict(SHORT), 0, "task", "test"),
        idx=0,
        metadata={"task": "task", "doc_id": 0, "repeats": 1, "alas": True},
    )
    answer = make().answer([request], {"task": {"test": [document]}})
    assert answer == make().answer(requests_for([document]), {"task": {"test": [document]}})


def test_the_record_survives_answers_of_any_shape(make, monkeypatch) -> None:
    from lmms_eval.api.reasoning import strip_reasoning_tags

    answers = ['<think>no</think> "yes" {"a": [1]}', ""]
    session = make()
    monkeypatch.setattr(session.runs.adapter.tokenizer, "batch_decode", lambda *a, **k: [answers[0]])
    (answer,) = session.answer(requests_for([sample("a")]), {"task": {"test": [sample("a")]}})
    stripped = strip_reasoning_tags(answer.strip(), [["<think>", "</think>"]])
    assert AlignmentRecord.from_json(stripped).audio_answer == answers[0]


def test_journal_gives_finished_records_back(make, tmp_path, monkeypatch) -> None:
    samples = [sample("a"), sample("b", seconds=1), sample("broken", seconds=0.02)]
    first = make(journal=str(tmp_path))
    records = run(first, samples)
    again = make(journal=str(tmp_path))
    monkeypatch.setattr(again.runs, "_generate", lambda *_: pytest.fail("a finished document ran again"))
    replayed = run(again, samples)
    assert [r.to_json() for r in replayed] == [r.to_json() for r in records]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"question": "who?"},
        lambda s: {"generation": {"max_new_tokens": 5, "until": []}},
        lambda s: s.identity.update(weights="other"),
        lambda s: s.identity.update(versions={"plugin": "0.0.0"}),
    ],
    ids=["prompt", "generation", "weights", "version"],
)
def test_journal_keys_hold_what_can_change_a_record(make, tmp_path, change) -> None:
    run(make(journal=str(tmp_path)), [sample("a")])
    session = make(journal=str(tmp_path))
    kwargs = change(session) or {}
    ran = []
    finish = session._finish
    session._finish = lambda batch: ran.extend(batch) or finish(batch)
    run(session, [sample("a")], **kwargs)
    assert len(ran) == 1


def test_journal_of_a_run_that_downloaded_sentence_bert_is_of_use(make, tmp_path, monkeypatch) -> None:
    """What Sentence-BERT is, is known once it was loaded; asked before, the first run of all would not know it."""
    loaded: list[str] = []
    compare = lambda pairs: [None if None in pair else 1.0 for pair in pairs]  # noqa: E731
    load = lambda name: loaded.append(name) or SimpleNamespace(pairs=compare)  # noqa: E731
    monkeypatch.setattr(comparison, "SentenceSimilarity", load)
    monkeypatch.setattr(comparison, "weights_fingerprint", lambda name: f"{name}@{'c' * 40 if loaded else None}")
    (record,) = run(make(journal=str(tmp_path)), [sample("a")])
    assert record.settings["answer_similarity_weights"] == f"{DEFAULT_MODEL}@{'c' * 40}"
    again = make(journal=str(tmp_path))
    monkeypatch.setattr(again.runs, "_generate", lambda *_: pytest.fail("a finished document ran again"))
    assert run(again, [sample("a")])[0].to_json() == record.to_json()


def test_records_and_results_say_what_made_them(make, monkeypatch) -> None:
    closed = sample("b", read_answer=lambda answer: "yes", target="yes")
    with harness_run.running(None, "date") as told:
        free, labelled = run(make(), [sample("a"), closed])
    settings = {"dtype": "float32", "device": "cpu", "attention": "sdpa", "answer_similarity": DEFAULT_MODEL}
    assert settings.items() <= free.settings.items()
    assert {"plugin", "torch", "transformers", "openai-whisper", "prompts"} <= free.settings.keys()
    # Sentence-BERT has no part in closed answers: a run of such a task alone would not even load it.
    assert free.settings.keys() - labelled.settings.keys() == {"answer_similarity", "answer_similarity_weights"}
    assert told.facts["settings"] == free.settings and "numpy" in told.facts["packages"]


def test_journal_notices_other_audio_and_other_reference(make, tmp_path) -> None:
    run(make(journal=str(tmp_path)), [sample("a")])
    for changed in (
        sample("a", audio=speech(2, seed=1)),
        sample("a", words=evenly("the quick brown fox", 1.5)),
    ):
        session = make(journal=str(tmp_path))
        ran = []
        finish = session._finish
        session._finish = lambda batch, ran=ran, finish=finish: ran.extend(batch) or finish(batch)
        run(session, [changed])
        assert len(ran) == 1


def test_what_a_killed_process_left_in_the_journal_is_passed_over(make, tmp_path) -> None:
    (record,) = run(make(journal=str(tmp_path)), [sample("a")])
    (path,) = tmp_path.glob("*.tsv")
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    (tmp_path / "records-other-1.tsv").write_text("\n" + "k" * 64 + "\t{}\n\x00\xff garbage\n")
    (again,) = run(make(journal=str(tmp_path)), [sample("a")])
    assert again.to_json() == record.to_json()


def test_failures_that_pass_are_not_remembered(make, tmp_path, monkeypatch) -> None:
    session = make(journal=str(tmp_path))
    monkeypatch.setattr(session.runs.adapter, "audio_prompts", lambda *_: (_ for _ in ()).throw(MemoryError()))
    assert run(session, [sample("a")])[0].skipped["cause"] == "out_of_memory"
    monkeypatch.undo()
    monkeypatch.setattr(comparison, "SentenceSimilarity", lambda name: SimpleNamespace(pairs=lambda pairs: [None] * 3))
    assert run(make(journal=str(tmp_path)), [sample("a")])[0].skipped is None


def test_a_journal_that_cannot_be_made_stops_the_run(make, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FatalError, match="alas_journal"):
        make(journal=str(tmp_path / "file" / "below"))


def test_generation_arguments() -> None:
    assert generation_arguments({"max_new_tokens": 7, "temperature": 0, "top_p": None, "until": ["x"]}) == {
        "max_new_tokens": 7,
        "do_sample": False,
    }
    sampled = generation_arguments({"temperature": 0.7, "top_p": 0.9, "do_sample": False, "num_beams": 2})
    assert sampled == {
        "temperature": 0.7,
        "top_p": 0.9,
        "num_beams": 2,
        "max_new_tokens": 150,
        "do_sample": True,
    }
    assert generation_arguments({"temperature": 0.7}, responses=False)["max_new_tokens"] == 1
    for name in ("max_tokenz", "num_return_sequences"):
        with pytest.raises(FatalError, match=f"{name} cannot be used"):
            generation_arguments({name: 3})


def test_answers_are_cut_at_the_stop_texts() -> None:
    from model_patches.adapters.generation import cut

    assert cut(" yes.\n\nQuestion: next", ["\n\n", "Q"]) == "yes."
    assert cut("yes", []) == "yes"


def test_batches_keep_generation_arguments_apart() -> None:
    items = [SimpleNamespace(generation={"n": n % 2}, until=[], duration=n, samples=False) for n in range(5)]
    grouped = [[item.duration for item in batch] for batch in batches(items, 2)]
    assert sorted(map(sorted, grouped)) == [[0], [1, 3], [2, 4]]
    assert [len(batch) for batch in batches(items, 1)] == [1] * 5


def test_gold_words_are_matched_by_their_text(make) -> None:
    spoken = evenly("ask not what", 2)
    whole = SpeechSample(uid="a", audio=speech(2), transcript=None, words=spoken)
    other = sample("b", words=spoken)
    silence = [WordTiming("", 0.0, 0.5), WordTiming("[NOISE]", 0.5, 1.0), WordTiming("Ask,", 1.0, 1.5)]
    events = sample("c", "ask -- NOT", words=[*silence, WordTiming("--", 1.5, 1.6), WordTiming("not", 1.6, 2.0)])
    missing = sample("d", "ask not what why", words=spoken)
    records = run(make(), [whole, other, events, missing])
    assert records[0].transcript == "ask not what"
    assert records[1].skipped["cause"] == "bad_timestamps" and "other words" in records[1].skipped["detail"]
    assert [(w.start, w.end) for w in records[2].references["words"]] == [(1.0, 1.5), (1.6, 2.0)]
    assert records[3].references["words"][:3] == spoken


def test_the_first_document_goes_all_the_way_before_the_others_are_prepared(make) -> None:
    session, order = make(), []
    prepare, finish = session._read_and_place, session._finish
    session._read_and_place = lambda item: order.append(("prepare", item.repeat)) or prepare(item)
    session._finish = lambda batch: order.append(("run", len(batch))) or finish(batch)
    run(session, [sample("a"), sample("b"), sample("c")])
    assert [step for step, _ in order] == ["prepare", "run", "prepare", "prepare", "run", "run"]


def test_failures_that_are_not_a_documents_own_end_the_run(make, monkeypatch) -> None:
    session = make()
    with monkeypatch.context() as patch:
        patch.setattr(session.runs.adapter, "encode_audio", lambda *_: [][0])
        with pytest.raises(FatalError, match=r"3 documents failed and none has gone through.*IndexError"):
            run(session, [sample(name) for name in "abcde"])
    assert [r.skipped["cause"] for r in run(make(), [sample("a", seconds=0.02)] * 5)] == ["too_short"] * 5


def test_a_lost_device_ends_the_run(make, monkeypatch) -> None:
    session = make(2)
    run(session, [sample("a")])

    def lost(*_args, **_kwargs):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(session.runs, "_generate", lost)
    with pytest.raises(FatalError, match="the device failed"):
        run(session, [sample("b"), sample("c")])


def test_a_failure_after_a_batch_loses_none_of_it(make, monkeypatch) -> None:
    session = make(3)
    session.runs.proven = True
    whole, calls = AlignmentRecord.to_json, []

    def fails_once(record):
        calls.append(record.uid)
        if len(calls) == 2:
            raise RuntimeError("once")
        return whole(record)

    monkeypatch.setattr(AlignmentRecord, "to_json", fails_once)
    assert [r.skipped for r in run(session, [sample("a"), sample("b"), sample("c")])] == [None] * 3


SAMPLED = {"max_new_tokens": 12, "temperature": 3.0, "until": []}


def test_sampled_answers_depend_on_the_seed_and_the_document_alone(make, tmp_path) -> None:
    torch.manual_seed(7)
    samples = [sample("a"), sample("b"), sample("c")]
    whole = run(make(), samples, generation=SAMPLED)
    torch.manual_seed(7)
    assert run(make(3), samples[::-1], generation=SAMPLED)[0].to_json() == whole[2].to_json()
    run(make(journal=str(tmp_path)), samples[:1], generation=SAMPLED)
    resumed = run(make(journal=str(tmp_path)), samples, generation=SAMPLED)
    assert [r.to_json() for r in resumed] == [r.to_json() for r in whole]
    torch.manual_seed(8)
    other = run(make(journal=str(tmp_path)), samples, generation=SAMPLED)
    assert [r.audio_answer for r in other] != [r.audio_answer for r in whole]


def test_another_way_of_reading_answers_is_another_record(make, tmp_path) -> None:
    closed = {"target": "yes", "read_answer": lambda answer: "yes"}
    (first,) = run(make(journal=str(tmp_path)), [sample("a", answers=["yes"], **closed)])
    (second,) = run(make(journal=str(tmp_path)), [sample("a", answers=None, target="yes")])
    assert first.labels and second.labels is None and second.similarities


def test_scores_do_not_feel_autocast(make) -> None:
    (expected,) = run(make(), [sample("a")])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (record,) = run(make(), [sample("a")])
    assert record.skipped is None and expected.skipped is None


def test_options_are_tried_before_the_model_is_loaded(tmp_path) -> None:
    from model_patches.run.options import check_options

    cpu = torch.device("cpu")
    with pytest.raises(FatalError, match="alas_reference"):
        check_options(AlasOptions(reference="whisper:nowhere.pt"), cpu)
    (tmp_path / "file").write_text("")
    with pytest.raises(FatalError, match="alas_journal"):
        check_options(AlasOptions(journal=str(tmp_path / "file")), cpu)


class StandIn(WhisperReference):
    """A Whisper that says what the test tells it to."""

    name = fingerprint = ""

    def __init__(self, name: str, words, transcribe=None) -> None:
        self.name, self.words, self.transcribe = name, words, transcribe


def test_whisper_and_gold_words_stand_side_by_side(make) -> None:
    session = make()
    whisper = StandIn(
        name="whisper:fake:align",
        words=lambda audio, transcript, units, language: [WordTiming(u.text, 0.1, 0.2) for u in units],
        transcribe=lambda audio, language: "heard words",
    )
    session.prepare.sources = lambda _: [whisper]
    gold, none = run(session, [sample("a"), SpeechSample(uid="b", audio=speech(1))])
    assert set(gold.references) == {"words", "whisper:fake:align"} and gold.reference == "whisper:fake:align"
    assert none.transcript == "heard words" and none.transcript_source == "whisper"


def test_several_references_in_one_run(make, whisper_file, tmp_path) -> None:
    from tiny_models import make_qwen3_aligner

    from alas_metric.document.record import CONFIDENCE

    folder = make_qwen3_aligner(tmp_path / "aligner")
    both = f"whisper:{whisper_file};qwen3_aligner:{folder}"
    names = [f"whisper:{whisper_file.stem}:align", "qwen3_aligner:aligner"]
    session = make(reference=f"words; {both}", cache=str(tmp_path / "cache"))
    record, without = run(session, [sample("a"), SpeechSample(uid="b", audio=speech(1), transcript="one two")])
    assert list(record.references) == ["words", *names] and record.reference == "words"
    assert set(record.reference_sums) == set(record.references)
    assert without.skipped["cause"] == "no_word_timestamps"
    assert {"whisper_checkpoint", "qwen3_aligner_checkpoint"} <= set(record.settings)
    # Whisper says how sure it is; the data set and the other aligner do not.
    assert set(record.word_values) == {names[0]}
    assert all(0 <= each <= 1 for each in record.word_values[names[0]][CONFIDENCE])
    (aligned,) = run(make(reference=both.partition(";")[2], cache=str(tmp_path / "cache")), [sample("a")])
    assert aligned.reference == names[1] and aligned.references[names[1]] == record.references[names[1]]
    with pytest.raises(FatalError, match="several different ones with ';' between them"):
        make(reference="words;words")


def test_the_task_names_its_reference_and_the_option_overrides(make, whisper_file) -> None:
    asked = replace(sample("a"), reference="words")
    assert run(make(reference=None), [asked])[0].reference == "words"
    (record,) = run(make(reference=f"whisper:{whisper_file}"), [asked])
    assert record.reference.startswith("whisper:") and "words" in record.references


def test_another_aligner_that_finds_nothing_is_left_out(make, log) -> None:
    def nothing(*_args, **_kwargs):
        raise SkipDocument("no_word_timestamps", "silence")

    session = make()
    session.prepare.sources = lambda _: [None, StandIn("whisper:x:align", nothing)]
    (record,) = run(session, [sample("a")])
    assert list(record.references) == ["words"]
    assert any("a is scored without whisper:x:align: silence" in line for line in log)


def test_whisper_that_finds_nothing(make) -> None:
    def nothing(*_args, **_kwargs):
        raise SkipDocument("no_word_timestamps", "silence")

    session = make()
    whisper = StandIn("whisper:x:align", nothing)
    session.prepare.sources = lambda _: [whisper]
    assert run(session, [sample("a")])[0].skipped["cause"] == "no_word_timestamps"


def test_similarities_of_the_first_documents_are_kept(qwen2_audio, tmp_path, log) -> None:
    from alas_metric import score_pair
    from alas_metric.results.dumps import read_dump
    from alas_metric.results.states import read_states
    from model_patches.run.dumping import Dumps, StateFiles

    documents = [
        sample("a", seconds=0.02),
        *[sample(uid, seconds=1.0 + number, audio=speech(1.0 + number)) for number, uid in enumerate("bcd")],
    ]

    def session(batch_size: int, **options) -> Session:
        dumps = Dumps(tmp_path / str(batch_size), "date", 2)
        return Session(
            qwen2_audio,
            AlasOptions(reference="words", **options),
            {},
            batch_size=batch_size,
            keepers=[dumps, StateFiles(tmp_path / str(batch_size), "date", 2)],
        )

    for batch_size in (1, 3):
        records = run(session(batch_size, journal=str(tmp_path / f"journal{batch_size}")), documents)
        files = sorted((tmp_path / str(batch_size) / "date_dump_task").glob("*.npz"))
        assert [path.name for path in files] == ["00000001-b.npz", "00000002-c.npz"], "the skipped one is not kept"
        for path, record in zip(files, records[1:3], strict=True):
            dump = read_dump(path)
            assert dump.record.to_json() == record.to_json()
            again = score_pair(
                dump.similarity,
                uid=record.uid,
                transcript="",
                words=record.words,
                frame_seconds=record.frame_seconds,
                references=record.references,
                reference="words",
            )
            assert np.mean(again.paths["raw"] == record.paths["raw"]) > 0.9, "the same similarities but for rounding"

        states = sorted((tmp_path / str(batch_size) / "date_states_task").glob("*.npz"))
        assert [path.name for path in states] == [path.name for path in files]
        for path, record in zip(states, records[1:3], strict=True):
            found = read_states(path)
            assert found.record.to_json() == record.to_json()
            shape = (record.num_layers, record.num_words)
            assert found.words.shape == found.audio.shape and found.words.shape[:2] == shape
            logs = np.log10(np.linalg.norm(found.audio, axis=-1) / np.linalg.norm(found.words, axis=-1)).sum(axis=-1)
            np.testing.assert_allclose(logs, record.reference_sums["words"]["norm_ratio"]["sum"], atol=0.02)

        for path in (*files, *states):
            path.unlink()
        run(session(batch_size, journal=str(tmp_path / f"journal{batch_size}")), documents)
        assert not list((tmp_path / str(batch_size)).rglob("*.npz"))
        assert any("3 documents came from the journal" in line for line in log)
        log.clear()


def test_answers_are_compared_by_a_model_of_their_language(make, monkeypatch, log) -> None:
    loaded: list[str] = []
    compare = lambda pairs: [None if None in pair else 0.8 for pair in pairs]  # noqa: E731
    monkeypatch.setattr(
        comparison, "SentenceSimilarity", lambda name: loaded.append(name) or SimpleNamespace(pairs=compare)
    )
    monkeypatch.setattr(comparison, "weights_fingerprint", lambda name: f"{name}@c")
    documents = [sample("a"), replace(sample("b"), language="zh"), replace(sample("c"), language="de")]
    with harness_run.running(None, "date") as told:
        records = run(make(), documents)
    assert loaded == [DEFAULT_MODEL, MULTILINGUAL_MODEL], "each once"
    assert [each.settings["answer_similarity"] for each in records] == [DEFAULT_MODEL, *[MULTILINGUAL_MODEL] * 2]
    assert told.facts["settings"]["answer_similarity"] == f"{DEFAULT_MODEL}, {MULTILINGUAL_MODEL}"
    loaded.clear()
    run(make(language="zh"), documents[:1])
    run(make(sbert="mine"), documents)
    assert loaded == [MULTILINGUAL_MODEL, "mine"]
    run(make(sbert=DEFAULT_MODEL), documents[1:])
    assert any("reads English only" in line for line in log)


def test_answers_contained_in_each_other_agree_where_the_task_says_so(make, monkeypatch) -> None:
    monkeypatch.setattr(comparison, "SentenceSimilarity", lambda _: SimpleNamespace(pairs=lambda pairs: [0.5] * 3))
    monkeypatch.setattr("model_patches.run.paired.cut", lambda answer, until: "to Boston")
    plain, asked = run(make(), [sample("a"), replace(sample("b"), answers="free_or_contained")])
    assert plain.similarities["contained"] == asked.similarities["contained"] == 1.0
    assert (score_record(plain).agreement, score_record(asked).agreement) == (0.5, 1.0)
    assert score_record(plain, contained=True).agreement == 1.0
    assert asked.settings["answer_filter"] == "contained"
