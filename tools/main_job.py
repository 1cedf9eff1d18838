"""Run the main job once, through the command line, with nothing to download.

Makes what a user would have: a LibriSpeech folder and LibriSQA's file with a few utterances, and small checkpoints of
Qwen2-Audio, Whisper and Sentence-BERT with random weights in the formats of the real ones. Then it calls lmms-eval as
a user does. With random weights the numbers are those of chance; what is to be seen is the whole way from audio to the
table, the results and the records::

    python tools/main_job.py [--output FOLDER] [--audio SPEECH.flac --transcript "what is said"]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPO / "tests"), str(REPO / "tests" / "alas_tasks")]

# A clip of real speech that may lie beside the repository.
CLIP = REPO.parent / "shared" / "audio" / "jfk.flac"
CLIP_TEXT = "AND SO MY FELLOW AMERICANS ASK NOT WHAT YOUR COUNTRY CAN DO FOR YOU ASK WHAT YOU CAN DO FOR YOUR COUNTRY"
UID = "1961-120-0000"


def add_speech(world: Path, audio: Path, transcript: str) -> None:
    """Add an utterance of real speech to the LibriSpeech folder and a question about it to LibriSQA."""
    import soundfile

    chapter = world / "librispeech" / "test-clean" / "1961" / "120"
    chapter.mkdir(parents=True, exist_ok=True)
    samples, rate = soundfile.read(audio)
    soundfile.write(chapter / f"{UID}.flac", samples, rate)
    (chapter / "1961-120.trans.txt").write_text(f"{UID} {transcript}\n", encoding="utf-8")
    questions = world / "librisqa" / "LibriSQA-PartI" / "LibriSQA-PartI-test.json"
    rows = json.loads(questions.read_text(encoding="utf-8"))
    row = {
        "speech_path": f"LibriSpeech/test-clean/1961/120/{UID}.flac",
        "question": "What does the speaker ask of the listeners",
        "answer": "To ask what they can do for their country.",
        "text": transcript,
        "duration": len(samples) / rate,
    }
    questions.write_text(json.dumps([row, *rows]), encoding="utf-8")


def make_world(world: Path) -> str:
    """Make data and checkpoints; return the model arguments that name the checkpoints."""
    from tiny_models import make_whisper
    from tiny_speech_llm import make_qwen2_audio, make_sentence_bert
    from worlds import make_librispeech, make_librisqa

    make_librispeech(world / "librispeech")
    make_librisqa(world / "librisqa")
    model = make_qwen2_audio(world / "qwen2-audio-random")
    whisper = make_whisper(world)
    sentence_bert = make_sentence_bert(world / "sentence-bert-random")
    return f"pretrained={model},alas_reference=whisper:{whisper},alas_sbert={sentence_bert}"


def main() -> None:
    """Make the world and run lmms-eval on it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("alas-main-job"), help="folder, made anew")
    parser.add_argument("--audio", type=Path, help="an audio file with speech")
    parser.add_argument("--transcript", help="what is said in it")
    arguments = parser.parse_args()
    if bool(arguments.audio) != bool(arguments.transcript):
        parser.error("--audio and --transcript go together")
    audio, transcript = arguments.audio, arguments.transcript
    if audio is None and CLIP.exists():
        audio, transcript = CLIP, CLIP_TEXT
    output = arguments.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    world = output / "world"
    world.mkdir(parents=True)
    model_arguments = make_world(world)
    if audio is not None:
        add_speech(world, audio, transcript)
    local = {"ALAS_LIBRISPEECH_DIR": world / "librispeech", "ALAS_LIBRISQA_DIR": world / "librisqa"}
    command = ["lmms-eval", "--tasks", "alas_librisqa", "--model", "qwen2_audio", "--model_args", model_arguments]
    command += ["--output_path", str(output / "results"), "--log_samples"]
    print(" ".join(f"{name}={value}" for name, value in local.items()), shlex.join(command), flush=True)
    environment = {**os.environ, **{name: str(value) for name, value in local.items()}, "HF_HUB_OFFLINE": "1"}
    command[0] = str(Path(sysconfig.get_path("scripts")) / "lmms-eval")
    done = subprocess.run(command, env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    results = sorted((output / "results").rglob("*_results.json"))
    if not results:
        sys.exit("lmms-eval wrote no results")
    speech = "real speech and synthesised sounds" if audio else "synthesised sounds"
    print(
        f"Done, on {speech}. The weights are random: evidence is about 0 and skill is below 0, as it must be.\n"
        f"Results: {results[-1]}\nScore them again without the model: alas score {output / 'results'}"
    )


if __name__ == "__main__":
    main()
