"""When the words of LibriSpeech are spoken, by the Montreal Forced Aligner: from a local folder or the hub."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from loguru import logger

from alas_tasks.sources import LIBRISPEECH_WORDS, hub_columns_read
from alas_tasks.word_times import Words, read_folder, words_of_table


def words_of(utterances: Sequence[str]) -> list[Words | None]:
    """Return the words of each utterance id, such as ``5639-40744-0000``; None where there are none.

    The local folder holds what the hub does, or TextGrids or a CTM of these names. Where neither it nor the hub has
    anything, a warning says so: Whisper's times need none of this.

    Raises:
        FatalError: If a local folder is named and holds none of them.
    """
    folder = LIBRISPEECH_WORDS.folder()
    if folder is not None:
        return read_folder(folder, utterances)
    found = _of_hub(LIBRISPEECH_WORDS.chosen_revision)
    return [found.get(name) for name in utterances]


@cache
def _of_hub(revision: str) -> dict[str, Words]:
    try:
        return words_of_table(hub_columns_read(LIBRISPEECH_WORDS, ["id", "words"]))
    except Exception as error:  # the hub's library raises what it likes; the task goes on without
        logger.warning(
            f"ALAS: LibriSpeech's word times ({LIBRISPEECH_WORDS.repo_id}, {revision}) cannot be had, alas_reference="
            f"words has none: {type(error).__name__}: {str(error)[:200]}. {LIBRISPEECH_WORDS.folder_variable} names a "
            "local copy."
        )
        return {}
