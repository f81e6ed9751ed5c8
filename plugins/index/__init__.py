"""Folders of documents, searched by words and by meaning."""

from plugins.index.folder import FolderIndex, open_index
from plugins.index.hits import Hit
from plugins.index.meaning import Embedder

__all__ = ["Embedder", "FolderIndex", "Hit", "open_index"]
