"""Published designs to compare a space with: same template and same part or node, evaluated by the same models."""

from __future__ import annotations

from typing import Any

from dse.model.design import Design
from dse.model.evaluation import Evaluation, evaluate, mean_metrics
from dse.space.space import DesignSpace
from dse.validation.publication import load_publication, names
from netlists.errors import DesignError


def evaluate_baselines(space: DesignSpace) -> dict[str, dict[str, float]]:
    """Metrics of `dse.model.metrics` by name of the publication, on the networks, layers and batch of a space.

    A publication of a chip counts if its template is one of the space, on the same part or technology; it takes the
    overhead and the estimate of wires of the space.  Designs that do not run are left out.
    """
    baselines = {}
    for name in names():
        publication = load_publication(name)
        design = publication.whole_design
        matches = [
            part
            for part in space.parts
            if part.template.name == design.template
            and (part.device.name if part.device else part.technology.name) == (design.device or design.technology)
        ]
        if publication.is_chip and matches:
            design = design.model_copy(update={"overhead": matches[0].overhead, "wires": space.wires})
            try:
                evaluations = [_evaluate_in(space, design, network) for network in space.content["networks"]]
            except DesignError:  # for example a network whose counts would not be exact on this array
                continue
            if all(evaluation.feasible for evaluation in evaluations):
                baselines[name] = mean_metrics(evaluations, [weight for _, weight in space.networks])
    return baselines


def _evaluate_in(space: DesignSpace, design: Design, network: str) -> Evaluation:
    """A published design on a network as the space runs it; what it says of single layers holds for its own network."""
    same = network == design.network and space.batch == design.batch and tuple(space.only) == design.only
    changes: dict[str, dict[str, Any]] = {} if same else {"layers": {}, "mappings": {}}
    rules = {"batch": space.batch, "only": tuple(space.only), "search_mapping": space.search_mapping}
    return evaluate(design.model_copy(update=rules | changes), network, **space.given_for(network))
