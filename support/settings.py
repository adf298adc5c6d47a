"""What to test and how: the environment and ``.env`` read once into one frozen, redacting object."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values

from support.redaction import Secrets, without_password

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_GATEWAY_PORT = 8000
PROVIDER_KEYS = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "cohere": "CO_API_KEY",
    "huggingface": "HF_TOKEN",
    "google": "GOOGLE_API_KEY",
    "voyage": "VOYAGE_API_KEY",
    "jina": "JINA_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
}
# Where the live services are, and the variable that says otherwise. Each customer of Azure has an address of
# his own.
PROVIDER_URLS = {
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "azure": ("AZURE_OPENAI_ENDPOINT", ""),
    "cohere": ("CO_API_URL", "https://api.cohere.com"),
    "huggingface": ("HF_ROUTER_URL", "https://router.huggingface.co"),
    "google": ("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
    "voyage": ("VOYAGE_BASE_URL", "https://api.voyageai.com/v1"),
    "jina": ("JINA_BASE_URL", "https://api.jina.ai"),
    "mistral": ("MISTRAL_BASE_URL", "https://api.mistral.ai"),
    "anthropic": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
}


class Mode(StrEnum):
    """How much of the platform the suite starts itself."""

    EMBEDDED = "embedded"
    ATTACHED = "attached"
    DEPLOYED = "deployed"


class SettingsError(Exception):
    """A variable holds something unusable; the message names the variable and the mending."""


@dataclass(frozen=True, slots=True)
class Live:
    """The live service of a provider: its address and the key that pays for its use."""

    provider: str
    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Everything the environment decides; None means: not given."""

    gateway_url: str | None = None
    timeout_s: float = 60.0
    database_url: str | None = None
    redis_url: str | None = None
    qdrant_url: str | None = None
    qdrant_api_key: str | None = None
    qdrant_binary: str | None = None
    workers: int = 4
    cleanup: bool = True
    verbose: bool = False
    api_key: str | None = None
    readonly_key: str | None = None
    admin_key: str | None = None
    toxiproxy_url: str | None = None
    faults: tuple[str, ...] = ()
    fault_commands: str | None = None
    environment: str | None = None
    gateway_command: str | None = None
    embedding_command: str | None = None
    live: tuple[Live, ...] = ()

    @property
    def mode(self) -> Mode:
        """Deployed when a gateway is named, attached when a store is, else embedded."""
        if self.gateway_url:
            return Mode.DEPLOYED
        if self.database_url or self.redis_url or self.qdrant_url:
            return Mode.ATTACHED
        return Mode.EMBEDDED

    def secrets(self) -> Secrets:
        """The secret values among these settings."""
        secrets = Secrets()
        for name in ("api_key", "readonly_key", "admin_key", "qdrant_api_key"):
            secrets.add(getattr(self, name), VARIABLES[name])
        for name in ("database_url", "redis_url", "qdrant_url", "gateway_url", "toxiproxy_url"):
            secrets.add_password_of(getattr(self, name), f"password in {VARIABLES[name]}")
        for service in self.live:
            secrets.add(service.key, PROVIDER_KEYS[service.provider])
        return secrets

    def shown(self) -> dict[str, str]:
        """Variable names with their values, secrets masked, for a person to read."""
        secrets = self.secrets()
        values = {variable: getattr(self, name) for name, variable in VARIABLES.items()}
        values |= {PROVIDER_KEYS[service.provider]: service.key for service in self.live}
        return {
            variable: secrets.redact(without_password(str(value)))
            for variable, value in values.items()
            if value not in (None, ())
        }

    def __repr__(self) -> str:
        return f"Settings({self.shown()})"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = ROOT / ".env") -> Settings:
        """Read the environment, then ``.env`` for what it does not say. Raises ``SettingsError``."""
        from_file = dotenv_values(dotenv) if dotenv and dotenv.exists() else {}
        given = {**from_file, **(os.environ if environ is None else environ)}
        values = {name: (value or "").strip() for name, value in given.items()}

        def read(field: str, parse: Callable[[str, str], T], default: T) -> T:
            variable = VARIABLES[field]
            text = values.get(variable, "")
            return parse(variable, text) if text else default

        host = values.get("INTEGRATION_TEST_HOST", "")
        gateway = values.get("CITADEL_GATEWAY_URL", "")
        return cls(
            gateway_url=_gateway("CITADEL_GATEWAY_URL", gateway)
            if gateway
            else (_gateway("INTEGRATION_TEST_HOST", host) if host else None),
            timeout_s=read("timeout_s", _seconds, 60.0),
            database_url=read("database_url", _url_of("postgresql", "postgres"), None),
            redis_url=read("redis_url", _url_of("redis", "rediss"), None),
            qdrant_url=read("qdrant_url", _url_of("http", "https"), None),
            qdrant_api_key=read("qdrant_api_key", _text, None),
            qdrant_binary=read("qdrant_binary", _executable, None),
            workers=read("workers", _count, 4),
            cleanup=read("cleanup", _yes_or_no, True),
            verbose=read("verbose", _yes_or_no, False),
            api_key=read("api_key", _key, None),
            readonly_key=read("readonly_key", _key, None),
            admin_key=read("admin_key", _key, None),
            toxiproxy_url=read("toxiproxy_url", _url_of("http", "https"), None),
            faults=read("faults", _list, ()),
            fault_commands=read("fault_commands", _file, None),
            environment=read("environment", _text, None),
            gateway_command=read("gateway_command", _text, None),
            embedding_command=read("embedding_command", _text, None),
            live=_live(values),
        )


