"""Reports: ``report.json``, ``timings.json`` and ``report.html`` of a run, made from what the run stored.

``report.json`` is the same bytes for the same recipe and input; its schema is :mod:`pipeline.reports.model`.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.errors import GristmillError
from pipeline.reports.build import build_report
from pipeline.reports.cluster_tables import write_cluster_tables
from pipeline.reports.collect import collect
from pipeline.reports.model import REPORT_FORMAT, Report, Timings
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.timings import build_timings
from pipeline.runs import Run
from pipeline.storage import Folder

REPORT_NAME = "report.json"
TIMINGS_NAME = "timings.json"
PAGE_NAME = "report.html"


def write_report(run: Run) -> Report:
    """Write the reports of a run into its folder."""
    from pipeline.reports.page import report_page

    stored = StoredRun(run)
    found = collect(stored)
    report, timings = build_report(stored, found), build_timings(stored, found)
    folder = Folder(run.folder)
    folder.write(REPORT_NAME, (report.model_dump_json(indent=1, by_alias=True) + "\n").encode())
    folder.write(TIMINGS_NAME, (timings.model_dump_json(indent=1) + "\n").encode())
    page = report_page(report, timings, found.samples, training_log(folder), stored.recipe_text)
    folder.write(PAGE_NAME, page.encode("utf-8", "replace"))
    write_cluster_tables(stored)
    return report


def read_report(folder: str) -> Report:
    """The report of a run: as it was written at its end, or of what an unfinished run has so far."""
    stored = StoredRun.open(folder)
    if stored.run.status != "finished" or not stored.folder.exists(REPORT_NAME):
        return build_report(stored, collect(stored))
    record = json.loads(stored.folder.read(REPORT_NAME))
    if record.get("format") != REPORT_FORMAT:
        found = f"report format {record.get('format')}, this is {REPORT_FORMAT}"
        raise GristmillError(found, where=stored.folder.file(REPORT_NAME), remedy="run the recipe again")
    return Report.model_validate(record)


def read_timings(folder: str) -> Timings | None:
    """The times of a run; None where none were written."""
    try:
        return Timings.model_validate_json(Folder(folder).read(TIMINGS_NAME))
    except FileNotFoundError:
        return None


def training_log(folder: Folder) -> list[dict[str, Any]]:
    """The trainer's log, a record a line; empty where nothing was trained."""
    try:
        lines = folder.child("train").read("log.jsonl").splitlines()
    except FileNotFoundError:
        return []
    records = [line for line in lines if line.strip()]
    if records and not _is_whole(records[-1]):
        records.pop()
    return [json.loads(line) for line in records]


def _is_whole(line: bytes) -> bool:
    """A killed trainer may leave half a line, and only as the last one."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
