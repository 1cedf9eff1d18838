"""ALAS: how well the layers of a speech LLM bind audio frames to the words they carry.

The Automatic Latent Alignment Score (Mousavi, Wang, Ravanelli and Subakan 2025,
https://arxiv.org/abs/2505.19937) compares, layer by layer, the hidden states of words in a text prompt with
the hidden states at the audio positions of a speech prompt. The cosine similarities give an alignment path by
monotonic alignment search (Kim et al. 2020, Glow-TTS, https://arxiv.org/abs/2005.11129), and the score is the
distance of that path from the path that word timestamps state. Nothing is trained.

Conventions: word vectors are ``(..., N, D)``, audio positions ``(..., T, D)``, similarities ``(..., N, T)``,
paths ``(..., K)`` with ``K = max(N, T)``; layers come first, entry 0 is what enters the first decoder layer
and entry L comes after the final norm. Times are seconds, ``frame_seconds`` is the model's exact stride. A
path indexes words; with fewer positions than words it indexes positions, and the document is counted as
swapped. Undefined values are None.

Where this differs from the authors' scripts, and which way that moves the score:

- They take Whisper's n-th recognised word for the n-th token, so that their reference drifts from the words
  with every word of several tokens and every recognition error. Here a unit is a word, its vector the mean of
  its tokens. Their score mixes the model's error with the drift: ours is lower for a model that aligns, about
  the same for one that does not.
- They stretch time so that the start of the last word is the end of the audio. Their reference lags behind
  the speech, the more the longer the last word and the silence after it; here positions have their true
  times. For a model that aligns well ours is lower; for one whose path lags likewise it is higher.
- They give silent frames to word 0. Here a gap is shared by the words around it. No monotone path can return
  to word 0 in a pause, so that theirs is higher, the more so the later and longer the pauses.
- They trim prompts by fixed token counts, which shifts words or positions when a prompt tokenises otherwise;
  here they are found by character offsets. As long as few tokens are wrong this moves little, either way.
- They store every hidden state of every generated token; here only the prefill is read and nothing is stored.
  This changes the cost, not the score.

docs/validation.md measures the first four, one by one and together.

Calibration is ours: `alas_skill` (1 perfect, 0 a random monotone path) ranks models, `alas_evidence` (1
perfect, 0 as on circularly shifted audio) says whether a layer aligns at all. See `corpus.METRICS` for every value.

Example:
    Two layers of one's own hidden states; the second one holds the alignment, the first one noise.

    >>> import numpy as np
    >>> from alas_metric import WordTiming, score_pair, score_record, similarities, summarise
    >>> rng = np.random.default_rng(0)
    >>> words = rng.normal(size=(2, 3, 16))  # (layers, words, hidden size)
    >>> frames = rng.normal(size=(2, 30, 16))  # (layers, positions, hidden size)
    >>> frames[1] = np.repeat(words[1], 10, axis=0)
    >>> timing = [WordTiming("how", 0.0, 0.4), WordTiming("are", 0.4, 0.8), WordTiming("you", 0.8, 1.2)]
    >>> record = score_pair(
    ...     similarities(words, frames),
    ...     uid="utterance-1",
    ...     transcript="how are you",
    ...     words=["how", "are", "you"],
    ...     frame_seconds=0.04,
    ...     references={"gold": timing},
    ...     reference="gold",
    ... )
    >>> scores = score_record(record)
    >>> bool(scores.columns["alas_raw"][0] > 0), float(scores.columns["alas_raw"][1])
    (True, 0.0)
    >>> values = summarise([scores])
    >>> values["alas"], values["alas_skill"], values["best_layer"], values["kept"]
    (0.0, 1.0, 1, 1)
"""

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.selection import Selection
from alas_metric.document.measuring import Measurement, score_pair
from alas_metric.document.paths import WordTiming, monotonic_alignment_search, reference_path
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import score_record
from alas_metric.document.similarity import cosine_similarity, similarities
from alas_metric.document.units import split_units
from alas_metric.notebook.tables import read_run

__version__ = "0.1.0"

__all__ = [
    "AlignmentRecord",
    "Measurement",
    "Selection",
    "WordTiming",
    "cosine_similarity",
    "monotonic_alignment_search",
    "read_run",
    "reference_path",
    "score_pair",
    "score_record",
    "similarities",
    "split_units",
    "summarise",
]
