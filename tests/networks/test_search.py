import numpy as np
import pytest

from tests.networks.test_training import NAMES, make_table
from thor.core.errors import ConfigError
from thor.networks.search import search
from thor.networks.settings import CommonTraining, SearchSettings

TRAINING = CommonTraining(batch_size=64)
SETTINGS = SearchSettings(n_trials=3, n_networks=2, epochs=4, depth=(1, 2), width=(8, 16), learning_rate=(1e-4, 3e-2))


def test_trials_are_seeded_scored_on_select_cells_and_sorted():
    train, select = make_table(256, seed=1), make_table(128, seed=2)
    first, again = (search(train, select, **NAMES, training=TRAINING, settings=SETTINGS, seed=4) for _ in range(2))
    assert first.equals(again)
    assert sorted(first["trial"]) == [0, 1, 2]
    assert first["select_loss"].is_monotonic_increasing
    assert set(first["depth"]) <= {1, 2}
    assert set(first["width"]) <= {8, 16}
    assert first["learning_rate"].between(1e-4, 3e-2).all()
    # A network worse than the shares of the classes has learnt nothing.
    assert first["select_loss"].iloc[0] < np.log(4)
    assert first["best_epoch"].between(0, 3).all()
    one_layer = first[first["depth"] == 1]
    assert (one_layer["n_weights"] == 4 * one_layer["width"] + 4 * (one_layer["width"] + 1)).all()


def test_ranges_that_cannot_be():
    with pytest.raises(ConfigError, match="'width' must hold a lowest and a highest value; got 32 and 16"):
        SearchSettings(width=(32, 16))
    with pytest.raises(ConfigError, match="'n_trials' must be a whole number >= 1"):
        SearchSettings(n_trials=0)


@pytest.mark.parametrize(("width", "tried"), [((8, 18), {8, 16}), ((3, 9), {3})])
def test_widths_begin_with_the_fewest_and_end_before_the_most(width, tried, recwarn):
    train, select = make_table(64, seed=1), make_table(32, seed=2)
    settings = SETTINGS.replace(n_trials=6, n_networks=1, epochs=1, width=width)
    found = search(train, select, **NAMES, training=TRAINING, settings=settings, seed=4)
    assert set(found["width"]) == tried
    assert not [warning for warning in recwarn if "not divisible" in str(warning.message)]


def test_what_is_searched_is_no_setting_of_the_training():
    for name in ("hidden", "learning_rate", "n_networks", "epochs", "member_labels"):
        with pytest.raises(ConfigError, match=f"there is no parameter '{name}'"):
            CommonTraining(**{name: 1})
