"""`open_catalog` for notebooks works in any folder of the project and nowhere else."""

import pytest

from tests.test_project import python
from thor.app.catalog import open_catalog
from thor.core.errors import ConfigError


def test_a_folder_outside_a_project_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"lies in no Kedro project .* open_catalog\(folder=\.\.\.\)") as caught:
        open_catalog(folder=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_below_the_project_and_an_environment_can_be_given(tmp_path):
    """In a separate process: a session configures the whole of Kedro."""
    code = (
        f"import os; os.environ['THOR_TEST_ROOT'] = {str(tmp_path)!r}\n"
        "from thor.app.catalog import open_catalog\n"
        "catalog = open_catalog(env='test', folder='notebooks')\n"
        "print(catalog['regimes']._describe()['filepath'])\n"
        "print(catalog.load('params:idealized_ocean.training_ocean').resolution_degrees)\n"
        "print(catalog.exists('regimes'))"
    )
    assert python(code).split() == [str(tmp_path / "05_model_input/regimes.nc"), "5.0", "False"]
    assert not list(tmp_path.iterdir()), "to open a catalog writes nothing"
