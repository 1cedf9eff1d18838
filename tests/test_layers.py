"""Which package may import which, and what may be imported where: rules that are read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("alas_metric", "alas_tasks", "model_patches")
"""From the lowest to the highest: none imports one that comes after it."""
HEAVY = ("torch", "transformers", "lmms_eval")
"""What nothing that is imported with alas_metric may load: records are scored without a model."""


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Return the files of all packages by the name that imports them."""
    files = (path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    """Yield the full name of every module or object that a file imports, at module level only or everywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else at_module_level(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported: not the bodies of functions, nor what is for type checkers."""
    for child in ast.iter_child_nodes(node):
        checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not checking and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from at_module_level(child)


def arrows(found: dict[str, Path], everywhere: bool = True) -> set[tuple[str, str]]:
    """Return which of our modules imports which."""
    return {
        (name, target)
        for name, path in found.items()
        for imported in imports(path, everywhere)
        if (target := imported if imported in found else imported.rpartition(".")[0]) in found
    }


def violations(root: Path = ROOT) -> list[str]:
    """Return every import that a rule forbids, in words."""
    found = modules(root)
    wrong = []
    for name, target in sorted(arrows(found)):
        if PACKAGES.index(name.partition(".")[0]) < PACKAGES.index(target.partition(".")[0]):
            wrong.append(f"{name} imports {target}, of a higher package")
        if name.startswith(("model_patches.families", "model_patches.adapters")) and ".harness" in target:
            wrong.append(f"{name} imports {target}: families and adapters know no harness")
    for name, path in found.items():
        if not name.startswith("model_patches.harness"):
            wrong += [f"{name} imports {it}, outside of harness/" for it in imports(path) if top(it) == "lmms_eval"]
        if name.startswith("alas_metric"):
            wrong += [f"{name} loads {it}" for it in imports(path, everywhere=False) if top(it) in HEAVY]
    return wrong + [f"circle: {' > '.join(circle)}" for circle in circles(arrows(found, everywhere=False))]


def top(name: str) -> str:
    """Return the package that a module lies in."""
    return name.partition(".")[0]


def circles(edges: set[tuple[str, str]]) -> list[list[str]]:
    """Return modules that import each other, a list for each circle that is met first."""
    targets: dict[str, list[str]] = {}
    for name, target in sorted(edges):
        targets.setdefault(name, []).append(target)
    done: set[str] = set()
    found: list[list[str]] = []

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
        elif name not in done:
            for target in targets.get(name, []):
                visit(target, [*way, name])
            done.add(name)

    for name in list(targets):
        visit(name, [])
    return found


def test_no_import_breaks_a_rule() -> None:
    assert violations() == []


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        (
            "alas_metric/texts.py",
            "import alas_tasks.speech",
            "alas_metric.texts imports alas_tasks.speech, of a higher",
        ),
        ("alas_tasks/speech.py", "def f():\n    from model_patches import registry", "of a higher package"),
        ("model_patches/families/a.py", "from model_patches.harness.entry import x", "know no harness"),
        ("model_patches/run/a.py", "import lmms_eval.api", "outside of harness/"),
        ("alas_metric/a.py", "import torch", "alas_metric.a loads torch"),
        ("alas_metric/errors.py", "from alas_metric import texts", "circle: "),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, line: str, expected: str) -> None:
    files = {
        "alas_metric/texts.py": "from alas_metric import errors",
        "alas_metric/errors.py": "",
        "alas_tasks/speech.py": "",
        "model_patches/registry.py": "",
        "model_patches/harness/entry.py": "import lmms_eval",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert violations(tmp_path) == []
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(f"{files.get(file, '')}\n{line}\n")
    found = violations(tmp_path)
    assert len(found) == 1 and expected in found[0]


def test_what_is_for_type_checkers_or_inside_functions_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "if TYPE_CHECKING:\n    import torch\ndef f():\n    import torch\ntry:\n    import re\nfinally:\n    pass\n"
    )
    assert list(imports(path, everywhere=False)) == ["re"]
