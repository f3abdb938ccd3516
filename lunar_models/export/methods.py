"""Write a methods paragraph for an analysis, and the papers it cites as BibTeX."""

import re

import numpy as np

from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.chronology import HARTMANN_1984, MICHAEL_2013, TRASK_1966
from lunar_models.degradation.diffusion_age import FASSETT_THOMSON_2014
from lunar_models.degradation.references import Reference
from lunar_models.moon import MOON_RADIUS_KM

CATWG_1979 = Reference(
    "catwg1979",
    "Crater Analysis Techniques Working Group",
    1979,
    "Standard techniques for presentation and analysis of crater size-frequency data",
    "Icarus, 37, 467-474",
)
MICHAEL_2016 = Reference(
    "michael2016",
    "Michael, G. G., Kneissl, T., & Neesemann, A.",
    2016,
    "Planetary surface dating from crater size-frequency distribution measurements: "
    "Poisson timing analysis",
    "Icarus, 277, 279-285",
    "10.1016/j.icarus.2016.05.019",
)
FASSETT_HEAD_2008 = Reference(
    "fassett2008",
    "Fassett, C. I., & Head, J. W.",
    2008,
    "The timing of martian valley network activity: Constraints from buffered crater counting",
    "Icarus, 195, 61-89",
)
ABAN_2006 = Reference(
    "aban2006",
    "Aban, I. B., Meerschaert, M. M., & Panorska, A. K.",
    2006,
    "Parameter estimation for the truncated Pareto distribution",
    "Journal of the American Statistical Association, 101, 270-277",
    "10.1198/016214505000000411",
)
_BINS = {
    "root2": "√2 bins of diameter",
    "pseudo-log": "pseudo-logarithmic bins of diameter (Michael, 2013)",
    "10/decade": "ten bins per decade of diameter",
    "20/decade": "twenty bins per decade of diameter",
}


def references(analysis: Analysis) -> list[Reference]:
    """Return the papers whose methods an analysis uses."""
    papers = [CATWG_1979, *analysis.choices.system.references, MICHAEL_2016, ABAN_2006]
    papers += [TRASK_1966, HARTMANN_1984]
    if analysis.choices.binning == "pseudo-log":
        papers.append(MICHAEL_2013)
    if analysis.choices.buffered:
        papers.append(FASSETT_HEAD_2008)
    if len(analysis.crater_ages):
        papers.append(analysis.choices.diffusivity.reference or FASSETT_THOMSON_2014)
    if analysis.choices.scheme and analysis.choices.scheme.reference:
        papers.append(analysis.choices.scheme.reference)
    return list(dict.fromkeys(papers))


def methods_paragraph(analysis: Analysis) -> str:
    """Write what was done, in sentences for a paper, with the run's own numbers."""
    choices, age = analysis.choices, analysis.age
    everything = analysis.populations.iloc[0]
    top = f"{age.diameter_max_km:g}"
    sentences = [
        f"We counted {everything['craters']:,} impact craters {_counted(analysis)}; the area is "
        f"that on a sphere of {MOON_RADIUS_KM} km radius.",
        f"Size-frequency distributions are in {_BINS[choices.binning]} (Crater Analysis "
        f"Techniques Working Group, 1979) with exact Poisson intervals of {choices.level:.0%}.",
        f"We take the count to be complete from {everything['completeness_km']:.3g} km.",
    ]
    if np.isfinite(everything["slope"]):
        sentences.append(
            f"The cumulative slope above it is {everything['slope']:.2f} "
            f"({everything['slope_low']:.2f} to {everything['slope_high']:.2f}), by maximum "
            "likelihood (Aban et al., 2006)."
        )
    if age.known:
        years = format_age(age.median_ga, age.low_ga, age.high_ga)
        sentences.append(
            f"{age.craters:,} craters of {age.diameter_min_km:.3g}-{top} km give a model age of "
            f"{years}, with the production and chronology functions of {choices.system.name} and "
            "Poisson timing analysis (Michael et al., 2016)."
        )
    if analysis.states:
        names = ", ".join(analysis.states.values())
        sentences.append(f"Craters are classed by degradation as {names}.")
    if len(analysis.crater_ages):
        law = choices.diffusivity
        used = int((analysis.crater_ages["flags"] == "").sum())
        grow = f" (D / 1 km)^{law.exponent:g}" if law.exponent else ""
        sentences.append(
            f"Model ages of single craters follow from K = κt with a diffusivity κ of "
            f"{law.at_1_km_m2_per_myr:g}{grow} m²/Myr (Fassett & Thomson, 2014); {used:,} of "
            f"{len(analysis.crater_ages):,} craters lie within the diameters and ages it was "
            "derived for."
        )
    return " ".join(sentences)


def _counted(analysis: Analysis) -> str:
    area = f"{format_area(analysis.area.area_km2)} ({analysis.area.source})"
    if analysis.choices.buffered:
        return f"that reach {area}, each on that area widened by its radius (Fassett & Head, 2008)"
    return f"with their centres on {area}"


def format_area(area_km2: float) -> str:
    """Write ``4,106,295 km²``; below 1,000 km² with four figures, for small areas."""
    return f"{area_km2:,.0f} km²" if area_km2 >= 1000.0 else f"{area_km2:.4g} km²"


def format_age(median: float, low: float, high: float) -> str:
    """Write ``3.46 (3.43 to 3.49) Ga``, in Ma below 0.1 Ga; NaN is ``no age``."""
    if np.isnan(median):
        return "no age"
    scale, unit = (1000.0, "Ma") if median < 0.1 else (1.0, "Ga")
    width = max((high - low) / 2 * scale, 1e-9)
    decimals = int(np.clip(-np.floor(np.log10(width)), 0, 6))
    values = [f"{value * scale:.{decimals}f}" for value in (median, low, high)]
    return f"{values[0]} ({values[1]} to {values[2]}) {unit}"


def bibtex(papers: list[Reference]) -> str:
    """BibTeX entries of papers."""
    return "\n".join(_entry(paper) for paper in papers)


def _entry(paper: Reference) -> str:
    fields = {
        "author": _authors(paper.authors),
        "year": paper.year,
        "title": f"{{{paper.title}}}",
        "howpublished": paper.place,
        "doi": paper.doi,
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{paper.key},\n" + ",\n".join(lines) + "\n}\n"


def _authors(text: str) -> str:
    """Names joined by ``and``; those of a group, which have no initials, in braces."""
    plain = text.replace(", & ", ", ").replace(" & ", ", ").replace("et al.", "others")
    if "." not in plain:
        return f"{{{plain}}}"
    return " and ".join(re.split(r"(?<=\.), ", plain))
