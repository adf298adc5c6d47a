"""Live mode: a provider's key lets its live service be asked, and nothing else does. An emulator plays it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.settings import PROVIDER_KEYS, PROVIDER_URLS
from tests.running import behave, failures
from tests.scenarios import arguments, of_key
from tests.test_emulators import KEYS, emulators, seen
from tests.test_emulators import behave as emulate

FEATURE = "features/external_apis/live.feature"
# Where each provider's interface begins at the emulators.
PATHS = {
    "anthropic": "/anthropic", "azure": "/azure", "cohere": "/cohere", "google": "/google",
    "huggingface": "/hf", "jina": "/jina", "mistral": "/mistral", "openai": "/openai/v1",
    "voyage": "/voyage/v1",
}  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    with emulators() as (client, _, _):
        yield client


def live(service: httpx.Client, *providers: str) -> dict[str, str]:
    """The variables that name the emulators as these providers' live services."""
    url = str(service.base_url).rstrip("/")
    return {PROVIDER_KEYS[name]: KEYS[name] for name in providers} | {
        PROVIDER_URLS[name][0]: url + PATHS[name] for name in providers
    }


def test_only_a_live_service_with_a_key_is_asked(service: httpx.Client, tmp_path: Path) -> None:
    done = behave(tmp_path, FEATURE, environ=live(service, "google", "anthropic"))
    assert done.code == 0, done.printed
    assert done.summary["scenarios"] == {"passed": 2, "failed": 0, "skipped": 7, "total": 9}
    assert "may use the live services of anthropic, google" in done.printed
    assert "skipped  7 scenarios: it uses the live service" in done.printed
    assert {request["provider"] for request in seen(service)} == {"google", "anthropic"}
    # A few words, a few times: two texts together and each alone, an unknown model, an unknown key.
    statuses = [request["status"] for request in seen(service, provider="google")]
    assert statuses == [200, 200, 200, 404, 400]
    assert [request["status"] for request in seen(service, provider="anthropic")] == [200, 404]
    assert KEYS["google"] not in done.printed
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(KEYS["google"].encode() in content for content in written)


def test_a_live_service_that_differs_is_told(service: httpx.Client, tmp_path: Path) -> None:
    emulate(service, "jina", "shorter_vectors")
    (jina,) = of_key("live-provider-matches-emulator", "Jina")
    done = behave(tmp_path, *arguments([jina]), environ=live(service, "jina"))
    assert done.code == 1, done.printed
    told = failures(done.printed)[jina.name]
    assert "provider-error" in told, done.printed
