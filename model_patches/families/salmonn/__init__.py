"""SALMONN: Whisper and BEATs, a window-level Q-Former, Vicuna with LoRA. Neither transformers nor lmms-eval has it.

Tang et al. 2023, "SALMONN: Towards Generic Hearing Abilities for Large Language Models",
https://arxiv.org/abs/2310.13289. Written anew on transformers and peft; it loads the published files as they are.

fbank.py      Kaldi filter banks, what BEATs reads
beats.py      the BEATs encoder
model.py      the whole model, audio and text to answers
loading.py    the published files, to a model
processor.py  audio and prompts, to the model's inputs
adapter.py    prompts, positions and words for the paired runs
wrapper.py    the harness's model id ``salmonn``
"""
