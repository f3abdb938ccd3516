"""Draw all figures of the analysis of a region, by name."""

from matplotlib.figure import Figure

from lunar_models.degradation.analysis import Analysis
from lunar_models.plots.area_map import area_map
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.degradation import k_figure, retention_figure, states_figure
from lunar_models.plots.map_marks import describe_sun
from lunar_models.plots.print import Width
from lunar_models.plots.size_frequency import size_frequency_figure


def region_figures(
    analysis: Analysis,
    width: Width,
    *,
    background: Background | None = None,
    sun_side: str | None = None,
) -> dict[str, Figure]:
    """Figures that the data allow: the distributions and the map; with states and K the others.

    Args:
        analysis: of the region.
        width: columns of the journal; the map takes two.
        background: overview of the mosaic.
        sun_side: noted on the map; None: where the craters' column sun_azimuth_deg says.
    """
    if sun_side is None and "sun_azimuth_deg" in analysis.craters:
        sun_side = describe_sun(analysis.craters["sun_azimuth_deg"])
    figures = {
        "csfd_cumulative": size_frequency_figure(analysis, "cumulative", width),
        "csfd_differential": size_frequency_figure(analysis, "differential", width),
        "csfd_r": size_frequency_figure(analysis, "r", width),
        "area_map": area_map(analysis, "two", background=background, sun_side=sun_side),
    }
    if analysis.states:
        figures["states_by_diameter"] = states_figure(analysis, width)
    if len(analysis.retention_by_diameter):
        figures["retention"] = retention_figure(analysis, width)
    if len(analysis.crater_ages):
        figures["k_by_diameter"] = k_figure(analysis, width)
    return figures
