"""The two ways in which something can go wrong: the run is lost, or one document is."""

from __future__ import annotations

from alas_metric.texts import printable

CAUSES = {
    "missing_audio": "the row has no audio, or its file does not exist",
    "unreadable_audio": "the audio file is truncated or cannot be decoded",
    "outside_audio": "the part of a recording that the row is about lies beyond the recording's end",
    "non_finite_audio": "the audio holds NaN or infinite samples",
    "too_short": "the audio is shorter than one position of the model",
    "too_long": "the audio is longer than the model hears, so its last words have no position",
    "empty_transcript": "the transcript has no word",
    "no_word_timestamps": "the reference found no word, or the data set has no word timestamps",
    "bad_timestamps": "word timestamps are NaN or reversed, of other words than the transcript, or beyond the audio",
    "uncertain_times": "the word times are less sure than --min-confidence asks, or say nothing of how sure they are",
    "out_of_memory": "the device ran out of memory on this document alone",
    "io_error": "a file could not be read or written",
    "error": "an unexpected exception",
    "unreadable_record": "the response is not an alignment record",
}
"""Why a document is left out of every mean, with what each cause says to the user."""


class FatalError(Exception):
    """An error of the whole run, not of one document; it says what was expected, what came, and what to do.

    The commands, and `model_patches.harness.failures` in runs of lmms-eval, end the process with it.
    """


class UnobtainableError(FatalError):
    """Data or weights are not there and cannot be had."""


def last_words(error: FatalError) -> SystemExit:
    """Return what ends a process with exit status 1 and the error's message on standard error.

    Example:
        >>> last_words(FatalError("nothing to score")).code
        'alas: error: nothing to score'
    """
    return SystemExit(printable(f"alas: error: {error}"))


class SkipDocument(Exception):
    """One document cannot be scored; it is counted by cause, named in the log and left out of the means.

    Args:
        cause: a key of `CAUSES`.
        detail: what exactly was found.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        if cause not in CAUSES:
            raise ValueError(f"unknown cause {cause!r}; expected one of {sorted(CAUSES)}")
        super().__init__(f"{cause}: {detail or CAUSES[cause]}")
        self.cause = cause
        self.detail = detail or CAUSES[cause]
