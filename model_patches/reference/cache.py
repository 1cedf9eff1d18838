"""Word alignments on disk: one small JSON file per utterance, shared by processes and machines.

Every entry appears as a whole or not at all, so no lock is needed: two writers of one key write the same content.
Entries are JSON, never pickle, and are checked when read; a damaged one counts as absent and is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import platformdirs
from loguru import logger

from alas_metric.files import write_atomically

ALGORITHM_VERSION = 5
"""Part of every key: raised when times are found in another way, so that old entries are not taken."""

SCHEMA_VERSION = 1
"""Version of the file's own layout, `{"schema", "key", "payload"}`."""


class AlignmentCache:
    """Store of JSON payloads under content keys.

    Args:
        folder: where the entries lie; made at the first `put`. None takes the folder ``alignments`` below the
            environment variable ``ALAS_CACHE_DIR``, or below the user's cache folder where it is not set.

    Example:
        >>> import tempfile
        >>> cache = AlignmentCache(tempfile.mkdtemp())
        >>> key = cache.key(np.zeros(16000, np.float32), "a word", "fingerprint", "align", None, "en")
        >>> cache.put(key, {"words": []})
        >>> cache.get(key)
        {'words': []}
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder).expanduser()
        self._warned: set[str] = set()

    def key(
        self,
        audio: np.ndarray,
        transcript: str,
        fingerprint: str,
        mode: str,
        heads: str | None = None,
        language: str = "en",
    ) -> str:
        """Return the key of an alignment: SHA-256 over all that can change it.

        Args:
            audio: samples at 16 kHz; their content counts, not where they came from.
            transcript: the text that is aligned, or "" where it is recognised.
            fingerprint: of the checkpoint, `Aligner.fingerprint`.
            mode: how words are placed.
            heads: explicit alignment heads, None for the checkpoint's own.
            language: Whisper's language code.

        Returns:
            64 hexadecimal digits.
        """
        samples = np.ascontiguousarray(audio, dtype="<f4")
        parts = [ALGORITHM_VERSION, transcript, fingerprint, mode, heads, language, samples.shape]
        # JSON keeps the parts apart (no two lists of parts share a text) and, being ASCII, also takes lone
        # surrogates.
        digest = hashlib.sha256(json.dumps(parts).encode("ascii"))
        digest.update(samples.tobytes())
        return digest.hexdigest()

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the payload stored under a key, or None where there is none that can be used."""
        path = self._path(key)
        try:
            return _payload(path.read_bytes(), key)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn_once("read", f"cannot read the alignment cache, going on without it: {error}")
        except (ValueError, RecursionError) as error:
            logger.warning(f"damaged alignment cache entry {path} is computed again: {error}")
        return None

    def put(self, key: str, payload: dict[str, Any]) -> None:
        """Store a payload; a folder that cannot be written is a warning, once, and no error.

        Args:
            key: from `key`.
            payload: finite JSON values.

        Raises:
            ValueError: If the payload holds NaN or infinity.
            TypeError: If it holds something that is not JSON.
        """
        entry = {"schema": SCHEMA_VERSION, "key": key, "payload": payload}
        data = json.dumps(entry, allow_nan=False).encode("ascii")
        try:
            write_atomically(self._path(key), data)
        except OSError as error:
            self._warn_once("write", f"cannot write the alignment cache, alignments are not kept: {error}")

    def _path(self, key: str) -> Path:
        if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"an alignment key is 64 hexadecimal digits as AlignmentCache.key makes, got {key!r}")
        return self.folder / key[:2] / f"{key}.json"

    def _warn_once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning(message)


def default_folder() -> Path:
    """Return ``$ALAS_CACHE_DIR/alignments``, or the same below the user's cache folder."""
    base = os.environ.get("ALAS_CACHE_DIR") or platformdirs.user_cache_dir("lmms-eval-alas")
    return Path(base).expanduser() / "alignments"


def _payload(data: bytes, key: str) -> dict[str, Any]:
    entry = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    if not isinstance(entry, dict) or entry.get("schema") != SCHEMA_VERSION:
        raise ValueError(f"expected an object of schema {SCHEMA_VERSION}")
    # A file renamed or copied by hand would otherwise give one utterance the times of another.
    if entry.get("key") != key:
        raise ValueError("it was written for another key")
    payload = entry.get("payload")
    if not isinstance(payload, dict):
        raise ValueError("its payload is not an object")
    return payload


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")
