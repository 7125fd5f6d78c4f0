"""The agent: a graph network as the policy, rollouts, PPO, checkpoints, training.

Imports the environment and everything below it.  Begin with `placing`, the agent's part of a placement run; `policy` is
the network and `ppo` how it learns.
"""
