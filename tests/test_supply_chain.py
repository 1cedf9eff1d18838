"""No file that comes from others may bring code along: forbidden calls in our sources, and files that try."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alas_metric.errors import FatalError
from alas_tasks.answer_similarity import SentenceSimilarity
from model_patches.adapters.loading import load_pretrained
from model_patches.reference.whisper_reference import WhisperReference

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("alas_metric", "alas_tasks", "model_patches", "tools", "benchmarks")
UNPICKLE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
HARMLESS = {"UnpicklingError", "Parallel", "delayed", "cpu_count"}
"""Names of these packages that read no file."""
RUN = {"eval", "exec", "compile", "__import__"}
SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
BUILDERS = {"json", "parquet", "arrow", "csv", "text"}
"""Formats of the datasets library; any other name could be a script or a data set that is not pinned."""


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for such an expression, empty for others."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def constant(node: ast.AST) -> object:
    """Return the value of a literal, None for other expressions."""
    return node.value if isinstance(node, ast.Constant) else None


def choices(node: ast.AST) -> set[object]:
    """Return the values that an expression of literals can have: two for ``"a" if x else "b"``, None for others."""
    return choices(node.body) | choices(node.orelse) if isinstance(node, ast.IfExp) else {constant(node)}


def safe_loaders(tree: ast.AST) -> set[str]:
    """Return the names under which a module may hand PyYAML a loader that makes plain values only."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    derived = {each.name for each in classes if [dotted(base) for base in each.bases] == ["yaml.SafeLoader"]}
    return derived | {"yaml.SafeLoader", "yaml.CSafeLoader"}


def forbidden(source: str) -> list[str]:
    """Return what in a module's source could run code that a file, or the hub, brings along."""
    tree = ast.parse(source)
    loaders = safe_loaders(tree)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += (f"line {node.lineno}: {problem}" for problem in problems(node, loaders))
        if isinstance(node, ast.ImportFrom) and node.module in UNPICKLE:
            names = {name.name for name in node.names} - HARMLESS
            found += (f"line {node.lineno}: from {node.module} import {name}" for name in names)
        if isinstance(node, ast.Constant) and node.value in ("trust_remote_code", "allow_pickle", "weights_only"):
            found.append(f"line {node.lineno}: {node.value} as a key of a dictionary")
    return found


def problems(call: ast.Call, loaders: set[str]) -> Iterator[str]:
    """Yield what is wrong with one call."""
    name = dotted(call.func)
    keywords = {each.arg: ast.unparse(each.value) for each in call.keywords}
    package, _, last = name.rpartition(".")
    if package in UNPICKLE or last == "read_pickle":
        yield name
    if name in RUN or name in SHELL or keywords.get("shell", "False") != "False":
        yield f"{name} runs text as code"
    if name in ("torch.load", "torch.jit.load") and keywords.get("weights_only") != "True":
        yield f"{name} without weights_only=True"
    if keywords.get("allow_pickle", "False") != "False":
        yield f"{name} with allow_pickle"
    if keywords.get("trust_remote_code", "False") != "False":
        yield f"{name} with trust_remote_code"
    if package == "yaml" and last in ("load", "load_all"):
        given = keywords.get("Loader") or (ast.unparse(call.args[1]) if len(call.args) > 1 else "")
        if given not in loaders:
            yield f"{name} without a safe loader"
    if package == "yaml" and last.startswith(("unsafe_", "full_")):
        yield name
    if last == "load_dataset" and not (call.args and choices(call.args[0]) <= BUILDERS):
        yield f"{name} of something that is no file format"


