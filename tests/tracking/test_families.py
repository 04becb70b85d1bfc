"""Families of models: a stated table, additions to it, and errors for what it cannot answer."""

from importlib.resources import files

import pytest
import yaml

from thor.app.parameters import ScenarioTracking
from thor.core.compute import Compute
from thor.core.errors import ConfigError
from thor.pipelines.scenario_tracking.nodes import track_regimes
from thor.reading.quirks import quirk_table
from thor.tracking.families import families_of, family_table, require_families
from thor.tracking.settings import AgreementSettings


def test_models_with_one_ocean_code_are_one_family():
    found = families_of(["IPSL-CM6A-LR", "UKESM1-0-LL", "CESM2", "GFDL-ESM4", "MPI-ESM1-2-LR"], {})
    assert found["IPSL-CM6A-LR"] == found["UKESM1-0-LL"] == "NEMO"
    assert len(set(found.values())) == 4


def test_every_model_with_a_row_of_quirks_has_a_family_and_no_model_has_two():
    assert set(quirk_table()) <= set(family_table())
    rows = yaml.safe_load(files("thor.tracking").joinpath("families.yml").read_text(encoding="utf-8"))
    models = [model for family in rows.values() for model in family]
    assert len(models) == len(set(models)) == len(family_table())


def test_given_families_add_to_the_table_and_have_priority():
    assert families_of(["MINE", "CESM2"], {"MINE": "ROMS", "CESM2": "mine"}) == {"MINE": "ROMS", "CESM2": "mine"}


def test_a_model_without_a_family_is_an_error():
    with pytest.raises(ConfigError, match="No family is known of MINE.*families, e.g. {MINE: NEMO}"):
        families_of(["MINE", "CESM2"], {})


def test_it_is_one_before_any_run_is_tracked():
    parameters = ScenarioTracking(seed=42, agreement=AgreementSettings(model_weights="family"))
    features = {"MINE/ssp585/r1i1p1f1": None}
    with pytest.raises(ConfigError, match="No family is known of MINE"):
        track_regimes({}, features, parameters, Compute())


def test_families_of_models_that_are_left_out_are_a_warning(caplog):
    """A misspelt name is one, too; the model that it stands for is an error unless the table has it."""
    given = {"LEFT-OUT": "POP", "MINE": "ROMS"}
    assert families_of(["CESM2", "MINE"], given) == {"CESM2": "POP", "MINE": "ROMS"}
    settings = AgreementSettings(model_weights="family", families=given)
    require_families(["CESM2", "MINE"], settings)
    assert "families has LEFT-OUT, not among the tracked models (CESM2, MINE): left out, or misspelt?" in caplog.text
    caplog.clear()
    with pytest.raises(ConfigError, match="No family is known of YOURS"):
        require_families(["CESM2", "YOURS"], settings)
    assert "families has LEFT-OUT, MINE, not among" in caplog.text
    caplog.clear()
    require_families(["YOURS"], settings.replace(model_weights="none"))
    require_families(["CESM2", "LEFT-OUT", "MINE"], settings)
    assert not caplog.records
