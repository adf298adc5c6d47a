"""What the environment decides: the mode, readable refusals, and no secret on show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from support.settings import PROVIDER_KEYS, PROVIDER_URLS, VARIABLES, Live, Mode, Settings, SettingsError


def load(**environ: str) -> Settings:
    return Settings.load(environ, dotenv=None)


def test_nothing_set_means_everything_is_started() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.mode is Mode.EMBEDDED
    assert (settings.timeout_s, settings.workers, settings.cleanup, settings.verbose) == (
        60.0,
        4,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("environ", "mode"),
    [
        ({"TEST_DATABASE_URL": "postgresql://u@db/x"}, Mode.ATTACHED),
        ({"TEST_REDIS_URL": "redis://cache:6379/1"}, Mode.ATTACHED),
        ({"QDRANT_URL": "http://vectors:6333"}, Mode.ATTACHED),
        ({"INTEGRATION_TEST_HOST": "citadel.example"}, Mode.DEPLOYED),
        ({"CITADEL_GATEWAY_URL": "https://citadel.example"}, Mode.DEPLOYED),
        ({"INTEGRATION_TEST_HOST": "citadel.example", "QDRANT_URL": "http://vectors:6333"}, Mode.DEPLOYED),
        ({"INTEGRATION_TEST_HOST": "", "TEST_DATABASE_URL": "  "}, Mode.EMBEDDED),
        ({"CITADEL_API_KEY": "a-key-of-sixteen-letters"}, Mode.EMBEDDED),
    ],
)
def test_the_mode_follows_from_what_is_given(environ: Mapping[str, str], mode: Mode) -> None:
    assert load(**environ).mode is mode


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("citadel.example", "http://citadel.example:8000"),
        ("citadel.example:9000", "http://citadel.example:9000"),
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("https://citadel.example", "https://citadel.example"),
        ("https://citadel.example/base/", "https://citadel.example/base"),
        ("http://citadel.example:9000", "http://citadel.example:9000"),
    ],
)
def test_a_host_becomes_a_url(host: str, url: str) -> None:
    assert load(INTEGRATION_TEST_HOST=host).gateway_url == url


def test_the_full_url_of_the_gateway_wins_over_the_host() -> None:
    settings = load(INTEGRATION_TEST_HOST="one", CITADEL_GATEWAY_URL="http://two:1234")
    assert settings.gateway_url == "http://two:1234"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INTEGRATION_TEST_TIMEOUT", "soon"),
        ("INTEGRATION_TEST_TIMEOUT", "0"),
        ("INTEGRATION_TEST_TIMEOUT", "nan"),
        ("TEST_PARALLEL_WORKERS", "0"),
        ("TEST_PARALLEL_WORKERS", "2.5"),
        ("TEST_DATA_CLEANUP", "maybe"),
        ("TEST_DATABASE_URL", "mysql://db/x"),
        ("TEST_DATABASE_URL", "db.example"),
        ("TEST_REDIS_URL", "redis://"),
        ("QDRANT_URL", "http:///only-a-path"),
        ("QDRANT_URL", "http://host:99999"),
        ("INTEGRATION_TEST_HOST", "ftp://citadel.example"),
        ("CITADEL_API_KEY", "short"),
        ("CITADEL_QDRANT_BINARY", "/no/such/file"),
        ("CITADEL_FAULT_COMMANDS", "/no/such/file"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable}"):
        load(**{variable: value})


def test_a_refused_key_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load(CITADEL_API_KEY="secret with blanks")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("word", ["true", "YES", "1", "on"])
def test_yes_in_many_words(word: str) -> None:
    assert load(INTEGRATION_TEST_VERBOSE=word).verbose is True
    assert (
        load(TEST_DATA_CLEANUP={"true": "false", "YES": "No", "1": "0", "on": "off"}[word]).cleanup is False
    )


def test_faults_are_an_explicit_list() -> None:
    assert load(CITADEL_FAULTS="cut, slow ,").faults == ("cut", "slow")
    assert load(CITADEL_FAULTS="").faults == ()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TEST_PARALLEL_WORKERS=3\nINTEGRATION_TEST_TIMEOUT=30\nINTEGRATION_TEST_VERBOSE\n")
    settings = Settings.load({"TEST_PARALLEL_WORKERS": "2"}, dotenv=file)
    assert (settings.workers, settings.timeout_s, settings.verbose) == (2, 30.0, False)


def test_no_secret_is_shown() -> None:
    settings = load(
        TEST_DATABASE_URL="postgresql://user:pa%24sw0rd@db/x",
        TEST_REDIS_URL="redis://:tiny@cache:6379/1",
        QDRANT_API_KEY="the-vectors-own-key",
        CITADEL_API_KEY="a-key-of-sixteen-letters",
    )
    told = repr(settings)
    for secret in ("pa%24sw0rd", "tiny", "the-vectors-own-key", "a-key-of-sixteen-letters"):
        assert secret not in told
    assert settings.shown()["TEST_DATABASE_URL"] == "postgresql://user:[redacted]@db:5432/x"
    assert settings.secrets().found_in("login with pa$sw0rd failed") == ["password in TEST_DATABASE_URL"]


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        load().workers = 8  # type: ignore[misc]


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert VARIABLES.keys() == {field.name for field in fields(Settings)} - {"live"}
    names = [*VARIABLES.values(), *PROVIDER_KEYS.values(), *(name for name, _url in PROVIDER_URLS.values())]
    assert len(set(names)) == len(names)
    assert PROVIDER_KEYS.keys() == PROVIDER_URLS.keys()


def test_a_key_allows_to_use_a_live_service() -> None:
    settings = load(
        MISTRAL_API_KEY="the-key-of-mistral",
        VOYAGE_API_KEY="the-key-of-voyage",
        VOYAGE_BASE_URL="http://127.0.0.1:9/voyage/v1/",
        OPENAI_BASE_URL="http://an-address.without/a-key",
        AZURE_OPENAI_API_KEY="a-key-without-an-address",
    )
    assert settings.live == (
        Live("voyage", "http://127.0.0.1:9/voyage/v1", "the-key-of-voyage"),
        Live("mistral", "https://api.mistral.ai", "the-key-of-mistral"),
    )
    assert "the-key-of" not in repr(settings) + repr(settings.live)
    assert settings.shown()["VOYAGE_API_KEY"] == "[redacted]"
    assert settings.secrets().found_in("login with the-key-of-mistral failed") == ["MISTRAL_API_KEY"]


def test_the_address_of_a_live_service_is_one() -> None:
    with pytest.raises(SettingsError, match="JINA_BASE_URL is not an address"):
        load(JINA_API_KEY="the-key-of-jina", JINA_BASE_URL="jina")
