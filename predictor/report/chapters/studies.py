"""Chapters of studies: the kinds of router, the blocks of features, the number of images."""

from predictor.data import Results
from predictor.report.document import Block, Cell, Cells, Folded, Paragraph, Table
from predictor.report.wording import (
    MISSING,
    describe_kind,
    drawing,
    gap,
    gap_cell,
    head_budget,
    head_key,
    number,
    points,
)


def kinds(results: Results) -> list[Block]:
    """Compare the kinds of router."""
    if not results.get("zoo"):
        return []
    text = (
        "Every kind is trained on the same rows and features and calibrated in the same way. They "
        "are sorted by the gap closed on the calibration split, by which train --kind auto picks "
        "one; the test split is not used for that."
    )
    settings = Folded("Settings of each kind", _settings_table(results))
    return [Paragraph(text), _kinds_table(results), drawing("zoo"), settings]


def _kinds_table(results: Results) -> Table:
    key = head_key(results)
    rows: list[Cells] = []
    for row in results["zoo"]:
        name, what = describe_kind(row["name"])
        remarks = ["the one reported" if row["is_default"] else "", what]
        drop = points(row.get("parity_drop"))
        rows.append(
            [
                Cell(name, "; ".join(filter(None, remarks))),
                gap(row.get(f"calibration_{key}")),
                gap_cell(row, key),
                gap_cell(row, "behind_router"),
                Cell(
                    number(row.get("parity_tokens"), 0), "" if drop == MISSING else f"{drop} points"
                ),
                Cell(
                    number(row.get("router_ms"), 3),
                    f"batch of 1: {number(row.get('router_ms_single'), 2)}",
                ),
                number(row.get("router_mb"), 2),
                number(row.get("train_s")),
            ]
        )
    head = (
        "router",
        "gap closed, calibration",
        "gap closed, test",
        "behind the one reported",
        "tokens to parity",
        "ms per question",
        "MB",
        "s to train",
    )
    strong = next((k for k, row in enumerate(results["zoo"]) if row["is_default"]), None)
    return Table(head, rows, strong)


def _settings_table(results: Results) -> Table:
    rows: list[Cells] = []
    for row in results["zoo"]:
        settings = (row.get("settings") or {}).items()
        text = ", ".join(f"{key} {value}" for key, value in settings)
        rows.append([describe_kind(row["name"])[0], text or MISSING])
    return Table(("router", "settings"), rows, wordy=True)


def ablation(results: Results) -> list[Block]:
    """Show what each block of features is worth."""
    study = results.get("ablation") or {}
    if not study.get("rows"):
        return []
    text = (
        f"The router trained without one block at a time, on {study.get('seeds', '?')} seeds, "
        f"scored on the {study.get('split', 'test')} split at {head_budget(results)} tokens."
    )
    if unmeasured := ", ".join(study.get("unmeasured", [])):
        text += f" Milliseconds are without measuring {unmeasured}, which a profile would tell."
    return [Paragraph(text), _ablation_table(study, head_key(results)), drawing("ablation")]


def learning(results: Results) -> list[Block]:
    """Show what the router closes of the gap when fewer images are trained on."""
    study = results.get("learning_curve") or {"rows": []}
    rows: list[Cells] = [
        [
            str(row["images"]),
            gap(row.get(head_key(results))),
            gap_cell(row, "behind") if "behind" in row else "",
        ]
        for row in study["rows"]
    ]
    if len(rows) < 2:
        return []  # too few images for a part of them
    text = (
        "The router trained on parts of the training images, drawn anew for each of "
        f"{study['seeds']} seeds, and compared at {head_budget(results)} tokens. All have the "
        "settings tuned on all images, and are calibrated on the whole calibration split. "
        "Intervals pool the draws of all seeds; one that contains 0 shows no gain. What more "
        "images than these would give is not measured."
    )
    head = ("images trained on", "gap closed", "behind all of them")
    return [Paragraph(text), Table(head, rows, strong=len(rows) - 1)]


def _block_time(ms: float | None, noise: float | None) -> str:
    """Write what a block takes, a difference of two times, unless chance makes as much of it."""
    if noise is None:
        return MISSING  # of older results, which were timed while others trained
    return "within noise" if ms is not None and abs(ms) <= 2 * noise else number(ms, 3)


def _ablation_table(study: Results, key: str) -> Table:
    rows: list[Cells] = [
        [
            Cell(f"{row['block']} {row.get('version', '')}".strip(), str(row.get("what", ""))),
            str(row.get("columns", MISSING)),
            gap(row.get(f"{key}_without")),
            gap_cell(row, "loss"),
            gap(row.get("loss_calibration")),
            gap(row.get(f"{key}_alone")),
            _block_time(row.get("ms"), study.get("ms_noise")),
        ]
        for row in study["rows"]
    ]
    full = study.get("full", {})
    columns = str(full.get("columns", ""))
    ms = number(full.get("ms"), 3)
    rows.append(["all blocks", columns, gap_cell(full, key), "", "", "", ms])
    head = (
        "block",
        "columns",
        "gap closed without it",
        "loss",
        "loss, calibration",
        "gap closed with it alone",
        "ms per question",
    )
    return Table(head, rows, strong=len(rows) - 1)
