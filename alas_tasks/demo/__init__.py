"""The demo: synthetic speech whose truth is known, and small models that have really learned it, in the package."""
