"""Operations of an OpenAPI document (3.0, 3.1) as tools."""

from plugins.adapters.openapi.plugin import openapi_plugin
from plugins.adapters.openapi.section import OpenApiSection, parse_openapi

__all__ = ["OpenApiSection", "openapi_plugin", "parse_openapi"]
