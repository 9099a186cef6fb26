"""Owns what moves in a notebook: widgets. The only place that knows ipywidgets.

Nothing here is loaded before it is shown.
"""
