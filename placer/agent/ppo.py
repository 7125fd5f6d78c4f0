"""Proximal policy optimization of the placement policy (Schulman et al., arXiv 1707.06347; GAE: arXiv 1506.02438).

One iteration plays a batch of whole episodes, then improves the policy on them for a few epochs.  Returns are
normalized by their running mean and standard deviation, so that the same settings suit all netlists.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor

from netlists.errors import DivergedError, SettingsError
from netlists.netlist import Netlist
from netlists.runtime.clock import demand_time
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.rollouts import Plan, Player, Rollout, play
from placer.agent.self_imitation import EpisodeMemory
from placer.agent.style_search import StyleSearch
from placer.environment.env import EnvSettings, EpisodeBatch

VARIANT_TEMPERATURE = 3.0
"""Temperature of episodes that vary one of the best: at 1 a policy that imitates these would hardly vary them."""

ADAM_EPS = 1e-5
"""Epsilon of Adam."""

SLOWER = 0.5
"""Factor of the learning rate after the policy has diverged."""


def _option(default: Any, text: str) -> Any:
    """A field with a help text for the option of `placer train`."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class PPOSettings:
    """All settings of the learner; also the options of `placer train`."""

    style_generations: int = _option(30, "Iterations at the beginning that search over styles")
    style_spread: float = _option(10.0, "Standard deviation of the first styles: makes some nearly deterministic")
    num_envs: int = _option(32, "Episodes per iteration; by default more on a GPU, fewer with a short budget")
    epochs: int = _option(2, "Passes over the episodes of an iteration")
    minibatch: int = _option(256, "Steps of episodes per gradient step")
    learning_rate: float = _option(1e-3, "Learning rate of Adam")
    clip: float = _option(0.2, "PPO's epsilon: how much the probability of an action may change per iteration")
    discount: float = _option(1.0, "Discount factor per step, 0 to 1")
    gae_lambda: float = _option(0.97, "Lambda of generalized advantage estimation, 0 to 1: 0 trusts the value function")
    entropy_weight: float = _option(0.003, "Weight of the policy's entropy in the loss: more explores longer")
    value_weight: float = _option(0.5, "Weight of the value function's error in the loss")
    elites: int = _option(8, "Number of best episodes so far that are varied and imitated")
    imitation_steps: int = _option(32, "Gradient steps per iteration toward the best episodes")
    imitation_batch: int = _option(128, "Steps of the best episodes per such gradient step")
    variant_share: float = _option(0.5, "Fraction of episodes that vary one of the best; PPO learns from the others")
    deviations: float = _option(2.0, "Steps in which a variant differs from the best episode, on average")
    max_grad_norm: float = _option(0.5, "Norm to which longer gradients are clipped")
    target_kl: float = _option(0.05, "Divergence from the old policy above which the epochs of an iteration end")
    shaping: float = _option(1.0, "Weight of the rewards for a falling estimated wirelength; 0 switches them off")
    soft_rounds: int = _option(40, "Rounds of the soft-macro placement at the end of an episode")
    soft_sweeps: int = _option(3, "Sweeps that finish the soft-macro placement")

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not 0 <= value < inf:
                raise SettingsError(f"{name} is {value}; expected 0 or more, and finite")
        for name in ("num_envs", "epochs", "minibatch", "learning_rate", "clip", "max_grad_norm", "target_kl"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; expected more than 0")
        for name in ("discount", "gae_lambda", "variant_share"):
            if getattr(self, name) > 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; expected 0 to 1")

    @property
    def env(self) -> EnvSettings:
        """The settings of the episodes."""
        return EnvSettings(self.soft_rounds, self.soft_sweeps, self.shaping)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)


@dataclass(frozen=True)
class IterationStats:
    """Statistics of one iteration of training on one netlist."""

    iteration: int  # from 1
    proxy_mean: float  # over the episodes
    proxy_best: float  # of the episodes
    entropy: float  # of the policy, mean over the steps, in nats
    kl: float  # divergence from the policy before the iteration, in nats
    explained_variance: float  # fraction of the variance of the returns that the value function explains
    stuck: int  # steps at which the macro fitted in no cell, over all episodes
    steps_per_second: float  # while playing
    seconds: float  # with learning


