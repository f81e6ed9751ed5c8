"""The plugin ``search``: looks things up at search services or in a folder, with sources."""

from plugins.search.plugin import plugin

__all__ = ["plugin"]
