"""What the package exports and what it leaves unloaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

import model_patches


def test_what_is_public_is_listed() -> None:
    assert dir(model_patches) == sorted(model_patches.__all__)
    assert all(getattr(model_patches, name).__name__ == name for name in model_patches.__all__)
    with pytest.raises(AttributeError, match="no attribute 'prob'"):
        model_patches.prob  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, model_patches; print({'torch', 'transformers', 'lmms_eval'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_errors_are_ordinary_exceptions() -> None:
    """A training loop that probes goes on where a probe fails."""
    assert issubclass(model_patches.FatalError, Exception)
    with pytest.raises(Exception, match="must name an official Whisper checkpoint"):
        model_patches.WhisperReference("/nowhere.pt")
