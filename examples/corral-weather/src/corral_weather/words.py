"""A forecast as a few lines of text."""

from collections.abc import Iterator

from corral_weather.open_meteo import Place, Weather

_SKY = {
    0: "clear",
    1: "mostly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "freezing fog",
    51: "light drizzle",
    53: "drizzle",
    55: "heavy drizzle",
    56: "light freezing drizzle",
    57: "freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light showers",
    81: "showers",
    82: "violent showers",
    85: "light snow showers",
    86: "snow showers",
    95: "thunderstorm",
    96: "thunderstorm with light hail",
    99: "thunderstorm with hail",
}
"""WMO code 4677, as far as the service uses it."""


def sky(code: int | None) -> str:
    """What a weather code means."""
    return "unknown" if code is None else _SKY.get(code, "unknown")


def lines(place: Place, weather: Weather, *, fahrenheit: bool) -> Iterator[str]:
    """One line for now, and one for each day."""
    degree, speed = ("°F", "mph") if fahrenheit else ("°C", "km/h")
    now, daily = weather.current, weather.daily
    yield (
        f"{place.title}, now: {now.temperature_2m:.0f} {degree} "
        f"(feels like {now.apparent_temperature:.0f}), {sky(now.weather_code)}, "
        f"wind {now.wind_speed_10m:.0f} {speed} [1]"
    )
    for day, code, low, high, rain in zip(
        daily.time,
        daily.weather_code,
        daily.temperature_2m_min,
        daily.temperature_2m_max,
        daily.precipitation_probability_max,
        strict=False,
    ):
        parts = [sky(code)]
        if low is not None and high is not None:
            parts.append(f"{low:.0f} to {high:.0f} {degree}")
        if rain is not None:
            parts.append(f"{rain:.0f} % chance of rain")
        yield f"{day:%A %Y-%m-%d}: {', '.join(parts)}"
