"""Log what a set of votes is worth: agreement, consensus, suspicious labels, learning curve."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray
from lunar_models.catalogue.states import ordered_states
from lunar_models.config.agreement import VotesConfig
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.evaluation import build_evaluation_set
from lunar_models.evaluation.head_fitting import fit_head
from lunar_models.labelling.agreement import Agreement, measure_agreement
from lunar_models.labelling.consensus import Consensus, find_consensus
from lunar_models.labelling.enough_labels import TOGETHER, LabelCurve, label_curve
from lunar_models.labelling.reading import VoteSet
from lunar_models.labelling.suspicious import find_suspicious_labels
from lunar_models.page.report import Block, Facts, Picture, Section, Table, write_report
from lunar_models.plots.labelling import (
    agreement_figure,
    label_curve_figure,
    matrices_figure,
    suspicious_figure,
)
from steps.shared.tracking import log_artifact, log_figures, log_folder, log_metrics, set_tag

PAGE = "agreement.html"
_SHOWN_SUSPICIOUS = 24


def log_agreement(votes: VoteSet, config: VotesConfig) -> tuple[Consensus, list[Section]]:
    """Log agreement and consensus: tables, figures, metrics and the digest of the votes.

    Returns:
        The consensus, and the sections of the page.
    """
    agreement = measure_agreement(
        votes.votes, votes.states,
        replicates=config.bootstrap, level=config.interval, seed=config.seed,
    )  # fmt: skip
    consensus = find_consensus(votes.votes, votes.states)
    set_tag("labels_digest", votes.digest)
    set_tag("labels_name", votes.name)
    log_metrics(_metrics(votes, agreement, consensus))
    tables = {
        "labellers": agreement.labellers, "pairs": agreement.pairs,
        "self_agreement": agreement.selves, "consensus": consensus.table,
        **_labeller_matrices(consensus),
    }  # fmt: skip
    _log_tables(tables)
    figures = _agreement_figures(agreement, consensus)
    log_figures({f"figures/{name}.png": figure for name, (figure, _) in figures.items()})
    pictures = [Picture(figure, caption) for figure, caption in figures.values()]
    return consensus, [_people(votes, agreement, pictures), _consensus_section(consensus)]


def log_model_view(
    consensus: Consensus,
    crop_set: CropSet,
    embeddings: FloatArray,
    states: tuple[str, ...],
    config: VotesConfig,
) -> list[Section]:
    """Log suspicious labels and the learning curve of the consensus; returns page sections.

    Raises:
        LabelsError: the labels do not suffice for spatial folds.
    """
    settings = EvaluateConfig(
        crops="crops", encoder_uri="encoder", block_deg=config.block_deg, folds=config.folds,
    )  # fmt: skip
    evaluation_set = build_evaluation_set(
        crop_set.metadata, consensus_labels(consensus, states), settings,
        context_diameters=crop_set.info.context_diameters,
    )  # fmt: skip
    table = evaluation_set.table
    chosen = np.asarray(embeddings[evaluation_set.position], np.float64)
    ranks, folds = table["rank"].to_numpy(), table["fold"].to_numpy()
    fitted = fit_head(
        chosen, ranks, folds, states=evaluation_set.states, kind=settings.head_kind,
        conformal_level=settings.conformal_level, abstain_below=settings.abstain_below,
    )  # fmt: skip
    suspicious = find_suspicious_labels(
        table["crater_id"].to_numpy(), ranks, fitted.probabilities, evaluation_set.states
    )
    curve = label_curve(
        chosen, ranks, folds, table["block"].to_numpy(), evaluation_set.states,
        replicates=min(config.bootstrap, 200), level=config.interval, seed=config.seed,
    )  # fmt: skip
    _log_tables({"suspicious": suspicious, "label_curve": curve.curve, "enough": curve.enough})
    log_metrics({"labels/suspicious": float(suspicious["suspicious"].sum())})
    worst = suspicious.head(_SHOWN_SUSPICIOUS)
    place = pd.Index(crop_set.metadata["crater_id"]).get_indexer(pd.Index(worst["crater_id"]))
    gallery = suspicious_figure(np.stack([crop_set.crops[row] for row in place]), _captions(worst))
    climb = label_curve_figure(curve)
    log_figures({"figures/suspicious.png": gallery, "figures/label_curve.png": climb})
    return [_suspicious_section(suspicious, gallery), _curve_section(curve, climb)]


def _suspicious_section(suspicious: pd.DataFrame, gallery: Figure) -> Section:
    return Section("Suspicious labels", [
        Picture(gallery, "The label, and what the model sees instead, with how far it believes "
                "the label."),
        Table(suspicious[suspicious["suspicious"]], "Labels to look at again."),
    ], "A head was fitted without each crater's terrain, and asked for its state. Confident "
       "learning (Northcutt et al. 2021, doi 10.1613/jair.1.12125) counts as suspicious what "
       "it contradicts more firmly than usual for that state. Look again before changing one: "
       "the model may be wrong.")  # fmt: skip


def write_page(sections: list[Section], votes: VoteSet) -> None:
    """Write the page into the active run."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / PAGE
        write_report(page, "Agreement of the labels", sections, subtitle=(
            f"{votes.name}; {len(votes.votes):,} votes, digest {votes.digest[:12]}"))  # fmt: skip
        log_artifact(str(page))