VARIABLES = {
    "gateway_url": "INTEGRATION_TEST_HOST",
    "timeout_s": "INTEGRATION_TEST_TIMEOUT",
    "database_url": "TEST_DATABASE_URL",
    "redis_url": "TEST_REDIS_URL",
    "qdrant_url": "QDRANT_URL",
    "qdrant_api_key": "QDRANT_API_KEY",
    "qdrant_binary": "CITADEL_QDRANT_BINARY",
    "workers": "TEST_PARALLEL_WORKERS",
    "cleanup": "TEST_DATA_CLEANUP",
    "verbose": "INTEGRATION_TEST_VERBOSE",
    "api_key": "CITADEL_API_KEY",
    "readonly_key": "CITADEL_READONLY_KEY",
    "admin_key": "CITADEL_ADMIN_KEY",
    "toxiproxy_url": "TOXIPROXY_URL",
    "faults": "CITADEL_FAULTS",
    "fault_commands": "CITADEL_FAULT_COMMANDS",
    "environment": "CITADEL_ENVIRONMENT",
    "gateway_command": "CITADEL_GATEWAY_COMMAND",
    "embedding_command": "CITADEL_EMBEDDING_COMMAND",
}


def _live(values: Mapping[str, str]) -> tuple[Live, ...]:
    """The providers whose live service may be used: those with a key, and an address."""
    found = []
    for provider, key_variable in PROVIDER_KEYS.items():
        url_variable, usual = PROVIDER_URLS[provider]
        key, url = values.get(key_variable, ""), values.get(url_variable, "") or usual
        if key and url:
            _url_of("http", "https")(url_variable, url)
            found.append(Live(provider, url.rstrip("/"), key))
    return tuple(found)


def _text(_variable: str, text: str) -> str | None:
    return text


def _list(_variable: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(variable: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 3600:
        raise SettingsError(f"{variable}={text!r} is not a number of seconds from 1 to 3600, such as 60")
    return value


def _count(variable: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise SettingsError(f"{variable}={text!r} is not a whole number from 1 to 64")
    return int(text)


def _yes_or_no(variable: str, text: str) -> bool:
    word = text.lower()
    if word in ("true", "yes", "1", "on"):
        return True
    if word in ("false", "no", "0", "off"):
        return False
    raise SettingsError(f"{variable}={text!r} is neither true nor false")


def _key(variable: str, text: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", text):
        raise SettingsError(
            f"{variable} is not a Citadel key: 16 to 128 letters, digits, underscores or hyphens"
        )
    return text


def _file(variable: str, text: str) -> str | None:
    if not Path(text).is_file():
        raise SettingsError(f"{variable}={text!r}: no such file")
    return text


def _executable(variable: str, text: str) -> str | None:
    if not os.access(text, os.X_OK) or not Path(text).is_file():
        raise SettingsError(f"{variable}={text!r} is not an executable file; unset it to use the Qdrant node")
    return text


def _url_of(*schemes: str) -> Callable[[str, str], str | None]:
    def parse(variable: str, text: str) -> str | None:
        problem = f"{variable} is not a URL such as {schemes[0]}://host:port"
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise SettingsError(f"{problem}: {error}") from None
        # A PostgreSQL or Redis URL may name a socket in its path or query; a web address needs a host.
        elsewhere = not parts.scheme.startswith("http") and (parts.path.strip("/") or parts.query)
        if parts.scheme not in schemes or not (parts.hostname or elsewhere):
            raise SettingsError(
                f"{problem} (it starts with {parts.scheme + '://' if parts.scheme else 'no scheme'})"
            )
        return text.rstrip("/") if parts.scheme.startswith("http") else text

    return parse


def _gateway(variable: str, text: str) -> str:
    """A host, host:port or URL as a base URL; http and port 8000 where it does not say."""
    url = text if "://" in text else f"http://{text}"
    _url_of("http", "https")(variable, url)
    parts = urlsplit(url)
    if "://" not in text and parts.port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{DEFAULT_GATEWAY_PORT}")
    return urlunsplit(parts).rstrip("/")
