"""Every setting, read once from the environment and frozen.

Variables are named ``CORRAL_`` and the field in capitals. Lists are separated by commas or JSON
arrays; maps are JSON objects.
"""

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from assistant.errors import SettingsError


def _folder(variable: str, fallback: str) -> Path:
    root = os.environ.get(variable)
    return (Path(root) if root else Path.home() / fallback) / "corral"


def _without_credentials(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.username or url.password:
        raise ValueError("must not hold credentials: use the api key setting beside it")
    return url


def _list(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        return _json(value, "must be items separated by commas, or a JSON array")
    return [item for part in value.split(",") if (item := part.strip())]


def _map(value: object) -> object:
    if isinstance(value, str):
        return _json(value, "must be a JSON object") if value.strip() else {}
    return value


def _json(text: str, otherwise: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        # From None: the original quotes the value, which may be a secret.
        raise ValueError(otherwise) from None


BaseUrl = Annotated[AnyHttpUrl, AfterValidator(_without_credentials)]
BaseUrls = Annotated[tuple[BaseUrl, ...], NoDecode, BeforeValidator(_list)]
GuardName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
GuardNames = Annotated[tuple[GuardName, ...], NoDecode, BeforeValidator(_list)]
PluginNames = Annotated[tuple[GuardName, ...], NoDecode, BeforeValidator(_list)]
ApiKeys = Annotated[dict[SecretStr, str], NoDecode, BeforeValidator(_map)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """What an operator can set. Unset means the embedded default on this machine."""

    model_config = SettingsConfigDict(
        env_prefix="CORRAL_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    # engine
    engine_urls: BaseUrls = Field(
        (), description="OpenAI-compatible base URLs of the model; none starts an embedded engine."
    )
    engine_model: str = Field(
        "", description="Model name to ask for; empty takes the first served."
    )
    engine_api_key: SecretStr = Field(SecretStr(""), description="Bearer key sent to the engine.")
    engine_window: int = Field(
        0, ge=0, description="Tokens the model holds; 0 asks the engine.", le=10_000_000
    )
    embedded_engine: Literal["llama.cpp", "vllm"] = Field(
        "llama.cpp", description="Which engine to start when no URL is set."
    )
    embedded_model: str = Field(
        "smollm2-135m", description="Model of the embedded engine, as in `corral models list`."
    )
    first_token_timeout: Seconds = Field(30.0, description="Seconds until the first token.")
    token_timeout: Seconds = Field(15.0, description="Seconds between two tokens.")

    # guards
    guards: GuardNames = Field(
        ("embedded", "injected_data", "personal_data", "secrets"),
        description="Guards that must all judge; an empty list blocks everything.",
    )
    guard_file: Path | None = Field(
        None, description="YAML file that describes further guards by name."
    )
    guard_urls: BaseUrls = Field(
        (), description="OpenAI-compatible base URLs that serve Llama Guard."
    )
    guard_model: str = Field("", description="Llama Guard's served name; empty takes the first.")
    guard_generation: Literal["3", "4"] = Field("3", description="Llama Guard generation.")
    guard_api_key: SecretStr = Field(SecretStr(""), description="Bearer key sent to the guard.")
    guard_timeout: Seconds = Field(5.0, description="Seconds one judgement may take.")

    reply_judgements: int = Field(
        24, ge=0, le=10_000, description="Judgements one reply may cost; 0 sets no limit."
    )

    # policy
    policy: Path | None = Field(None, description="Policy file; none is the built-in one.")

    # turn limits
    turn_timeout: Seconds = Field(300.0, description="Seconds a whole turn may take.")
    max_reply_tokens: int = Field(1024, ge=1, le=1_000_000, description="Cap on a reply's tokens.")
    max_input_chars: int = Field(
        32_000, ge=1, le=10_000_000, description="Cap on one message's characters."
    )

    # plugins
    plugins: PluginNames | None = Field(
        None, description="Plugins to enable instead of those that the plugin file enables."
    )
    plugin_file: Path | None = Field(
        None, description="YAML file of plugins; by default plugins.yaml in the data directory."
    )
    tool_calls: Literal["auto", "native", "constrained", "commands"] = Field(
        "auto",
        description="How the model calls tools: in the engine's own format, as constrained JSON, "
        "or not at all, so that only people call them by name; auto is commands for the embedded "
        "llama.cpp and native for any other engine.",
    )
    tool_rounds: int = Field(
        6, ge=1, le=100, description="How often a turn may call tools before it must answer."
    )

    mcp_token: SecretStr = Field(
        SecretStr(""), description="Bearer token for `corral plugin serve` over HTTP."
    )

    # memory
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis 7+ or Valkey; none starts an embedded Valkey."
    )
    session_ttl: int = Field(
        30 * 24 * 3600, ge=60, description="Seconds an idle session is remembered."
    )
    session_messages: int = Field(200, ge=2, le=100_000, description="Messages kept per session.")
    session_wait: Seconds = Field(30.0, description="Seconds to wait for a session's running turn.")

    # decision log
    log_fsync: bool = Field(True, description="Sync the decision log before a turn finishes.")
    log_segment_bytes: int = Field(
        64 * 1024 * 1024, ge=4096, description="Size at which a log segment is closed."
    )

    # HTTP
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on.")
    api_keys: ApiKeys = Field(
        default_factory=dict,
        description='Bearer keys and their tenant, {"key": "tenant"}; none serves loopback only.',
    )
    approver_keys: ApiKeys = Field(
        default_factory=dict,
        description="Bearer keys that answer all approvals of their tenant and open nothing else, "
        '{"key": "tenant"}.',
    )
    max_body_bytes: int = Field(
        1_048_576, ge=1024, le=1_073_741_824, description="Cap on a request body."
    )
    max_concurrent_turns: int = Field(
        512, ge=1, le=100_000, description="Turns at once in one process; more get a 429."
    )

    # places
    data_dir: Path = Field(
        default_factory=lambda: _folder("XDG_DATA_HOME", ".local/share"),
        description="Session memory and decision log of this machine.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: _folder("XDG_CACHE_HOME", ".cache"),
        description="Downloaded models.",
    )
    locale: str = Field("en", description="Language of Corral's own texts when none is known.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "llama_guard" in self.guards and not self.guard_urls and self.guard_file is None:
            raise ValueError(
                "CORRAL_GUARDS names llama_guard, so CORRAL_GUARD_URLS must name its server"
            )
        if not self.api_keys and not self.loopback:
            raise ValueError(
                "CORRAL_HOST is not a loopback address, so CORRAL_API_KEYS must hold at least one"
            )
        for name, keys in (("API", self.api_keys), ("APPROVER", self.approver_keys)):
            if any(not key.get_secret_value() or not tenant for key, tenant in keys.items()):
                raise ValueError(f"CORRAL_{name}_KEYS must not hold an empty key or tenant")
        if self.approver_keys and not self.api_keys:
            raise ValueError(
                "CORRAL_APPROVER_KEYS needs CORRAL_API_KEYS: without those everybody on this "
                "machine may answer approvals"
            )
        if self.approver_keys.keys() & self.api_keys.keys():
            raise ValueError("CORRAL_APPROVER_KEYS must not hold a key of CORRAL_API_KEYS")
        return self

    @property
    def loopback(self) -> bool:
        """Whether ``host`` is reachable from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def plugins_yaml(self) -> Path:
        """The plugin file, which need not exist unless the setting names it."""
        return self.plugin_file or self.data_dir / "plugins.yaml"

    @property
    def decisions_dir(self) -> Path:
        """Folder of the decision log."""
        return self.data_dir / "decisions"


def load_settings(**overrides: object) -> Settings:
    """Read the environment; ``overrides`` win.

    Raises:
        SettingsError: names every wrong variable and what would be right, never its value.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type] # pydantic validates them
    except ValidationError as error:
        lines = []
        for mistake in error.errors(include_input=False, include_url=False):
            name = "".join(f"CORRAL_{str(part).upper()}: " for part in mistake["loc"][:1])
            lines.append(name + mistake["msg"].removeprefix("Value error, "))
        raise SettingsError("\n".join(lines)) from None
