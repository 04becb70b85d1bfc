"""`open_catalog` for notebooks works in any folder of the project and nowhere else."""

import pytest

from tests.test_project import python
from thor.app.catalog import open_catalog
from thor.core.errors import ConfigError
from thor.core.run_record import RunRecord


def test_a_folder_outside_a_project_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"lies in no Kedro project .* open_catalog\(folder=\.\.\.\)") as caught:
        open_catalog(folder=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_results_that_do_not_belong_together_give_a_warning(tmp_path):
    for name in ("regimes.nc", "ensemble.nc"):
        (tmp_path / name).write_text(name)
    record = RunRecord(tmp_path / "logs/run_record.json", data_root=tmp_path)
    record.start_run("run", {"run": {"env": "test"}})
    record.node("train", pipeline="modelling", seconds=1.0, peak_memory_mb=1.0)
    record.loaded("regimes", tmp_path / "regimes.nc")
    record.saved("ensemble", tmp_path / "ensemble.nc", node="train", inputs=["regimes"])
    record.write()
    code = (
        f"import os, warnings; os.environ['THOR_TEST_ROOT'] = {str(tmp_path)!r}\n"
        "from thor.app.catalog import open_catalog\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    open_catalog(env='test')\n"
        "print([str(w.message) for w in caught if 'belong together' in str(w.message)])"
    )
    assert python(code).split() == ["[]"]
    (tmp_path / "regimes.nc").write_text("others")
    before = record.path.read_bytes()
    message = python(code)
    assert "ensemble, made from other versions of regimes than those in the folder" in message
    assert "`kedro run --env test --pipelines modelling`" in message
    assert record.path.read_bytes() == before, "to open a catalog writes nothing"


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