def consensus_labels(consensus: Consensus, states: tuple[str, ...]) -> pd.DataFrame:
    """Return the consensus as labels: crater_id, state (1 the freshest), state_name."""
    named = ordered_states(consensus.table["state"], list(states), ())
    return consensus.table[["crater_id"]].join(named)


def _metrics(votes: VoteSet, agreement: Agreement, consensus: Consensus) -> dict[str, float]:
    metrics = {
        "labels/votes": float(len(votes.votes)),
        "labels/craters": float(len(consensus.table)),
        "labels/labellers": float(votes.votes["labeller"].nunique()),
        "labels/mean_confidence": float(consensus.table["confidence"].mean()),
    }
    for name, table in (("pairs", agreement.pairs.tail(1)), ("self", _mean_self(agreement))):
        if len(table):
            row = table.iloc[0]
            metrics |= {f"agreement/{name}_{k}": float(row[k]) for k in ("qwk", "low", "high")}
    return metrics


def _mean_self(agreement: Agreement) -> pd.DataFrame:
    """The one labeller's agreement with themselves; of several people there is no one figure."""
    return agreement.selves if len(agreement.selves) == 1 else agreement.selves.head(0)


def _labeller_matrices(consensus: Consensus) -> dict[str, pd.DataFrame]:
    if not consensus.confusion:
        return {}
    rows = [m.rename_axis("true").reset_index().assign(labeller=name)
            for name, m in consensus.confusion.items()]  # fmt: skip
    return {"labeller_confusion": pd.concat(rows, ignore_index=True)}


def _agreement_figures(agreement: Agreement, consensus: Consensus) -> dict[str, tuple[Figure, str]]:
    figures = {}
    if len(agreement.pairs) or len(agreement.selves):
        figures["agreement"] = (
            agreement_figure(agreement),
            "Agreement: 1 is perfect, 0 is chance.",
        )
    if agreement.confusion:
        named = {f"{a} (rows), {b}": m for (a, b), m in agreement.confusion.items()}
        figures["confusion"] = (
            matrices_figure(named, rows="first labeller", columns="second labeller"),
            "Counts of craters by the states that two labellers gave.")  # fmt: skip
    if len(consensus.confusion) > 1:
        figures["labellers"] = (
            matrices_figure(consensus.confusion, rows="estimated state", columns="vote"),
            "What each labeller calls a crater of each state (Dawid and Skene).")  # fmt: skip
    return figures


def _people(votes: VoteSet, agreement: Agreement, pictures: list[Picture]) -> Section:
    blocks: list[Block] = [Table(agreement.labellers, "Shares of each answer.")]
    if len(agreement.pairs):
        blocks.append(Table(agreement.pairs, "Between labellers, blind."))
    if len(agreement.selves):
        blocks.append(
            Table(agreement.selves, "The same person twice, blind to their first answer.")
        )
    text = (
        "Quadratic-weighted kappa (Cohen 1968, doi 10.1037/h0026256) counts a disagreement by two "
        "states four times as much as one by one state. Intervals come from a bootstrap by crater. "
        "Only blind answers count."
    )
    if not len(agreement.pairs):
        text += "\n\nNo crater was labelled by two people, so nothing is known of how they agree."
    return Section("Agreement", [*blocks, *pictures], text)


def _consensus_section(consensus: Consensus) -> Section:
    table = consensus.table
    counts = table["state"].value_counts()
    facts = {
        "craters": len(table),
        **{f"called {name}": int(count) for name, count in counts.items()},
        "adjudicated": int(table["adjudicated"].sum()),
        "mean confidence": float(table["confidence"].mean()),
        "confidence below 0.7": int((table["confidence"] < 0.7).sum()),
    }
    shown = ["crater_id", "state", "confidence", "labellers", "adjudicated"]
    doubtful = table.sort_values("confidence")[shown].head(20)
    text = (
        "Each labeller is given a confusion matrix, and states and matrices are estimated together "
        "(Dawid and Skene 1979, doi 10.2307/2346806). An adjudication decides its crater."
    )
    return Section("Consensus", [Facts(facts), Table(doubtful, "The least certain craters.")], text)


def _curve_section(curve: LabelCurve, figure: Figure) -> Section:
    together = curve.enough.set_index("state").loc[TOGETHER]
    gain = f"{together['gain']:.3f} in kappa [{together['low']:.3f}, {together['high']:.3f}]"
    verdict = (
        f"The last doubling of the labels gained {gain}: more labels still pay."
        if np.isnan(together["labels"])
        else f"{together['labels']:.0f} labels bring most of what labels can bring for all states "
        f"together: doubling them gains {gain}, and no later doubling gains more than 0.02."
    )
    caption = "Labels drawn at random, tested on other terrain; bars hold draws and terrain."
    return Section("How many labels are enough", [
        Picture(figure, caption),
        Table(curve.enough, "The fewest labels whose doubling gains less than 0.02; a dash where "
              "the curve still climbs."),
    ], verdict)  # fmt: skip


def _captions(worst: pd.DataFrame) -> list[str]:
    return [
        f"{row.crater_id}\n{row.state}, seen {row.suggested}\np = {row.self_confidence:.2f}"
        for row in worst.itertuples()
    ]


def _log_tables(tables: Mapping[str, pd.DataFrame]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            table.to_csv(Path(folder) / f"{name}.csv", index=False, float_format="%.6g")
        log_folder(Path(folder), "tables")
