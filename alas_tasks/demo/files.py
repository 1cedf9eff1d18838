"""Where the demo's data and models lie in the installed package."""

from pathlib import Path

FOLDER = Path(__file__).parent
TEST_SPLIT = FOLDER / "data" / "test.parquet"
QWEN2_AUDIO = FOLDER / "models" / "qwen2_audio"
WHISPER = FOLDER / "models" / "whisper" / "demo.pt"
