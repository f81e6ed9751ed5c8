"""What Corral and a plugin's process say to each other."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from guards.conversation import Confidentiality
from plugins.manifest import Manifest, SideEffect
from plugins.result import Citation, Picture, Result
from plugins.tool import Run, Tool, ToolSpec

SETUP = 0
"""In the place of a call's number: the plugin itself, while it is opened and between calls."""

Fault = Literal["tool", "access", "crash", "cancelled", "output"]
Headers = tuple[tuple[str, str], ...]
Number = Annotated[int, Field(ge=0)]
Short = Annotated[str, Field(max_length=4000)]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class Start(_Part):
    """First words to a process: what to import, and how much it may use."""

    kind: Literal["start"] = "start"
    name: str
    entry: str
    options: dict[str, Any]
    folder: str
    cpu_seconds: int
    processes: int | None


class Open(_Part):
    """Open the plugin's tools."""

    kind: Literal["open"] = "open"
    secrets: dict[str, str]
    memory_bytes: int
    follow_redirects: bool


class Who(_Part):
    """A person, as :class:`~plugins.access.Person`."""

    pseudonym: str
    locale: str
    audience: str
    tenant: str = ""


class Invoke(_Part):
    """Run a tool."""

    kind: Literal["invoke"] = "invoke"
    call: Number
    tool: str
    arguments: dict[str, Any]
    secrets: dict[str, str]
    person: Who
    now: str
    key: str
    follow_redirects: bool


class Abort(_Part):
    """End a call; answered with its ``Raised``."""

    kind: Literal["abort"] = "abort"
    call: Number


class Fetched(_Part):
    """An HTTP response."""

    kind: Literal["fetched"] = "fetched"
    ask: Number
    status: int
    url: str
    headers: Headers
    body: bytes


class Stored(_Part):
    """What a store gave."""

    kind: Literal["stored"] = "stored"
    ask: Number
    value: bytes | None = None
    swapped: bool = False


class Refused(_Part):
    """A request or a use of the store that failed; ``error`` names the class to raise."""

    kind: Literal["refused"] = "refused"
    ask: Number
    error: str
    text: str


class Terms(_Part):
    """A tool without what runs it."""

    name: str
    description: str
    parameters: dict[str, Any]
    side_effect: SideEffect
    reads: Confidentiality
    hosts: tuple[str, ...] | None
    content: tuple[str, ...]
    prompt: str | None
    command: str | None
    aliases: tuple[str, ...]
    direct: bool

    @classmethod
    def of(cls, tool: Tool) -> "Terms":
        """The terms of ``tool``."""
        return cls(
            name=tool.spec.name,
            description=tool.spec.description,
            parameters=tool.spec.parameters,
            side_effect=tool.side_effect,
            reads=tool.reads,
            hosts=tool.hosts,
            content=tuple(sorted(tool.content)),
            prompt=tool.prompt,
            command=tool.command,
            aliases=tool.aliases,
            direct=tool.direct,
        )

    def tool(self, run: Run) -> Tool:
        """A tool on these terms."""
        return Tool(
            spec=ToolSpec(name=self.name, description=self.description, parameters=self.parameters),
            run=run,
            side_effect=self.side_effect,
            reads=self.reads,
            hosts=self.hosts,
            content=frozenset(self.content),
            prompt=self.prompt,
            command=self.command,
            aliases=self.aliases,
            direct=self.direct,
        )


class Hello(_Part):
    """The plugin is imported: what it promises under the options it was given."""

    kind: Literal["hello"] = "hello"
    manifest: Manifest


class Opened(_Part):
    """The plugin is open: its tools."""

    kind: Literal["opened"] = "opened"
    tools: tuple[Terms, ...]


class Broken(_Part):
    """The plugin could not be imported or opened; for the operator."""

    kind: Literal["broken"] = "broken"
    reason: Short


class _Source(_Part):
    title: str
    url: str
    text: str


class _Image(_Part):
    data: bytes
    media_type: str
    alt: str


class Given(_Part):
    """A :class:`~plugins.result.Result`."""

    content: str
    artifact: Any
    citations: tuple[_Source, ...]
    images: tuple[_Image, ...]
    confidentiality: Confidentiality | None

    @classmethod
    def of(cls, result: Result) -> "Given":
        """What stands for ``result``."""
        return cls(
            content=result.content,
            artifact=result.artifact,
            citations=tuple(
                _Source(title=each.title, url=each.url, text=each.text) for each in result.citations
            ),
            images=tuple(
                _Image(data=each.data, media_type=each.media_type, alt=each.alt)
                for each in result.images
            ),
            confidentiality=result.confidentiality,
        )

    def result(self) -> Result:
        """The result."""
        return Result(
            content=self.content,
            artifact=self.artifact,
            citations=tuple(
                Citation(title=each.title, url=each.url, text=each.text) for each in self.citations
            ),
            images=tuple(
                Picture(data=each.data, media_type=each.media_type, alt=each.alt)
                for each in self.images
            ),
            confidentiality=self.confidentiality,
        )


class Returned(_Part):
    """What a call gave."""

    kind: Literal["returned"] = "returned"
    call: Number
    result: Given


class Raised(_Part):
    """How a call failed; ``text`` is the tool's own words or, of a crash, a class's name."""

    kind: Literal["raised"] = "raised"
    call: Number
    fault: Fault
    text: Short = ""


class Fetch(_Part):
    """Send an HTTP request on behalf of a call."""

    kind: Literal["fetch"] = "fetch"
    call: Number
    ask: Number
    method: Annotated[str, Field(pattern=r"^[A-Z]{1,16}$")]
    url: Annotated[str, Field(max_length=16_000)]
    headers: Headers
    body: bytes
    follow_redirects: bool


class Keep(_Part):
    """Use the store of a call."""

    kind: Literal["keep"] = "keep"
    call: Number
    ask: Number
    act: Literal["get", "put", "swap", "delete"]
    key: str
    expected: bytes | None = None
    value: bytes = b""
    ttl: float = 0.0


class Told(_Part):
    """A word for the user."""

    kind: Literal["told"] = "told"
    call: Number
    text: Short


class Retire(_Part):
    """The process has used up its time; it wants no further calls."""

    kind: Literal["retire"] = "retire"


FromCorral = Start | Open | Invoke | Abort | Fetched | Stored | Refused
FromPlugin = Hello | Opened | Broken | Returned | Raised | Fetch | Keep | Told | Retire
