"""The plugin ``fetch``: reads a web page that a person or the model names."""

from plugins.fetch.plugin import plugin

__all__ = ["plugin"]
