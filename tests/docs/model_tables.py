"""Fields of a configuration file's models, as the reference pages list them."""

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


def shown_default(field: FieldInfo) -> str:
    """A field's default as a page shows it; a model that is all defaults is nothing set."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel) and default == type(default)():
        return "unset"
    if default is PydanticUndefined or default in (None, "", [], {}):
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return "`[" + ", ".join(default) + "]`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def rows(model: type[BaseModel], *, beside: type[BaseModel] | None = None) -> list[str]:
    """A line for each field of ``model`` that ``beside`` does not have, but its kind."""
    known = set(beside.model_fields) if beside is not None else set()
    return [
        f"| `{name}` | {shown_default(field)} | {field.description} |"
        for name, field in model.model_fields.items()
        if name not in known and name != "kind"
    ]
