"""Word timestamps: Whisper's, matched with the words of the transcript."""
