"""Numbers in words: no negative zero, and no share that looks like none or the whole."""

import pytest

from thor.report.words import capital, interval, level_percent, number_word, percent, regime_name, signed


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (-0.001, 0, "0\u00a0%"),
        (-0.02, 0, "\u22122\u00a0%"),
        (0.0, 1, "0.0\u00a0%"),
        (0.004, 0, "less than 1\u00a0%"),
        (0.0004, 1, "less than 0.1\u00a0%"),
        (0.1234, 1, "12.3\u00a0%"),
        (0.998, 0, "more than 99\u00a0%"),
        (0.998, 1, "99.8\u00a0%"),
        (0.99951, 1, "more than 99.9\u00a0%"),
        (1.0, 0, "100\u00a0%"),
    ],
)
def test_shares(share, digits, text):
    assert percent(share, digits) == text


@pytest.mark.parametrize(("share", "text"), [(None, "an unknown share"), (float("nan"), "an unknown share")])
def test_unknown_shares(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "plus", "text"),
    [(-0.004, False, "0.00"), (-0.004, True, "+0.00"), (-0.126, False, "\u22120.13"), (0.126, True, "+0.13")],
)
def test_signed_numbers(value, plus, text):
    assert signed(value, 2, plus=plus) == text


@pytest.mark.parametrize(("level", "text"), [(0.9, "90"), (0.975, "97.5"), (0.999, "99.9"), (1 - 0.95, "5")])
def test_settings_are_not_rounded(level, text):
    assert level_percent(level) == f"{text}\u00a0%"
    assert interval({"low": 0.1, "high": 0.2, "level": level}) == f" ({text}\u00a0% interval 10 to 20\u00a0%)"


def test_numbers_up_to_nine_are_words():
    assert [number_word(number) for number in (1, 2, 9, 10)] == ["1", "two", "nine", "10"]


def test_the_merged_regime_may_begin_a_sentence():
    assert capital(regime_name("merged")) == "The merged regime" and regime_name("S-SV") == "S-SV"
