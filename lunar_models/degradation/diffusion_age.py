"""Compute model ages of single craters from the diffusion of their relief.

Fassett & Thomson (2014, doi 10.1002/2014JE004698): a crater's relief decays by topographic
diffusion, and the state of decay is the diffusion age K = κ t in m². With the diffusivity κ that
the same work derived for the maria, K becomes an age.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.degradation.chronology import OLDEST_GA
from lunar_models.degradation.crater_shape import K_OVER_R2_MAX
from lunar_models.degradation.references import Reference

FASSETT_THOMSON_2014 = Reference(
    "fassett2014",
    "Fassett, C. I., & Thomson, B. J.",
    2014,
    "Crater degradation on the lunar maria: Topographic diffusion and the rate of erosion "
    "on the Moon",
    "Journal of Geophysical Research: Planets, 119, 2255-2271",
    "10.1002/2014JE004698",
)

FLAGS = {
    "small": "smaller than the craters the diffusivity was derived from",
    "large": "larger than the craters the diffusivity was derived from",
    "old": "older than the time over which the diffusivity is a mean",
    "fresh": "as deep as a fresh crater, so that K is only an upper limit",
    "erased": "so worn that K is only a lower limit",
    "beyond": "more diffused than this diffusivity allows within the age of the Moon: no age",
}
"""Why an age lies outside what the diffusivity was derived from."""


_LEAST_K_OVER_R2 = 1.001e-4


@dataclass(frozen=True)
class Diffusivity:
    """``κ(D) = κ1 (D / 1 km)^p``: constant for p = 0."""

    at_1_km_m2_per_myr: float
    exponent: float
    diameter_range_km: tuple[float, float]
    oldest_ga: float
    """The age up to which it holds as a mean."""
    reference: Reference | None

    def at(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Diffusivity in m² per million years, same shape."""
        diameter = np.asarray(diameter_km, np.float64)
        return np.asarray(self.at_1_km_m2_per_myr * diameter**self.exponent)


MARE = Diffusivity(5.5, 0.0, (0.8, 5.0), 3.0, FASSETT_THOMSON_2014)
"""Mean of the maria over the last 3 billion years, from craters of 0.8-5 km. On highlands, and
for other sizes, diffusivity differs: such ages are an extrapolation and flagged."""


def diffusion_ages(
    k_m2: pd.DataFrame, diameter_km: npt.ArrayLike, diffusivity: Diffusivity = MARE
) -> pd.DataFrame:
    """Model age of each crater.

    Args:
        k_m2: N rows; k_m2, and k_m2_low and k_m2_high where its interval is known.
        diameter_km: (N,).
        diffusivity: the law of κ; its own uncertainty is not in the interval.

    Returns:
        N rows: age_ga, age_low_ga, age_high_ga and flags, the words of `FLAGS` that apply,
        separated by spaces. Ages and bounds above `OLDEST_GA` are NaN, and so are the bounds where
        K has no interval. Where K is only a limit there is no age, but one bound.
    """
    diameter = np.asarray(diameter_km, np.float64)
    per_ga = diffusivity.at(diameter) * 1000.0
    result = pd.DataFrame({"age_ga": k_m2["k_m2"].to_numpy(np.float64) / per_ga})
    for end in ("low", "high"):
        known = f"k_m2_{end}" in k_m2
        bound = k_m2[f"k_m2_{end}"].to_numpy(np.float64) if known else np.full(len(k_m2), np.nan)
        result[f"age_{end}_ga"] = bound / per_ga
    k_over_r2 = k_m2["k_m2"].to_numpy(np.float64) / (diameter * 500.0) ** 2
    smallest, largest = diffusivity.diameter_range_km
    with np.errstate(invalid="ignore"):
        raised = {
            "small": diameter < smallest,
            "large": diameter > largest,
            "old": result["age_ga"].to_numpy() > diffusivity.oldest_ga,
            "fresh": k_over_r2 <= _LEAST_K_OVER_R2,
            "erased": k_over_r2 >= K_OVER_R2_MAX * 0.999,
            "beyond": result["age_ga"].to_numpy() > OLDEST_GA,
        }
    words = [np.where(mask, name + " ", "") for name, mask in raised.items()]
    result["flags"] = [("".join(row)).strip() for row in zip(*words, strict=True)]
    for flag, limited in (("fresh", "age_high_ga"), ("erased", "age_low_ga")):
        limit = raised[flag]
        result.loc[limit, limited] = result.loc[limit, "age_ga"]
        result.loc[limit, "age_ga"] = np.nan
    ages = ["age_ga", "age_low_ga", "age_high_ga"]
    result[ages] = result[ages].where(result[ages] <= OLDEST_GA)
    return result
