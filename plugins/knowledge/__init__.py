"""The plugin ``knowledge``: answers from folders of documents, each tenant from its own."""

from plugins.knowledge.plugin import plugin

__all__ = ["plugin"]
