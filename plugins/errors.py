"""What can go wrong with a plugin, and who can mend it.

``PluginError``
├── ``PluginLoadError``     the operator: a plugin is missing, broken, or not as it says
├── ``ToolError``           the model: a tool says in its own words why it cannot do this
├── ``AccessDeniedError``   the plugin's developer: it reached for what its manifest does not name
└── ``PluginEndedError``    the plugin's developer: its process ended while a call was in it
"""


class PluginError(Exception):
    """Anything that this package raises about a plugin."""


class PluginLoadError(PluginError):
    """A plugin cannot be used; the message names it and the reason, for the operator."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"plugin {plugin}: {reason}")
        self.plugin = plugin
        self.reason = reason


class ToolError(PluginError):
    """A tool cannot do what it was asked; the message is for the model, as data.

    Raised by tools. Say what is wrong and what would be right; hold nothing confidential.
    """


class AccessDeniedError(PluginError):
    """A tool reached for a host or a secret that its manifest does not name, or a private address.

    The message names what was reached for, never what was sent.
    """


class PluginEndedError(PluginError):
    """A plugin's own process ended while a call was in it; how far the call came is not known.

    The message says why as far as that is known, and holds nothing that the plugin said.
    """
