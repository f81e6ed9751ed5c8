"""How Corral proves who it is to a foreign service: in headers, never in an address."""

from base64 import b64encode
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

_Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class _Login(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str = Field(description="Name of the secret, as declared below secrets.")


class BearerLogin(_Login):
    """``Authorization: Bearer`` and the secret."""

    kind: Literal["bearer"]
    header: Literal["Authorization"] = "Authorization"

    def line(self, value: str) -> tuple[str, str]:
        """The header line."""
        return self.header, f"Bearer {value}"


class HeaderLogin(_Login):
    """The secret as the value of a header."""

    kind: Literal["header"]
    header: _Header

    def line(self, value: str) -> tuple[str, str]:
        """The header line."""
        return self.header, value


class BasicLogin(_Login):
    """``Authorization: Basic`` of a user and the secret as password."""

    kind: Literal["basic"]
    user: Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f]*$")]
    header: Literal["Authorization"] = "Authorization"

    def line(self, value: str) -> tuple[str, str]:
        """The header line."""
        return self.header, "Basic " + b64encode(f"{self.user}:{value}".encode()).decode()


def _kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in ("bearer", "header", "basic") else None


Login = (
    Annotated[BearerLogin, Tag("bearer")]
    | Annotated[HeaderLogin, Tag("header")]
    | Annotated[BasicLogin, Tag("basic")]
)

LoginMark = Discriminator(
    _kind,
    custom_error_type="login_kind",
    custom_error_message="kind must be bearer, header or basic; a key in the address (query) is "
    "refused, as addresses are logged by everyone on the way",
)
