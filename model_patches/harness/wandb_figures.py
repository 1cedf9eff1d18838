"""Curves and alignment pictures for the harness's ``--wandb_args``, which by itself logs numbers and tables only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger

from alas_metric.corpus.aggregate import Brief
from model_patches.run.harness_run import last_run


def log_figures(wandb_logger: Any) -> None:
    """Log the figures of every ALAS task of the run that has just ended; a failure is told and costs nothing else.

    Args:
        wandb_logger: the harness's ``WandbLogger``, which holds the results and the wandb run.
    """
    try:
        import wandb

        results = wandb_logger.results.get("results", {})
        with TemporaryDirectory() as folder:
            files = {name: path for task in results for name, path in _figures(task, results[task], Path(folder))}
            if files:
                wandb_logger.run.log({name: wandb.Image(str(path)) for name, path in files.items()})
                logger.info(f"{len(files)} figures logged to Weights and Biases")
    except Exception as error:
        logger.warning(f"the figures could not be logged to Weights and Biases: {type(error).__name__}: {error}")


def _figures(task: str, entry: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name in wandb and the file of each figure of a task."""
    curves = entry.get("layers,none")
    if not isinstance(curves, Brief):
        return
    from alas_metric.figures.figures import alignment_picture, save, titled
    from alas_metric.figures.layer_map import layer_map_figure
    from alas_metric.report.curves import curve_figures
    from alas_metric.results.dumps import dump_folder, read_dump

    run = last_run()
    written = run.folder if run is not None and run.writes else None
    names = (written.name, task) if written is not None else (task,)
    for name, _, figure in curve_figures(dict(curves.items()), best_layer=entry.get("best_layer,none")):
        yield f"{task}/{name}", save(titled(figure, *names), folder / task / name, ["png"])[0]
    if maps := entry.get("layer_map,none"):
        figure = titled(layer_map_figure(dict(maps.items())), *names)
        yield f"{task}/layer_map", save(figure, folder / task / "layer_map", ["png"])[0]
    if run is None or written is None:
        return
    for path in sorted(dump_folder(written, run.date, task).glob("*.npz")):
        picture = save(alignment_picture(read_dump(path), names=names), folder / task / path.stem, ["png"])[0]
        yield f"{task}/alignment/{path.stem}", picture
