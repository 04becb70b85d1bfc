"""The archive as it was read: rows of the inventory, and the sentences about them."""

import pandas as pd
import pytest

from thor.core.errors import DataError
from thor.reading.inventory import INVENTORY_COLUMNS
from thor.report.archive import archive_numbers, archive_rows, archive_sentences, model_rows


def row(run, **more):
    source_id, experiment_id, variant_label = run.split("/")
    return dict.fromkeys(INVENTORY_COLUMNS, "") | {
        "source_id": source_id,
        "experiment_id": experiment_id,
        "variant_label": variant_label,
        "usable": True,
        **dict.fromkeys(("first_year", "last_year", "n_windows", "n_baselines", "size_gb"), 1),
        **more,
    }


GOOD, ALSO = row("A/piControl/r1"), row("A/historical/r1", checks="stress has the wrong sign; sea level in cm")
BAD = row("B/ssp585/r1", usable=False, reason="no file of 'tauuo'.", first_year=None)
NO_ARCHIVE = {"n_runs": 0, "n_read": 0, "not_read": {}, "not_passed": {}}


def lines_of(*rows):
    return archive_sentences(archive_numbers(pd.DataFrame(rows)))


def test_without_an_archive_there_are_no_sentences():
    assert archive_rows(None) == []
    assert archive_numbers(None) == NO_ARCHIVE
    assert archive_sentences(NO_ARCHIVE) == []


def test_what_was_not_read_comes_first_with_its_reason(tmp_path):
    """Also as the table comes back from its file, where gaps turn columns into others."""
    table = pd.DataFrame([GOOD, ALSO, BAD])
    table.to_csv(tmp_path / "inventory.csv", index=False)
    for inventory in (table, pd.read_csv(tmp_path / "inventory.csv")):
        rows = archive_rows(inventory)
        assert [row["run"] for row in rows] == ["B/ssp585/r1", "A/piControl/r1", "A/historical/r1"]
        assert [row["usable"] for row in rows] == [False, True, True]
        assert rows[0]["reason"] == "no file of 'tauuo'." and rows[0]["first_year"] is None
        assert rows[1]["checks"] == rows[1]["calendar"] == ""


def test_sentences_count_what_was_read_and_name_the_rest():
    assert lines_of(GOOD) == ["The one run was read."]
    assert lines_of(GOOD, row("A/ssp585/r1")) == ["All 2 runs of the archive were read."]
    assert lines_of(GOOD, ALSO, BAD) == [
        "2 of 3 runs of the archive were read; the others: B/ssp585/r1 (no file of 'tauuo').",
        "Physical checks that were not passed: A/historical/r1 (stress has the wrong sign; sea level in cm).",
    ]


def test_runs_of_one_reason_are_named_together_and_of_many_the_first():
    many = [row(f"M{k}/ssp585/r1", usable=False, reason="no file of 'zos'") for k in range(5)]
    others = [row(f"N{k}/ssp585/r1", usable=False, reason=f"calendar {k} is unknown") for k in range(3)]
    (line,) = lines_of(*many, *others)
    assert line == (
        "0 of 8 runs of the archive were read; the others: M0/ssp585/r1, M1/ssp585/r1, M2/ssp585/r1, and 2 more "
        "(no file of 'zos'); N0/ssp585/r1 (calendar 0 is unknown); N1/ssp585/r1 (calendar 1 is unknown); and 1 "
        "more."
    )


def test_a_table_of_another_form_is_refused():
    with pytest.raises(DataError, match="archive_inventory has no column usable, reason"):
        archive_rows(pd.DataFrame([GOOD]).drop(columns=["usable", "reason"]))


def test_each_model_has_a_row_with_what_was_missing_and_repaired():
    warned = [row(f"CESM2/ssp585/r{k}", warnings="the newest version of zos holds no file") for k in (1, 2)]
    unread = row("CESM2/historical/r1", usable=False, reason="no file of 'tauuo'.")
    first, second = model_rows(pd.DataFrame([*warned, unread, GOOD]), {"CESM2": 0.8})
    assert first == {
        "source_id": "A",
        "n_runs": 1,
        "n_read": 1,
        "expected_accuracy": None,
        "missing": "",
        "repaired": "",
        "known": "",
    }
    assert (second["n_runs"], second["n_read"], second["expected_accuracy"]) == (3, 2, 0.8)
    assert second["missing"] == "historical/r1 (no file of 'tauuo')"
    assert second["repaired"] == "ssp585/r1, ssp585/r2 (the newest version of zos holds no file)"
    assert second["known"].startswith("POP on a displaced-pole")
    assert model_rows(None, {}) == []
