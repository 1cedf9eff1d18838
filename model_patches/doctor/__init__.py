"""``alas doctor``: what a run needs, before anything is downloaded or loaded.

machine.py   versions, device, memory, disk, hub
weights.py   the model's weights, Whisper's and Sentence-BERT's
command.py   the table
"""
