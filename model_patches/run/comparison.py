"""How free answers are compared: by which Sentence-BERT model, for speech of which language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loguru import logger

from alas_tasks.answer_similarity import DEFAULT_MODEL, Pair, SentenceSimilarity, is_english, model_for
from model_patches.adapters.fingerprint import short, weights_fingerprint


@dataclass
class AnswerComparison:
    """Compares free answers; each model is loaded once, when it is first needed.

    Args:
        model: Sentence-BERT model for all answers; None: the default of each language.
        language: of the speech, whatever the documents say; None: what they say.
    """

    model: str | None = None
    language: str | None = None
    loaded: dict[str, SentenceSimilarity] = field(default_factory=dict)

    def load(self, language: str) -> SentenceSimilarity:
        """Return what compares answers about speech in a language, loaded.

        Raises:
            UnobtainableError: If the model cannot be loaded.
        """
        name = self._name(language)
        if name not in self.loaded:
            self.loaded[name] = SentenceSimilarity(name)
            spoken = self.language or language
            logger.info(f"ALAS: answers about speech in {spoken!r} are compared by {name}")
            if name == DEFAULT_MODEL and not is_english(spoken):
                logger.warning(
                    f"ALAS: alas_sbert={name} reads English only: it finds unrelated answers in {spoken!r} alike, and "
                    f"the answer filter keeps nearly all. Without alas_sbert it is {model_for(spoken)}"
                )
        return self.loaded[name]

    def pairs(self, pairs: Sequence[Pair], language: str) -> list[float | None]:
        """Return how alike the answers of each pair are, see `SentenceSimilarity.pairs`."""
        return self.load(language).pairs(pairs)

    def settings(self, language: str) -> dict[str, str]:
        """Return what a record says of it."""
        return {
            "answer_similarity": self._name(language),
            "answer_similarity_weights": short(self.fingerprint(language)),
        }

    def fingerprint(self, language: str) -> str:
        """Return what tells its weights from others; known once they were loaded, as the first run downloads them."""
        return weights_fingerprint(self._name(language))

    @property
    def all_settings(self) -> dict[str, str]:
        """What the results say of all that were loaded."""
        if not self.loaded:
            return {}
        weights = (short(weights_fingerprint(name)) for name in self.loaded)
        return {"answer_similarity": ", ".join(self.loaded), "answer_similarity_weights": ", ".join(weights)}

    def _name(self, language: str) -> str:
        return self.model or model_for(self.language or language)