def test_no_source_can_run_what_a_file_brings_along() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 80
    found = {str(path.relative_to(ROOT)): forbidden(path.read_text(encoding="utf-8")) for path in files}
    assert {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads",
        "import joblib\njoblib.load(path)",
        "from joblib import Parallel, load",
        "pandas.read_pickle(path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=trusted)",
        "AutoModel.from_pretrained(name, **{'trust_remote_code': True})",
        "yaml.load(text)",
        "yaml.load(text, yaml.Loader)",
        "yaml.unsafe_load(text)",
        "class Own(yaml.Loader): ...\nyaml.load(text, Own)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "datasets.load_dataset(name)",
        "load_dataset('owner/name')",
        "load_dataset('parquet' if local else name)",
    ],
)
def test_what_is_forbidden_is_found(source: str) -> None:
    assert forbidden(source)


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "AutoModel.from_pretrained(name, trust_remote_code=False)",
        "yaml.safe_load(text)",
        "class Own(yaml.SafeLoader): ...\nyaml.load(text, Own)",
        "from pickle import UnpicklingError",
        "model.eval()",
        "re.compile(text)",
        "subprocess.run([program])",
        "datasets.load_dataset('parquet', data_files=files)",
        "datasets.load_dataset('arrow' if cached else 'parquet', data_files=files)",
    ],
)
def test_what_is_harmless_passes(source: str) -> None:
    assert forbidden(source) == []


# Files that try. Each would leave a file behind if its code ran.


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.proof),)


def test_the_harmful_file_is_harmful(tmp_path: Path) -> None:
    file, proof = tmp_path / "x.pt", tmp_path / "proof"
    torch.save({"weights": Harmful(proof)}, file)
    torch.load(file, weights_only=False)
    assert proof.exists()
    proof.rmdir()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)
    assert not proof.exists()


def test_a_whisper_checkpoint_runs_no_code(tmp_path: Path) -> None:
    file, proof = tmp_path / "mine.pt", tmp_path / "proof"
    torch.save({"dims": Harmful(proof), "model_state_dict": {}}, file)
    with pytest.raises(FatalError, match="not a checkpoint of weights"):
        WhisperReference(str(file), device="cpu")._load()
    assert not proof.exists()


def test_a_model_saved_as_a_pickle_runs_no_code(tmp_path: Path, qwen2_audio_folder: Path) -> None:
    folder, proof = shutil.copytree(qwen2_audio_folder, tmp_path / "model"), tmp_path / "proof"
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Harmful(proof)}, folder / "pytorch_model.bin")
    with pytest.raises((pickle.UnpicklingError, ValueError, OSError, RuntimeError)):
        load_pretrained(str(folder))
    assert not proof.exists()


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where transformers asks on the terminal whether code may run: of many processes none could answer."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked whether code may run"))


def bring_code(folder: Path, file: str, **entries: object) -> Path:
    """Put a module into a folder, and entries that name it into one of its JSON files; return the module's proof."""
    proof = folder / "proof"
    classes = "".join(f"class {name}: ...\n" for name in ("Config", "Processor", "Tokenizer", "Module"))
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(proof)!r})\n{classes}", encoding="utf-8")
    path = folder / file
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(held | entries), encoding="utf-8")
    return proof


@pytest.mark.parametrize(
    ("file", "entries"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "own.Config"}}),
        ("config.json", {"model_type": "never_heard_of", "auto_map": {"AutoConfig": "own.Config"}}),
        ("processor_config.json", {"processor_class": "Own", "auto_map": {"AutoProcessor": "own.Processor"}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}}),
    ],
    ids=["known type", "unknown type", "processor", "tokenizer"],
)
@pytest.mark.usefixtures("nobody_is_asked")
def test_code_in_a_model_folder_stays_unused(
    tmp_path: Path, qwen2_audio_folder: Path, file: str, entries: dict[str, object]
) -> None:
    folder = shutil.copytree(qwen2_audio_folder, tmp_path / "model")
    proof = bring_code(folder, file, **entries)
    with contextlib.suppress(ValueError, OSError, KeyError, AttributeError):
        load_pretrained(str(folder))
    assert not proof.exists()


@pytest.mark.usefixtures("nobody_is_asked")
def test_code_in_a_sentence_bert_folder_stays_unused(tmp_path: Path, sentence_bert_folder: Path) -> None:
    folder = shutil.copytree(sentence_bert_folder, tmp_path / "sbert")
    proof = bring_code(folder, "unused.json")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["type"] = "own.Module"
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(FatalError, match="alas_sbert=PATH"):
        SentenceSimilarity(str(folder))
    assert not proof.exists()