class Learner:
    """Trains one policy on one netlist, iteration by iteration.

    Its loss follows PPO; equation numbers in the methods are those of the two papers.
    """

    def __init__(
        self, netlist: Netlist, policy: PlacementPolicy, settings: PPOSettings, seed: int, threads: int | None = None
    ) -> None:
        self.settings = settings
        self.policy = policy
        self.device = next(policy.parameters()).device
        self.episodes = EpisodeBatch(netlist, settings.num_envs, settings.env, threads)
        self.player: Player = partial(play, episodes=self.episodes)
        self.graph = netlist_graph(netlist, self.episodes.order).to(self.device)
        self.optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate, eps=ADAM_EPS)
        self.generator = torch.Generator().manual_seed(seed)
        self.iteration = 0
        self.memory = EpisodeMemory(settings.elites)
        self.styles = StyleSearch.around(policy.style.detach().cpu(), settings.style_spread)
        self.return_mean, self.return_std = 0.0, 1.0
        self.best_proxy = float("inf")  # of a greedy episode
        self.best_weights: dict[str, Tensor] = {}  # of the policy that played it

    def iterate(self) -> IterationStats:
        """Run one iteration: a generation of the search over styles at first, PPO later."""
        return iterate_together([self])[0]

    @property
    def searches_styles(self) -> bool:
        """Whether the next iteration is a generation of the search over styles."""
        return self.iteration < self.settings.style_generations

    def try_styles(self, styles: Tensor) -> tuple[Tensor, IterationStats]:
        """[B] proxies of greedy episodes with the weights `styles` [B, 2K], and the statistics of the iteration."""
        start = time.perf_counter()
        rollout = self._play(Plan.greedy(len(styles), self.episodes.steps, styles))
        self.memory.add(rollout)
        self.iteration += 1
        return rollout.proxy, self._stats(rollout, start, time.perf_counter())

    def improve(self) -> IterationStats:
        """One iteration of PPO; raises `DivergedError` if the policy is no longer finite after it."""
        start = time.perf_counter()
        s = self.settings
        greedy = int(s.num_envs > 1)  # the first episode is greedy, to measure the present policy
        variants = min(int(s.num_envs * s.variant_share), s.num_envs - greedy - 1) if self.memory.proxies else 0
        plan = Plan.sampled(s.num_envs, self.episodes.steps, self.generator)
        plan.temperature[:greedy] = 0.0
        if variants:
            plan.temperature[-variants:] = VARIANT_TEMPERATURE
            plan.follow[-variants:] = self.memory.variants(variants, s.deviations, self.generator)
        rollout = self._play(plan)
        played = time.perf_counter()
        self.memory.add(rollout)
        if greedy:
            self.remember(float(rollout.proxy[0]))
        sample = rollout.part(greedy, s.num_envs - variants)
        advantage, returns = self._advantages(sample)
        value = sample.value * self.return_std + self.return_mean
        explained = 1 - float((returns - value).var(correction=0) / returns.var(correction=0).clamp_min(1e-12))
        self._track(returns)
        entropy, kl = self._learn(sample, advantage, (returns - self.return_mean) / self.return_std)
        self._imitate()
        self._demand_finite_policy(rollout)
        self.iteration += 1
        return self._stats(rollout, start, played, entropy, kl, explained)

    def _play(self, plan: Plan) -> Rollout:
        """Play a plan with the present policy."""
        with torch.no_grad():
            embedding = self.policy.encode(self.graph)
        return self.player(self.policy, embedding, plan)

    def _stats(
        self,
        rollout: Rollout,
        start: float,
        played: float,
        entropy: float = 0.0,
        kl: float = 0.0,
        explained: float = 0.0,
    ) -> IterationStats:
        """The statistics of an iteration that began at `start` and had played its rollout at `played`."""
        return IterationStats(
            iteration=self.iteration,
            proxy_mean=float(rollout.proxy.mean()),
            proxy_best=float(rollout.proxy.min()),
            entropy=entropy,
            kl=kl,
            explained_variance=explained,
            stuck=int(rollout.stuck.sum()),
            steps_per_second=rollout.action.numel() / (played - start),
            seconds=time.perf_counter() - start,
        )

    def remember(self, proxy: float) -> None:
        """Keep the present weights if `proxy`, that of their greedy episode, is the best so far."""
        if proxy < self.best_proxy:
            self.best_proxy = proxy
            self.best_weights = {name: value.detach().clone() for name, value in self.policy.state_dict().items()}

    def _advantages(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Advantages and returns [T, B] (GAE, equation 16); episodes end with the last step."""
        s = self.settings
        value = rollout.value * self.return_std + self.return_mean
        advantage = torch.zeros_like(rollout.reward)
        following = torch.zeros_like(rollout.reward[0])
        next_value = torch.zeros_like(following)
        for t in reversed(range(len(rollout.reward))):
            error = rollout.reward[t] + s.discount * next_value - value[t]
            following = error + s.discount * s.gae_lambda * following
            advantage[t] = following
            next_value = value[t]
        return advantage, advantage + value

    def _track(self, returns: Tensor) -> None:
        """Move the running mean and standard deviation of the returns toward those of `returns` [T, B]."""
        rate = max(1 / (self.iteration + 1), 0.05)
        self.return_mean += rate * (float(returns.mean()) - self.return_mean)
        self.return_std += rate * (max(float(returns.std(correction=0)), 1e-6) - self.return_std)

    def _learn(self, rollout: Rollout, advantage: Tensor, target: Tensor) -> tuple[float, float]:
        """Improve the policy on a rollout; returns its mean entropy and its divergence from the old one at the end.

        `advantage` and `target`, the normalized returns, are [T, B].
        """
        s = self.settings
        advantage = (advantage - advantage.mean()) / advantage.std(correction=0).clamp_min(1e-8)
        columns = (rollout.maps, rollout.scalars, rollout.mask, rollout.action, rollout.log_prob, advantage, target)
        entropies: list[Tensor] = []
        kl = 0.0
        for _ in range(s.epochs):
            divergences: list[Tensor] = []
            norms: list[Tensor] = []
            for index in torch.split(torch.randperm(rollout.action.numel(), generator=self.generator), s.minibatch):
                step, episode = index // rollout.action.shape[1], index % rollout.action.shape[1]
                batch = [x[step.to(x.device), episode.to(x.device)].to(self.device) for x in columns]
                loss, entropy, divergence = self._loss(step.to(self.device), *batch)
                norms.append(self._descend(loss))
                entropies.append(entropy)
                divergences.append(divergence)
            demand_finite_gradients(norms)  # read only now, like the divergences, so as not to wait for a GPU
            kl = sum(map(float, divergences)) / len(divergences)
            if kl > s.target_kl:
                break
        return sum(map(float, entropies)) / len(entropies), kl

    def _loss(
        self, step: Tensor, maps: Tensor, scalars: Tensor, mask: Tensor, action: Tensor, old: Tensor,
        advantage: Tensor, target: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """The loss of a minibatch (PPO, equation 9, with the surrogate of equation 7), its entropy and divergence.

        The arguments are steps [L] of the rollout: their index, features, action, its old log-probability, its
        advantage and the target of the value.
        """
        s = self.settings
        log_probs, value = self.policy(self.policy.encode(self.graph)[step], maps, scalars, mask)
        log_prob = log_probs.gather(1, action[:, None]).squeeze(1)
        log_ratio = log_prob - old
        ratio = log_ratio.exp()
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - s.clip, 1 + s.clip) * advantage).mean()
        entropy = -(log_probs.exp() * log_probs.masked_fill(~mask, 0.0)).sum(dim=1).mean()
        value_loss = (value - target).square().mean()
        loss = -surrogate - s.entropy_weight * entropy + s.value_weight * value_loss
        divergence = (ratio - 1 - log_ratio).mean().detach()  # Schulman's low-variance estimate of the KL divergence
        return loss, entropy.detach(), divergence

    def _imitate(self) -> None:
        """Move the policy toward the best episodes, by the cross entropy on random steps of them."""
        s = self.settings
        norms: list[Tensor] = []
        for _ in range(s.imitation_steps if self.memory.proxies else 0):
            steps = self.memory.sample(s.imitation_batch, self.generator)
            maps, scalars, mask, action, step = (x.to(self.device) for x in steps)
            log_probs, _ = self.policy(self.policy.encode(self.graph)[step], maps, scalars, mask)
            norms.append(self._descend(-log_probs.gather(1, action[:, None]).mean()))
        demand_finite_gradients(norms)

    def _descend(self, loss: Tensor) -> Tensor:
        """Take a gradient step, or raise `OutOfTimeError` if there is no time; returns the norm of the gradient."""
        demand_time(self.episodes.clock.deadline)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.settings.max_grad_norm)
        self.optimizer.step()
        return norm

    @torch.no_grad()
    def _demand_finite_policy(self, rollout: Rollout) -> None:
        """Raise `DivergedError` if what the policy gives for the first episode is no longer finite."""
        step = torch.arange(len(rollout.action), device=self.device)
        maps, scalars, mask = (x[:, 0].to(self.device) for x in (rollout.maps, rollout.scalars, rollout.mask))
        log_probs, value = self.policy(self.policy.encode(self.graph)[step], maps, scalars, mask)
        if not bool(log_probs.masked_fill(~mask, 0.0).isfinite().all() & value.isfinite().all()):
            raise DivergedError(f"the policy has diverged in iteration {self.iteration + 1}: its probabilities or its "
                                "values are no longer finite; lower --learning-rate")  # fmt: skip

    def slow_down(self) -> float:
        """Multiply the learning rate by SLOWER; returns it."""
        for group in self.optimizer.param_groups:
            group["lr"] *= SLOWER
        return float(self.optimizer.param_groups[0]["lr"])


def iterate_together(learners: Sequence[Learner]) -> list[IterationStats]:
    """One iteration of learners that share a policy, each on its netlist, with the same number of episodes.

    During the search over styles, all netlists try the same styles, whose score is the mean of the standardized
    proxies; the first learner holds the search.  With one netlist the policy takes the best style so far, with several
    the mean of the search, since proxies of different generations are not comparable.
    """
    lead = learners[0]
    if not lead.searches_styles:
        return [learner.improve() for learner in learners]
    styles = lead.styles.ask(lead.settings.num_envs, lead.generator)
    results = [learner.try_styles(styles) for learner in learners]
    lead.styles.tell(styles, torch.stack([standardize(proxy) for proxy, _ in results]).mean(dim=0))
    proxy = results[0][0]
    with torch.no_grad():
        if len(learners) > 1:
            lead.policy.style.copy_(lead.styles.mean)
        elif float(proxy.min()) < lead.best_proxy:
            lead.policy.style.copy_(styles[proxy.argmin()])
            lead.remember(float(proxy.min()))
    return [stats for _, stats in results]


def demand_finite_gradients(norms: Sequence[Tensor]) -> None:
    """Raise `DivergedError` if one of K norms [K] of gradients is not finite; waits for a GPU once."""
    if norms and not bool(torch.stack(list(norms)).isfinite().all()):
        raise DivergedError("the policy has diverged: a gradient is no longer finite; lower --learning-rate")


def standardize(values: Tensor) -> Tensor:
    """The values [B], shifted and scaled to mean 0 and standard deviation 1."""
    return (values - values.mean()) / values.std(correction=0).clamp_min(1e-12)
