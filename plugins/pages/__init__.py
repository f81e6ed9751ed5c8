"""Pages of the web as plain text, for plugins that read them."""

from plugins.pages.page import Page, PageLimits
from plugins.pages.reader import PageReader, open_reader

__all__ = ["Page", "PageLimits", "PageReader", "open_reader"]
