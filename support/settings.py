"""What to test and how: the environment and ``.env`` read once into one frozen, redacting object."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values

from support import addresses
from support.addresses import Address, AddressError
from support.redaction import MASK, Secrets

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_GATEWAY_PORT = 8000
LONGEST_VALUE = 8192
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
    """A variable holds something unusable; the message names the variable and the remedy."""


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
    # The way to the deployed gateway; nobody looks at the variables of other programs for one.
    proxy: str | None = None
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
        for name in KEYS:
            secrets.add(getattr(self, name), VARIABLES[name])
        for name in ADDRESSES:
            secrets.add_password_of(getattr(self, name), f"password in {VARIABLES[name]}")
        for service in self.live:
            secrets.add(service.key, PROVIDER_KEYS[service.provider])
        return secrets

    def shown(self) -> dict[str, str]:
        """Variable names with their values, secrets masked, for a person to read."""
        values: dict[str, object] = {}
        for name, variable in VARIABLES.items():
            value = getattr(self, name)
            if value in (None, ()):
                continue
            if name in KEYS:
                value = MASK
            elif name in ADDRESSES:
                value = addresses.of(value).shown
            elif name in COMMANDS:
                # Its arguments may hold anything.
                value = shlex.split(value)[0]
            values[variable] = value
        values |= {PROVIDER_KEYS[service.provider]: MASK for service in self.live}
        redact = self.secrets().redact
        return {variable: redact(str(value)) for variable, value in values.items()}

    def __repr__(self) -> str:
        return f"Settings({self.shown()})"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = ROOT / ".env") -> Settings:
        """Read the environment, then ``.env`` for what it does not say. Raises ``SettingsError``."""
        given = {**_from_file(dotenv), **(os.environ if environ is None else environ)}
        values = {name: _checked(name, given.get(name) or "") for name in _KNOWN}

        def read(field: str, parse: Callable[[str, str], T], default: T) -> T:
            variable = VARIABLES[field]
            text = values[variable]
            return parse(variable, text) if text else default

        gateway = "CITADEL_GATEWAY_URL" if values["CITADEL_GATEWAY_URL"] else "INTEGRATION_TEST_HOST"
        return cls(
            gateway_url=_gateway(gateway, values[gateway]) if values[gateway] else None,
            timeout_s=read("timeout_s", _seconds, 60.0),
            database_url=read(
                "database_url",
                _address(addresses.postgresql, "postgresql://user:password@host:5432/database"),
                None,
            ),
            redis_url=read("redis_url", _address(addresses.redis, "redis://:password@host:6379/0"), None),
            qdrant_url=read("qdrant_url", _address(_qdrant, "http://host:6333"), None),
            qdrant_api_key=read("qdrant_api_key", _header, None),
            qdrant_binary=read("qdrant_binary", _executable, None),
            workers=read("workers", _count, 4),
            cleanup=read("cleanup", _yes_or_no, True),
            verbose=read("verbose", _yes_or_no, False),
            api_key=read("api_key", _key, None),
            readonly_key=read("readonly_key", _key, None),
            admin_key=read("admin_key", _key, None),
            toxiproxy_url=read("toxiproxy_url", _address(addresses.web, "http://host:8474"), None),
            proxy=read("proxy", _address(_proxy, "http://host:3128"), None),
            faults=read("faults", _list, ()),
            fault_commands=read("fault_commands", _file, None),
            environment=read("environment", _text, None),
            gateway_command=read("gateway_command", _command, None),
            embedding_command=read("embedding_command", _command, None),
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
    "proxy": "CITADEL_PROXY",
    "faults": "CITADEL_FAULTS",
    "fault_commands": "CITADEL_FAULT_COMMANDS",
    "environment": "CITADEL_ENVIRONMENT",
    "gateway_command": "CITADEL_GATEWAY_COMMAND",
    "embedding_command": "CITADEL_EMBEDDING_COMMAND",
}


KEYS = ("api_key", "readonly_key", "admin_key", "qdrant_api_key")
ADDRESSES = ("gateway_url", "database_url", "redis_url", "qdrant_url", "toxiproxy_url", "proxy")
COMMANDS = ("gateway_command", "embedding_command")
_KNOWN = (
    *VARIABLES.values(),
    "CITADEL_GATEWAY_URL",
    *PROVIDER_KEYS.values(),
    *(variable for variable, _usual in PROVIDER_URLS.values()),
)


def _from_file(file: Path | None) -> Mapping[str, str | None]:
    """What ``.env`` says. Raises ``SettingsError`` where it is no text in UTF-8."""
    if file is None or not file.exists():
        return {}
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}): correct or remove it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not text in UTF-8: save it as such") from None
    if "\0" in text:
        raise SettingsError(f"{file} is not text in UTF-8 (it holds NUL): save it as such")
    return dotenv_values(stream=io.StringIO(text))


def _checked(variable: str, value: str) -> str:
    """A value without what surrounds it. No message of this module quotes one: it may be a secret."""
    text = value.strip()
    if len(text) > LONGEST_VALUE:
        raise SettingsError(f"{variable} is longer than {LONGEST_VALUE} characters")
    if not text.isprintable():
        raise SettingsError(f"{variable} holds a control character, or bytes that are no text in UTF-8")
    return text


def _live(values: Mapping[str, str]) -> tuple[Live, ...]:
    """The providers whose live service may be used: those with a key, and an address."""
    found = []
    for provider, key_variable in PROVIDER_KEYS.items():
        url_variable, usual = PROVIDER_URLS[provider]
        key, url = values[key_variable], values[url_variable] or usual
        if key and url:
            _header(key_variable, key)
            address = _address(addresses.web, "https://host")(url_variable, url)
            found.append(Live(provider, address, key))
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
        raise SettingsError(f"{variable} is not a number of seconds from 1 to 3600, such as 60")
    return value


def _count(variable: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= 64:
        raise SettingsError(f"{variable} is not a whole number from 1 to 64")
    return int(text)


def _yes_or_no(variable: str, text: str) -> bool:
    word = text.lower()
    if word in ("true", "yes", "1", "on"):
        return True
    if word in ("false", "no", "0", "off"):
        return False
    raise SettingsError(f"{variable} is neither true nor false")


def _key(variable: str, text: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", text):
        raise SettingsError(
            f"{variable} is not a Citadel key: 16 to 128 letters, digits, underscores or hyphens"
        )
    return text


def _header(variable: str, text: str) -> str | None:
    if not re.fullmatch(r"[!-~]+", text):
        raise SettingsError(f"{variable} is not a key: an HTTP header holds letters of ASCII, without blanks")
    return text


def _file(variable: str, text: str) -> str | None:
    if not os.path.isfile(text) or not os.access(text, os.R_OK):
        raise SettingsError(f"{variable} does not name a file that can be read")
    return text


def _executable(variable: str, text: str) -> str | None:
    if not os.path.isfile(text) or not os.access(text, os.X_OK):
        raise SettingsError(f"{variable} is not an executable file; unset it to use the Qdrant node")
    return text


def _command(variable: str, text: str) -> str | None:
    try:
        found = shutil.which(shlex.split(text)[0])
    except (ValueError, IndexError):
        raise SettingsError(f"{variable} is not a command: a quotation mark is not closed") from None
    if found is None:
        raise SettingsError(f"{variable} does not begin with a program that can be run")
    return text


def _address(read: Callable[[str], Address], example: str) -> Callable[[str, str], str]:
    """The reader of a variable that holds an address, in the form that all clients take."""

    def parse(variable: str, text: str) -> str:
        try:
            return read(text).url
        except AddressError as error:
            raise SettingsError(f"{variable} is not an address such as {example}: {error}") from None

    return parse


def _qdrant(text: str) -> Address:
    """Qdrant's own port where none is named, as its client takes it, whatever the scheme."""
    return addresses.web(text, addresses.QDRANT_PORT)


def _proxy(text: str) -> Address:
    address = addresses.web(text, login=True)
    if address.scheme != "http" or address.path:
        raise AddressError("a proxy is reached by http:// and has no path")
    return address


def _gateway(variable: str, text: str) -> str:
    """A host, host:port or URL as a base URL; http and port 8000 where it does not say."""

    def web(text: str) -> Address:
        if "://" in text:
            return addresses.web(text)
        if "/" in text:
            raise AddressError(
                "it is neither a host nor host:port, and a URL starts with http:// or https://"
            )
        return addresses.web(f"http://{text}", DEFAULT_GATEWAY_PORT)

    return _address(web, "citadel.example.org:8000")(variable, text)
