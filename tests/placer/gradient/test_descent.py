"""The gradient method: what it returns, that it is reproducible and keeps its budget, and what Ctrl-C leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from netlists import load
from netlists.errors import LegalizationError
from netlists.netlist import Ints, Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import place
from placer.cost import evaluate
from placer.gradient import descent as module
from placer.gradient.descent import GPU_STARTS, Descent, Finisher, GradientSettings, fitting_starts, gradient
from placer.gradient.smooth_proxy import SmoothProxy
from placer.incumbent import Incumbent, RunProgress
from placer.legalization.legalize import legalize

QUICK = GradientSettings(starts=2, steps=30)


@cache
def jetty() -> Netlist:
    return load("jetty")


def run(netlist: Netlist, seed: int = 0, settings: GradientSettings = QUICK, budget_s: float = np.inf) -> Incumbent:
    search = Incumbent("gradient", budget_s, time.perf_counter())
    gradient(netlist, search, seed, 1, 1 if budget_s == np.inf else None, settings)
    return search


def descent(settings: GradientSettings = QUICK, netlist: Netlist | None = None) -> Descent:
    n = netlist or jetty()
    return Descent(SmoothProxy(n), n, settings, np.random.default_rng(0))


def test_the_best_start_is_legal_and_has_the_reported_cost() -> None:
    search = run(jetty())
    assert search.placement is not None
    best = search.placement
    assert not best.violations()
    assert search.best == evaluate(best).proxy
    assert [best for _, best in search.history] == sorted((best for _, best in search.history), reverse=True)


def test_the_positions_of_the_input_do_not_matter() -> None:
    n = jetty()
    position = np.where(n.fixed[:, None], n.position_um, np.nan)
    assert run(n).best == run(n.with_(position_um=position)).best


def test_the_seed_decides_the_result() -> None:
    first, again, other = (run(jetty(), seed) for seed in (1, 1, 2))
    assert first.placement is not None
    assert again.placement is not None
    np.testing.assert_array_equal(first.placement.position_um, again.placement.position_um)
    assert first.best != other.best


def test_the_number_of_threads_changes_rounding_only() -> None:
    searches = []
    for threads in (1, 3):
        searches.append(Incumbent("gradient", np.inf, time.perf_counter()))
        gradient(jetty(), searches[-1], 0, threads, 1, QUICK)
    torch.set_num_threads(1)
    (first, again) = ([proxy for proxy, _ in search.pool] for search in searches)
    # Torch sums in another order with more threads.
    np.testing.assert_allclose(first, again, rtol=0.2)
    proxies = []
    position = descent().position()
    for threads in (1, 3):
        search = Incumbent("gradient", np.inf, time.perf_counter())
        Finisher(jetty(), search, threads)(position)
        proxies.append([proxy for proxy, _ in search.pool])
    assert proxies[0] == proxies[1]
    assert len(proxies[0]) == QUICK.starts


def test_more_starts_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = SmoothProxy(jetty())
    usual = GradientSettings().starts
    assert fitting_starts(proxy, np.inf) == usual
    proxy.device = torch.device("cuda")
    for held, most, expected in ((1000, np.inf, GPU_STARTS), (1000, 7.5, 7), (9, np.inf, 9), (1, 1, usual)):
        monkeypatch.setattr(module, "room_bytes", lambda device, on_cpu, held=held: held * 4 * proxy.floats)
        assert fitting_starts(proxy, most) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_starts_on_a_gpu() -> None:
    gradient(
        jetty(), Incumbent("gradient", 0.1, time.perf_counter()), 0, 2, None, device=torch.device("cuda")
    )  # compiles the kernels
    search = Incumbent("gradient", 8.0, time.perf_counter())
    gradient(jetty(), search, 0, 2, None, device=torch.device("cuda"))
    assert search.placement is not None
    assert search.seconds < 8.0 * 1.5
    assert not search.placement.violations()


def test_fixed_macros_stay() -> None:
    n = jetty()
    fixed = n.fixed.copy()
    fixed[[*n.hard[:2], *n.soft[:3]]] = True
    best = run(n.with_(fixed=fixed)).placement
    assert best is not None
    np.testing.assert_array_equal(best.position_um[fixed], n.position_um[fixed])


def test_a_descent_lowers_its_loss_and_stays_inside() -> None:
    n, settings = jetty(), replace(QUICK, steps=60)
    lowered = descent(settings)
    before = lowered.loss(1.0).detach()
    for i in range(settings.steps):
        lowered.step(i / settings.steps)
    lowered.routes = None
    assert (lowered.loss(1.0).detach() < 0.5 * before).all()
    position = lowered.position().detach().double().numpy()[:, ~n.fixed]
    half = np.minimum(n.size_um[~n.fixed], n.canvas_um) / 2
    slack = 1e-6 * max(n.canvas_um)
    assert (position > half - slack).all()
    assert (position < np.array(n.canvas_um) - half + slack).all()


def test_the_descent_beats_its_start() -> None:
    scattered = run(jetty(), settings=replace(QUICK, steps=0, scatter=0.3))
    assert run(jetty(), settings=replace(QUICK, steps=100)).best < scattered.best


def test_settings_change_geometrically_and_differ_between_starts() -> None:
    plain = descent(replace(QUICK, jitter=0.0, energy=(0.01, 1.0)))
    values = [plain.value("energy", done).numpy() for done in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(values, np.repeat([[0.01], [0.1], [1.0]], 2, axis=1), rtol=1e-5)
    jittered = descent(replace(QUICK, jitter=0.2)).value("energy", 0.5)
    assert jittered[0] != jittered[1]


def test_adam_is_that_of_torch() -> None:
    settings = replace(QUICK, jitter=0.0, rate=(0.01, 0.01), retrace=1)
    ours, theirs = descent(settings), descent(settings)
    adam = torch.optim.Adam([theirs.at], lr=0.01, betas=settings.decay, eps=1e-12)
    for _ in range(5):
        ours.step(0.5)
        (theirs.at.grad,) = torch.autograd.grad(theirs.loss(0.5).sum(), theirs.at)
        adam.step()
        theirs.steps += 1
        with torch.no_grad():
            theirs.at.copy_(theirs.at.clamp(theirs.low, theirs.high))
    np.testing.assert_allclose(ours.at.detach().numpy(), theirs.at.detach().numpy(), atol=1e-4)


def test_the_budget_is_kept() -> None:
    run(jetty())  # compiles the kernels
    start = time.process_time()
    search = run(jetty(), settings=GradientSettings(steps=60), budget_s=3.0)
    assert time.process_time() - start < 3.0 * 1.2
    assert search.placement is not None


def test_ctrl_c_keeps_the_best_so_far() -> None:
    def stop(progress: RunProgress) -> None:
        if progress.stage == "gradient":
            raise KeyboardInterrupt

    result = place(jetty(), method="gradient", budget_s=60, workers=1, progress=stop)
    assert result.interrupted
    assert not result.placement.violations()
    assert "refine" not in [stage.name for stage in result.stages]


def test_starts_that_cannot_be_legalized_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def now_and_then(placement: Placement, **_: object) -> Placement:
        calls.append(placement)
        if len(calls) % 2:
            raise LegalizationError("no room")
        return legalize(placement)

    monkeypatch.setattr(module, "legalize", now_and_then)
    assert run(jetty()).placement is not None


def test_an_error_says_that_no_start_could_be_legalized(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> Placement:
        raise LegalizationError("no room")

    monkeypatch.setattr(module, "legalize", never)
    with pytest.raises(LegalizationError, match="no room"):
        place(jetty(), method="gradient", iterations=1, workers=1)


def test_crowded_canvases() -> None:
    settings = GeneratorSettings(hard_macros=15, soft_macros=20, nets=120, ports=10, hard_coverage=0.6, grid=(10, 10))
    chip = generate(settings, 0)
    best = run(chip).placement
    assert best is not None
    assert not best.violations()


def test_netlists_without_nets() -> None:
    n = jetty()
    none: Ints = np.zeros(0, dtype=np.int64)
    assert (
        run(n.with_(net_start=np.zeros(1, dtype=np.int64), net_pin=none, net_weight=none.astype(float))).best < np.inf
    )


def test_netlists_without_soft_macros() -> None:
    n = jetty()
    kind = np.where(n.kind == Kind.SOFT, Kind.HARD, n.kind).astype(np.int8)
    assert run(n.with_(kind=kind, size_um=0.7 * n.size_um)).best < np.inf
