"""Placement by gradient descent on a differentiable approximation of the proxy cost.

Imports cost, soft and legalization.  Begin with `descent`; `smooth_proxy` is the approximation.
"""
