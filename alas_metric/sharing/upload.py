"""Upload of an exported folder to the hub."""

from __future__ import annotations

from pathlib import Path

from alas_metric.errors import FatalError


def upload(folder: Path, name: str, public: bool = False) -> str:
    """Upload a folder as a data set of the Hugging Face hub and return its address.

    Args:
        folder: what to upload.
        name: ``user/name``; made if it does not exist. What it holds already stays.
        public: whether a new one can be seen by everybody; one that is there stays as it is.

    Raises:
        FatalError: If the hub cannot be reached or refuses; the folder is the result then.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        made = api.create_repo(name, repo_type="dataset", private=not public, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=name, repo_type="dataset", commit_message="ALAS results")
    except (
        OSError,
        ValueError,
    ) as error:  # HfHubHTTPError and connection errors are of the first, bad names of the second
        raise FatalError(f"{folder} is written, and could not be uploaded to {name}: {error}") from error
    return str(made)
