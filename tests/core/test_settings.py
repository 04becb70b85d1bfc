"""Settings without a pipeline: refused values, error messages, and checks of changed values."""

import pickle
from typing import Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from thor.core.errors import ConfigError
from thor.core.fingerprint import fingerprint
from thor.core.settings import Count, Filled, Positive, Settings, Share, expected, require, validate


class Layer(Settings):
    units: Count = Field(8, description="Units.")
    kind: Literal["dense", "sparse"] = Field("dense", description="Kind of layer.")
    share: Share = Field(0.5, description="Share of the inputs.")


class Network(Settings):
    layers: Filled[tuple[Layer, ...]] = Field((Layer(),), description="Layers.")
    last: Layer = Field(Layer(units=3), description="The last layer.")
    depth: float = Field(100.0, ge=50, le=1e4, description="Depth of water [m].")
    viscosity: Positive | None = Field(None, description="Lateral viscosity [m2 s-1]; null: none.")
    rate: Positive | Literal["chosen"] = Field("chosen", description="Learning rate.")
    patience: Count | None = Field(None, description="Epochs; null: no limit.")
    pair: tuple[int, int] = Field((1, 2), description="Lowest and highest.")
    weighted: bool = Field(False, description="Whether cells are weighted.")
    groups: dict[str, list[str]] | Literal["physical"] | None = Field(None, description="Groups.")

    @field_validator("pair")
    @classmethod
    def _ascending(cls, pair):
        if pair[0] > pair[1]:
            raise ValueError(f"must ascend; got {pair}.")
        return pair

    @model_validator(mode="after")
    def _fits(self):
        if self.weighted and self.depth > 5000:
            raise ValueError("cells of the deep ocean have no weights.")
        return self


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depht": 60.0}, "Network: there is no parameter 'depht'. Did you mean 'depth'?"),
        ({"depth": 1.0}, "Network: parameter 'depth' must be a number from 50 to 10000 m; got 1.0."),
        ({"depth": float("nan")}, "'depth' must be a number from 50 to 10000 m; got nan."),
        ({"depth": True}, "'depth' must be a number from 50 to 10000 m; got True."),
        ({"patience": 0}, "'patience' must be a whole number >= 1 or null; got 0."),
        ({"patience": 1.5}, "'patience' must be a whole number >= 1 or null; got 1.5."),
        ({"rate": "chosn"}, "'rate' must be a number > 0 or 'chosen'; got 'chosn'. Did you mean 'chosen'?"),
        ({"rate": -1.0}, "'rate' must be a number > 0 or 'chosen'; got -1.0."),
        ({"layers": ()}, "'layers' must be a list that is not empty, each a group of parameters (Layer); got ()."),
        ({"layers": [{"units": 0}]}, "'layers.0.units' must be a whole number >= 1; got 0."),
        ({"last": {"kind": "spars"}}, "'last.kind' must be 'dense' or 'sparse'; got 'spars'. Did you mean 'sparse'?"),
        ({"last": {"share": 1.0}}, "'last.share' must be a number > 0 and < 1; got 1.0."),
        ({"last": 5}, "'last' must be a group of parameters (Layer); got 5."),
        ({"pair": (1, 2, 3)}, "'pair' must be [a whole number, a whole number]; got (1, 2, 3)."),
        ({"pair": (3, 2)}, "parameter 'pair' must ascend; got (3, 2)."),
        ({"weighted": "perhaps"}, "'weighted' must be true or false; got 'perhaps'."),
        ({"groups": {"wind": "curl"}}, "'groups' must be a table, each a list, each text or 'physical' or null; got"),
        ({"weighted": True, "depth": 6000.0}, "Network: cells of the deep ocean have no weights."),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_is_expected(values, message):
    with pytest.raises(ConfigError) as caught:
        Network(**values)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_several_errors_are_in_one_message_and_at_most_three():
    with pytest.raises(ConfigError) as caught:
        Network(depth=0.0, patience=0, pair=5, weighted=3)
    assert len(str(caught.value).splitlines()) == 4 and str(caught.value).endswith("... and 1 more.")


def test_inside_a_group_the_whole_path_and_the_file_are_named():
    with pytest.raises(ConfigError, match=r"^conf/network.yml: parameter 'net.last.units' must be .* >= 1; got 0.$"):
        validate({"net": {"last": {"units": 0}}}, {"net": Network}, find_source=lambda _: "conf/network.yml")
    with pytest.raises(ValidationError):
        Network.model_validate({"last": {"units": 0}})


def test_changed_settings_are_checked_and_the_old_ones_are_unchanged():
    network = Network(depth=200.0)
    changed = network.replace(patience=3)
    assert (changed.depth, changed.patience, network.patience) == (200.0, 3, None)
    with pytest.raises(ConfigError, match="'depth'"):
        network.replace(depth=0.0)
    with pytest.raises(ValidationError, match="frozen"):
        network.depth = 300.0


def test_equal_settings_have_one_fingerprint_and_survive_a_pickle():
    network = Network(layers=[{"units": 4}])
    assert pickle.loads(pickle.dumps(network)) == network
    # the order of a set of texts differs between processes: a pickle with one would not be reproducible
    assert b"fields_set" not in pickle.dumps(network)
    assert fingerprint(network) == fingerprint(Network(layers=(Layer(units=4),)))
    assert fingerprint(network) != fingerprint(network.replace(depth=101.0))


def test_the_documentation_names_range_and_unit():
    assert expected(Network.model_fields["depth"]) == "a number from 50 to 10000 m"
    assert expected(Network.model_fields["viscosity"]) == "a number > 0 m2 s-1 or null"
    assert expected(Layer.model_fields["share"]) == "a number > 0 and < 1"


def test_an_argument_that_is_no_setting_is_refused_in_the_same_words():
    require("n_steps", 3, Count)
    with pytest.raises(ConfigError, match="'n_steps' must be a whole number >= 1; got 0"):
        require("n_steps", 0, Count)
