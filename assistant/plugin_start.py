"""From the settings to a broker with the enabled plugins behind it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from assistant.errors import PluginStartError, SettingsError
from assistant.memory.link import Client
from assistant.memory.redis_ledger import RedisLedger
from assistant.memory.redis_values import RedisValues, Scope
from assistant.settings import Settings
from guards.conversation import BY_TOOL, Exchange, Role, Subject, text_message
from guards.panel import Panel
from plugins.adapters.judge import Judge
from plugins.broker import Broker
from plugins.configuration import Configuration, ConfigurationError, load_configuration
from plugins.errors import PluginLoadError
from plugins.opening import Means, open_plugins
from plugins.plugin import Plugin
from policies.bundle import Audience, Policy
from policies.decision import Allow


@asynccontextmanager
async def open_broker(
    settings: Settings,
    client: Client,
    deadline: float,
    panel: Panel,
    policy: Policy,
    plugins: Mapping[str, Plugin] | None = None,
) -> AsyncIterator[Broker]:
    """The enabled plugins, and ``plugins`` beside them, behind a broker.

    ``deadline`` is how many seconds one operation on the memory may take.

    Raises:
        PluginStartError: a plugin cannot be used; names it and the reason.
        SettingsError: the plugin file has mistakes, or is named and does not exist.
    """
    means = Means(
        folder=settings.data_dir / "plugins",
        cache=lambda name: RedisValues(client, Scope(plugin=name), deadline=deadline),
        judge=_describing(panel, policy),
    )
    async with AsyncExitStack() as stack:
        try:
            opened = open_plugins(plugin_configuration(settings), means, extra=plugins)
            catalogue = await stack.enter_async_context(opened)
        except PluginLoadError as error:
            raise PluginStartError(str(error)) from error
        yield Broker(
            panel=panel,
            policy=policy,
            catalogue=catalogue,
            ledger=RedisLedger(client, deadline=deadline),
            stores=lambda plugin, caller: RedisValues(
                client,
                Scope(plugin=plugin, owner=(caller.tenant, caller.user)),
                deadline=deadline,
            ),
        )


def _describing(panel: Panel, policy: Policy) -> Judge:
    """Judges what foreign tools say of themselves, like anything else that came from outside."""

    async def judge(description: str) -> str | None:
        message = text_message(description, id="description", role=Role.TOOL, provenance=BY_TOOL)
        exchange = Exchange(subject=Subject.TOOL_RESULT, message=message)
        verdict = await panel.judge(exchange)
        decision = policy.decide(exchange, verdict, Audience.GENERAL, policy.locales[0])
        if isinstance(decision, Allow):
            return None
        return f"the policy does not let it into a prompt (clause {decision.basis.clause})"

    return judge


def plugin_configuration(settings: Settings) -> Configuration:
    """What the operator says about plugins.

    Raises:
        SettingsError: the plugin file has mistakes, or is named and does not exist.
    """
    if settings.plugin_file is not None and not settings.plugin_file.is_file():
        raise SettingsError("CORRAL_PLUGIN_FILE: there is no such file")
    try:
        configuration = load_configuration(settings.plugins_yaml)
    except ConfigurationError as error:
        raise SettingsError(f"the plugin file cannot be used:\n{error}") from error
    if settings.plugins is None:
        return configuration
    return configuration.model_copy(update={"enabled": list(settings.plugins)})
