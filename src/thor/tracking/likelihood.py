"""The likelihood scale of the IPCC: words for the probability of a change, and those that a test supports.

The scale is that of Mastrandrea et al. (2010), the guidance note of the Intergovernmental Panel on Climate Change on
uncertainties.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import DataError

LIKELIHOOD = {
    "exceptionally_unlikely": (0.0, 0.01),
    "very_unlikely": (0.0, 0.10),
    "unlikely": (0.0, 0.33),
    "about_as_likely_as_not": (0.33, 0.66),
    "likely": (0.66, 1.0),
    "very_likely": (0.90, 1.0),
    "virtually_certain": (0.99, 1.0),
}
"""Ranges of probability. They are nested; a probability is called by the narrowest that holds it."""

LIKELIHOOD_BOUNDS = (0.01, 0.10, 0.33, 0.66, 0.90, 0.99)
"""Bounds of the narrowest ranges; those up to 0.33 belong to the range above, the others to the range below."""

LIKELIHOOD_RANGES = ("< 1 %", "1-10 %", "10-33 %", "33-66 %", "66-90 %", "90-99 %", "> 99 %")
"""The narrowest ranges as text."""


def likelihood_class(probability: AnyArray) -> NDArray[np.int8]:
    """Return for each probability the number of its word in `LIKELIHOOD`, -1 where it is NaN.

    The narrowest range is taken: above 0.99 virtually certain, above 0.90 very likely, above 0.66 likely, from 0.33 to
    0.66 about as likely as not, below 0.33 unlikely, below 0.10 very unlikely, below 0.01 exceptionally unlikely.
    """
    number = np.searchsorted(LIKELIHOOD_BOUNDS[:3], probability, side="right")
    number += np.searchsorted(LIKELIHOOD_BOUNDS[3:], probability, side="left")
    return np.where(np.isnan(probability), -1, number).astype(np.int8)


def supported_words(reliability: pd.DataFrame) -> tuple[str, ...]:
    """Return the words that a test with known truth supports, from unlikely to certain.

    Parameters
    ----------
    reliability : pandas.DataFrame
        One row for each class of cells: `mean_probability` of a change, `observed_frequency` of true changes, `area`
        [m2], and, if known, the interval `low` to `high` of the frequency. Rows whose mean probability has one word
        are combined, weighted by area.

    Returns
    -------
    tuple of str
        Words of `LIKELIHOOD` whose range contains the observed frequency and, where known, its whole interval. A word
        without a row is not supported.

    Raises
    ------
    DataError
        When a column is missing.
    """
    missing = {"mean_probability", "observed_frequency", "area"} - set(reliability.columns)
    if missing:
        raise DataError(
            f"A reliability table needs mean_probability, observed_frequency and area; missing "
            f"{', '.join(sorted(missing))}, got {', '.join(map(str, reliability.columns))}."
        )
    table = reliability[(reliability["area"] > 0) & reliability["observed_frequency"].notna()]
    bounds = [table.get(name, table["observed_frequency"]) for name in ("low", "high")]
    low, high = (bound.fillna(table["observed_frequency"]) for bound in bounds)
    number = likelihood_class(table["mean_probability"].to_numpy(dtype=float))
    supported = []
    for k, (word, (least, most)) in enumerate(LIKELIHOOD.items()):
        rows = number == k
        if rows.any():
            lowest, highest = (np.average(bound[rows], weights=table["area"][rows]) for bound in (low, high))
            supported += [word] if least <= lowest and highest <= most else []
    return tuple(supported)
