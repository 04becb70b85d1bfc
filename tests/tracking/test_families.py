"""Families of models: a stated table, additions to it, and errors for what it cannot answer."""

from importlib.resources import files

import pytest
import yaml

from thor.core.errors import ConfigError
from thor.reading.quirks import quirk_table
from thor.tracking.families import families_of, family_table


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


def test_a_model_without_a_family_and_a_family_of_an_unknown_model_are_errors():
    with pytest.raises(ConfigError, match="No family is known of MINE.*families, e.g. {MINE: NEMO}"):
        families_of(["MINE", "CESM2"], {})
    with pytest.raises(ConfigError, match="'CESM', which is not in the archive. Did you mean 'CESM2'"):
        families_of(["CESM2"], {"CESM": "POP"})
