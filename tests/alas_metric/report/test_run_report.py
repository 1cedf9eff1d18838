"""The report of a finished run, and the pictures of its dumped documents."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from alas_metric import AlignmentRecord, Measurement, score_pair, score_record, summarise
from alas_metric.commands.main import main
from alas_metric.corpus.documents import document_layers, document_value
from alas_metric.corpus.layers import is_defined
from alas_metric.corpus.metrics import ROWS
from alas_metric.document.lens_table import LensTable
from alas_metric.report.figures import figures
from alas_metric.report.run_report import Report, make_report, ranked
from alas_metric.report.tables import OF_DOCUMENTS
from alas_metric.results.dumps import dump_folder, dump_name, find_dumps, write_dump
from alas_metric.results.runs import find_runs

DATE, TASK, MODEL = "20260101_120000", "alas_demo", "org__model"
HOSTILE = "d | <b>`x`</b>\n# [a](b)"


def write_run(folder: Path, records: list[AlignmentRecord], date: str = DATE, task: str = TASK) -> None:
    """Write samples and results as the harness does."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"doc_id": i, "filtered_resps": r.to_json(), "target": "x"}) for i, r in enumerate(records)]
    (folder / f"{date}_samples_{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    values = summarise([score_record(record) for record in records])
    results = {
        "results": {task: {f"{key},none": value for key, value in values.items()}},
        "config": {"model": "qwen2_audio", "model_args": "pretrained=x", "limit": 9.0},
    }
    (folder / f"{date}_results.json").write_text(json.dumps(results), encoding="utf-8")


@pytest.fixture(scope="module")
def records(record: Callable[..., AlignmentRecord]) -> list[AlignmentRecord]:
    """Eight documents, each aligned worse than the one before; one filtered out, one skipped."""
    made = [
        record(
            uid=f"d{i}",
            num_words=8,
            num_frames=60,
            noise=0.1 + 0.6 * i,
            speaker=f"s{i % 3}",
            audio_answer=HOSTILE,
            text_answer="b",
            similarities={"responses": 0.6 if i == 7 else 0.75 + 0.02 * i},
        )
        for i in range(8)
    ]
    return [*made, AlignmentRecord.skip("d8", "missing_audio", "no <file> | here")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, records, timing, similarity) -> Path:
    """A run with two dumps, one of them damaged."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / MODEL, records)
    rng = np.random.default_rng(0)
    words = timing(4, 30, rng)
    values = similarity(words, 30, 0.2, rng)
    dumped = score_pair(
        values,
        uid="d0",
        transcript="",
        words=[word.word for word in words],
        frame_seconds=0.04,
        references={"gold": words},
        reference="gold",
    )
    dumps = dump_folder(folder / MODEL, DATE, TASK)
    dumps.mkdir()
    write_dump(dumps / dump_name(0, "d0"), dumped, values, rng.uniform(-1, 1, 19_200))
    (dumps / dump_name(1, "d1")).write_bytes(b"no zip")
    return folder


@pytest.fixture(scope="module")
def written(runs: Path, tmp_path_factory) -> Path:
    """The report's folder, made by the command."""
    output = tmp_path_factory.mktemp("report")
    assert main(["report", str(runs), "--output", str(output)]) == 0
    return output / MODEL / TASK


@pytest.fixture(scope="module")
def report(runs: Path) -> Report:
    [run] = find_runs(runs)
    return make_report(run)


@pytest.fixture
def _no_files(monkeypatch) -> None:
    """Leave out the writing of figures, which takes most of the time, where a test does not look at them."""
    monkeypatch.setattr("alas_metric.report.folder.save", lambda figure, stem: [stem.with_suffix(".png")])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_words_are_in_two_files_and_a_figure(written: Path, records) -> None:
    """The words of the kept documents give back the run's skill; both files hold the same."""
    found = [row for row in rows(written / "words.csv") if row["group"] == "all" and row["kept"] == "True"]
    assert len(found) == 7 * 8
    totals = {
        name: sum(float(row[name]) * int(row["entries"]) for row in found if row["entries"] != "0")
        for name in ("seconds", "random_seconds")
    }
    values = summarise([score_record(record) for record in records])
    # The run's value is the mean over layers of ratios with one denominator: the ratio of means.
    assert 1 - totals["seconds"] / totals["random_seconds"] == pytest.approx(values["alas_skill"])
    table = pq.read_table(written / "words.parquet").to_pylist()
    assert [row["error"] for row in table] == [
        None if row["error"] == "" else float(row["error"]) for row in rows(written / "words.csv")
    ]
    assert (written / "figures" / "words.png").exists() and "figures/words.png" in (written / "report.md").read_text()


def test_tables_hold_the_runs_numbers(written: Path, records) -> None:
    values = summarise([score_record(record) for record in records])
    summary = {row["metric"]: row for row in rows(written / "summary.csv")}
    assert float(summary["alas"]["value"]) == values["alas"]
    assert float(summary["alas"]["low"]) == values["layers"]["alas"]["headline_low"]
    layers = [row for row in rows(written / "layers.csv") if row["metric"] == "alas_skill"]
    assert [float(row["value"]) for row in layers] == values["layers"]["alas_skill"]["values"]
    documents = rows(written / "documents.csv")
    assert [row["uid"] for row in documents] == [f"d{i}" for i in range(9)]
    assert [row["kept"] for row in documents] == ["True"] * 7 + ["False"] * 2
    [skipped] = rows(written / "skipped.csv")
    assert (skipped["cause"], skipped["documents"], skipped["example"]) == ("missing_audio", "1", "d8")


def test_summary_shows_what_is_there(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "9 documents, 1 skipped, 1 filtered out, 7 kept" in text
    assert "--limit" in text and "pretrained=x" in text
    assert "| missing_audio | 1 |" in text
    named = {part.partition(")")[0] for part in text.split("](figures/")[1:]}
    assert {"layers_alas.png", "documents_alas.png", "filter.png", "alignment_00000000-d0.png"} <= named
    for name in named:
        assert (written / "figures" / name).read_bytes()[:4] == b"\x89PNG"
        for ending in (".svg", ".pdf"):
            assert (written / "figures" / name).with_suffix(ending).stat().st_size > 1000
    assert "00000001-d1.npz is no dump" in text, "the damaged dump is named"


def test_the_documents_of_the_summary_can_be_looked_at(written: Path, report: Report) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    linked = {part.partition(")")[0] for part in text.split("](view.html#")[1:]}
    assert linked == {f"uid={uid}&layer={report.best_layer}" for uid in report.examples}
    page = (written / "view.html").read_text(encoding="utf-8")
    shown = json.loads(page.partition('id="index">')[2].partition("</script>")[0])
    assert {document["uid"] for document in shown["documents"]} == set(report.examples)
    curve = report.curves["alas_skill"]["values"]
    assert shown["runs"][0]["skill"]["standardised"] == pytest.approx(curve), "that of all kept documents"


def test_six_figures_are_shown_and_the_others_folded_each_once(written: Path) -> None:
    shown, _, folded = (written / "report.md").read_text(encoding="utf-8").partition("<details>")
    images = [re.findall(r"!\[[^\n]*?\]\(figures/(.+?)\)", part) for part in (shown, folded)]
    assert images[0] == [
        # Made from similarities alone, the records have no retrieval: the next curve takes its place.
        *(f"layers_{key}.png" for key in ("alas", "alas_skill", "alas_evidence", "alas_seconds")),
        "alignment_00000000-d0.png",
        "documents_alas_skill.png",
    ]
    assert sorted(images[0] + images[1]) == sorted(path.name for path in (written / "figures").glob("*.png"))
    assert folded.count("</details>") == 1


def test_texts_of_the_data_stay_text(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    [best] = [line for line in text.splitlines() if line.startswith("| best | [d0]")]
    assert best.replace("\\|", "").count("|") == 9
    assert "<b>" not in text.replace("\\<b\\>", "")


def test_best_typical_and_worst_documents(report: Report) -> None:
    groups = {name: [scores.uid for scores in members] for name, members in ranked(report.documents, 0.7).items()}
    every = [uid for members in groups.values() for uid in members]
    assert sorted(every) == [f"d{i}" for i in range(7)], "d7 is filtered out, d8 skipped"
    assert groups["best"][0] == "d0"
    skill = {scores.uid: document_value(scores, "alas_skill") for scores in report.documents}
    assert skill[groups["worst"][0]] == min(value for uid, value in skill.items() if uid in every)
    assert skill["d8"] is None


@pytest.mark.parametrize("count", range(6))
def test_few_documents_are_listed_once(report: Report, count: int) -> None:
    members = [scores.uid for group in ranked(report.documents[:count], 0.7).values() for scores in group]
    assert len(members) == len(set(members)) == count


def test_every_curve_of_the_table_is_drawn(report: Report) -> None:
    names = {name for name, _, _ in figures(report)}
    for row in ROWS:
        if row.curve and is_defined(report.curves[row.key]):
            assert f"layers_{row.key}" in names
            assert row.form is None or f"forms_{row.key}" in names
    assert {"layers_alas_all", "layers_alas_skill_all", "documents_layers_alas", "filter"} <= names
    assert "layers_alas_swapped" not in names


def test_a_documents_own_values_are_those_of_a_run_of_it_alone(report: Report) -> None:
    for scores in report.kept[:2]:
        curves = summarise([scores], keys=["layers"])["layers"]
        for key in OF_DOCUMENTS:
            own = [None if np.isnan(value) else value for value in document_layers(scores, key).tolist()]
            assert own == (curves[key]["values"] or [None])
            total = document_value(scores, key)
            assert total is None if own == [None] else total is not None


def test_swapped_closed_and_unanswered_runs(record, tmp_path: Path) -> None:
    labels = [{"audio": "a", "text": text, "target": "a"} for text in ("a", "b", None)]
    kinds = {
        "swapped": [record(uid=f"d{i}", num_words=20, num_frames=12, seed=i) for i in range(3)],
        "closed": [
            record(uid=f"d{i}", seed=i, audio_answer="a", text_answer="b", labels=labels[i], num_layers=2)
            for i in range(3)
        ],
    }
    expected = {"swapped": {"layers_alas_swapped", "documents_alas_skill"}, "closed": {"filter", "documents_alas"}}
    for task, made in kinds.items():
        write_run(tmp_path / MODEL, made, task=task)
        [run] = find_runs(tmp_path, task=task)
        report = make_report(run)
        assert expected[task] <= {name for name, _, _ in figures(report)}
        assert ("filter" in {name for name, _, _ in figures(report)}) == (task == "closed")


@pytest.mark.usefixtures("_no_files")
def test_nothing_kept_is_said(record, tmp_path: Path) -> None:
    answers = {"audio_answer": "a", "text_answer": "b", "similarities": {"responses": 0.1}}
    write_run(tmp_path / MODEL, [record(uid=f"d{i}", seed=i, **answers) for i in range(2)])
    assert main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "alas_report" / MODEL / TASK / "report.md").read_text()
    assert "0 of 2 documents passed the answer filter" in text and "ALAS, all documents over layers" in text


@pytest.mark.usefixtures("_no_files")
def test_broken_and_foreign_runs_are_named_and_the_others_written(runs: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(runs / MODEL, tmp_path / MODEL)
    shutil.rmtree(dump_folder(tmp_path / MODEL, DATE, TASK))
    (tmp_path / MODEL / f"{DATE}_results.json").write_text('{"results": ')
    (tmp_path / MODEL / f"{DATE}_samples_mmmu.jsonl").write_text('{"doc_id": 0, "filtered_resps": "A"}\n')
    assert main(["report", str(tmp_path)]) == 0
    errors = capsys.readouterr().err
    assert "is mmmu an ALAS task?" in errors and "not results of this task" in errors
    assert not (tmp_path / "alas_report" / MODEL / "mmmu").exists()


@pytest.mark.parametrize("command", ["report", "picture"])
def test_folders_without_a_run_are_refused(command: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a folder"):
        main([command, str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="--output_path"):
        main([command, str(tmp_path)])


def test_picture_of_one_document(runs: Path, tmp_path: Path, capsys) -> None:
    arguments = [
        "picture",
        str(runs),
        "--doc",
        "d0",
        "--layers",
        "1,last",
        "--form",
        "centred",
        "--output",
        str(tmp_path),
    ]
    assert main(arguments) == 0
    png, svg, pdf = capsys.readouterr().out.split()
    assert (
        png == str(tmp_path / MODEL / f"{TASK}-00000000-d0-centred.png") and Path(svg).exists() and Path(pdf).exists()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--doc", "d9"], "similarities were kept of d0, d1"),
        (["--doc", "d1"], "similarities were kept of d0, d1"),
        (["--doc", "d0", "--layers", "7"], "nothing was drawn"),
        (["--doc", "d0", "--reference", "nobody"], "nothing was drawn"),
        (["--task", "other"], "no similarities"),
    ],
)
def test_pictures_that_cannot_be_drawn(runs: Path, tmp_path: Path, arguments, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["picture", str(runs), "--output", str(tmp_path), *arguments])


def test_layers_that_the_model_lacks_are_named_and_the_others_drawn(runs: Path, tmp_path: Path, capsys) -> None:
    arguments = ["picture", str(runs), "--doc", "d0", "--layers", "0,99,last", "--output", str(tmp_path)]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "there is no layer 99" in said.err
    assert len(said.out.split()) == 3 and all(Path(path).exists() for path in said.out.split())


@pytest.mark.parametrize("name", ["00000000-d0", f"{TASK}-00000000-d0"])
def test_a_picture_by_the_name_that_is_printed(runs: Path, tmp_path: Path, capsys, name: str) -> None:
    assert main(["picture", str(runs), "--doc", name, "--layers", "1", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(f"{TASK}-00000000-d0.png")


@pytest.mark.parametrize("layers", ["0,x", "-2", ""])
def test_layers_that_are_none(runs: Path, layers: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["picture", str(runs), f"--layers={layers}"])
    assert "expected layers such as 0,5,last" in capsys.readouterr().err


def test_the_newest_dumps_are_found(tmp_path: Path) -> None:
    for date, task in (("20250101_000000", "a"), ("20260101_000000", "a"), ("20250101_000000", "b_dump_c")):
        folder = dump_folder(tmp_path / "m", date, task)
        folder.mkdir(parents=True)
        (folder / dump_name(0, "d")).touch()
    dump_folder(tmp_path / "m", "20270101_000000", "a").mkdir()
    for place in (tmp_path, tmp_path / "m"):
        found = find_dumps(place)
        assert [(file.model, file.task, file.path.parent.name[:4]) for file in found] == [
            ("m", "a", "2026"),
            ("m", "b_dump_c", "2025"),
        ]
    assert [file.path.parent.name[:4] for file in find_dumps(tmp_path, date="20250101_000000", task="a")] == ["2025"]


@pytest.fixture
def run_by_option(tmp_path: Path, timing) -> Path:
    """A run with layer maps and what the lens reads."""
    records = []
    for number in range(5):
        rng = np.random.default_rng(number)
        words = timing(6, 40, rng)
        measurement = Measurement(
            f"d{number}", [word.word for word in words], 40, 0.04, {"gold": words}, "gold", layer_map=True
        )
        for layer in range(4):
            vectors = (rng.normal(size=(count, 16)).astype(np.float32) for count in (6, 40))
            measurement(layer, *vectors, rng.random((6, 40)) < 0.1)
        lens = LensTable(10, ["w"] * 6, [[HOSTILE] * 6] * 4, np.zeros((4, 6), bool))
        records.append(measurement.record("t", lens=lens))
    write_run(tmp_path / MODEL, records)
    return tmp_path


@pytest.mark.usefixtures("_no_files")
def test_what_was_measured_by_option_is_tabulated_and_said(run_by_option: Path) -> None:
    assert main(["report", str(run_by_option)]) == 0
    folder = run_by_option / "alas_report" / MODEL / TASK
    [run] = find_runs(run_by_option)
    maps = make_report(run).layer_maps
    table = rows(folder / "layer_map.csv")
    assert len(table) == 16
    for row in table:
        for name in ("retrieval", "cka"):
            value = maps[name]["values"][int(row["audio_layer"])][int(row["text_layer"])]
            assert row[name] == ("" if value is None else str(value))
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "By retrieval, audio layer" in text and "By CKA, audio layer" in text
    for name in ("layer_map", "layers_lens_recall", "layers_lens_evidence", "lens_d"):
        assert f"(figures/{name}" in text


def test_the_lens_is_shown_by_a_command(run_by_option: Path, tmp_path: Path, capsys) -> None:
    assert main(["lens", str(run_by_option), "--doc", "d3", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "d3, words 1 to 6 of 6" in printed and "w5" in printed and "d1" not in printed
    assert (tmp_path / "out" / MODEL / f"{TASK}-d3.png").exists()
    with pytest.raises(SystemExit, match=r"no document nobody of .* holds what its layers read as"):
        main(["lens", str(run_by_option), "--doc", "nobody"])


def test_a_run_without_a_lens_says_so(runs: Path, written: Path) -> None:
    with pytest.raises(SystemExit, match="alas_lens=10 --log_samples"):
        main(["lens", str(runs)])
    assert "lens" not in (written / "report.md").read_text(encoding="utf-8")


def test_a_run_without_a_layer_map_says_nothing_of_it(written: Path) -> None:
    assert not (written / "layer_map.csv").exists()
    assert "layer_map" not in (written / "report.md").read_text(encoding="utf-8")
