"""The OpenAPI page, from files of this machine only."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assistant.api.failures import ApiError

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Corral HTTP interface</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""

# Should the bundled page ever name a foreign address, the browser refuses to load it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}

_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}


async def docs(request: Request) -> Response:  # noqa: ARG001 - every endpoint's shape
    """The page itself."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


async def docs_asset(request: Request) -> Response:
    """A script or style sheet of the page."""
    name: str = request.path_params["name"]
    if name == "start.js":
        return Response(_START, media_type="text/javascript; charset=utf-8", headers=_HEADERS)
    if name not in _ASSETS:
        raise ApiError(404, "not_found", "there is no such page")
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers=_HEADERS)
