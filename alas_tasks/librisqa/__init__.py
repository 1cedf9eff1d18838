"""LibriSQA: questions about utterances of LibriSpeech."""
