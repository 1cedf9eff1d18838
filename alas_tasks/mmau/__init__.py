"""MMAU: questions about speech with a few options each, without transcripts."""
