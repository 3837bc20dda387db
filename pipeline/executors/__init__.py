"""Executors: where units of work run. ``contract`` is the protocol; only ``ray_executor`` knows Ray."""
