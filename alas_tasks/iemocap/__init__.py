"""IEMOCAP: the emotion of a speaker, four classes."""
