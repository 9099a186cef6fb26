"""Owns changing a model that stands: finding, rewriting, cutting, renaming, freezing. Models stay as they were."""

from axon_nb.surgery import cut, edit, freeze, rename, select  # noqa: F401 - each adds its verbs to Model
