"""One provider's official SDK as a program: ``python sdk_client.py <sdk> <address of the emulators>``.

It runs in the SDKs' own environment, so it imports nothing of the project. Each line of standard input is an
order, each line of standard output what became of it::

    {"texts", "key", "model", "size"?, "retries"?}  ->  {"vectors", "tokens"} or {"text"} or
                                                        {"error", "kinds", "status", "message"}

``kinds`` are the names of the exception's class and of all its bases. Without ``retries`` the SDK repeats as
often as it does by itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

Order = dict[str, Any]
Asked = Callable[[Order], dict[str, Any]]


def given(**options: Any) -> dict[str, Any]:
    """The options that have a value: what is not given is left to the SDK."""
    return {name: value for name, value in options.items() if value is not None}


def _listed(answer: Any, tokens: int | None) -> dict[str, Any]:
    return {"vectors": [item.embedding for item in answer.data], "tokens": tokens}


def _openai_like(client: Any, order: Order) -> dict[str, Any]:
    answer = client.embeddings.create(
        model=order["model"], input=order["texts"], **given(dimensions=order.get("size"))
    )
    return _listed(answer, answer.usage.prompt_tokens)


def openai(url: str) -> Asked:
    """The default of `OpenAI()`."""
    import openai

    def ask(order: Order) -> dict[str, Any]:
        client = openai.OpenAI(
            base_url=f"{url}/openai/v1", api_key=order["key"], **given(max_retries=order.get("retries"))
        )
        return _openai_like(client, order)

    return ask


def azure(url: str) -> Asked:
    """The classic form: the deployment in the path, a dated version, the header `api-key`."""
    import openai

    def ask(order: Order) -> dict[str, Any]:
        client = openai.AzureOpenAI(
            azure_endpoint=f"{url}/azure",
            api_key=order["key"],
            api_version="2024-10-21",
            **given(max_retries=order.get("retries")),
        )
        return _openai_like(client, order)

    return ask


def azure_v1(url: str) -> Asked:
    """The new form: OpenAI's own client at Azure's address."""
    import openai

    def ask(order: Order) -> dict[str, Any]:
        client = openai.OpenAI(
            base_url=f"{url}/azure/openai/v1/",
            api_key=order["key"],
            **given(max_retries=order.get("retries")),
        )
        return _openai_like(client, order)

    return ask


def cohere(url: str) -> Asked:
    """The second version of the client."""
    import cohere

    def ask(order: Order) -> dict[str, Any]:
        client = cohere.ClientV2(api_key=order["key"], base_url=f"{url}/cohere")
        options = given(max_retries=order.get("retries"))
        answer = client.embed(
            texts=order["texts"],
            model=order["model"],
            input_type="search_document",
            embedding_types=["float"],
            request_options=options or None,
            **given(output_dimension=order.get("size")),
        )
        return {"vectors": answer.embeddings.float_, "tokens": answer.meta.billed_units.input_tokens}

    return ask


def voyage(url: str) -> Asked:
    """Repeats only if asked to; asks for base64."""
    import voyageai

    def ask(order: Order) -> dict[str, Any]:
        client = voyageai.Client(api_key=order["key"], base_url=f"{url}/voyage/v1")
        answer = client.embed(
            order["texts"],
            model=order["model"],
            input_type="document",
            **given(output_dimension=order.get("size")),
        )
        return {"vectors": answer.embeddings, "tokens": answer.total_tokens}

    return ask


def mistral(url: str) -> Asked:
    """Repeats only if asked to; checks answers strictly."""
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    def ask(order: Order) -> dict[str, Any]:
        repeated = RetryConfig("backoff", BackoffStrategy(100, 5000, 1.5, 20000), True)
        client = Mistral(
            api_key=order["key"],
            server_url=f"{url}/mistral",
            **given(retry_config=repeated if order.get("retries") else None),
        )
        answer = client.embeddings.create(
            model=order["model"], inputs=order["texts"], **given(output_dimension=order.get("size"))
        )
        return _listed(answer, answer.usage.prompt_tokens)

    return ask


def google(url: str) -> Asked:
    """The Gemini API."""
    from google import genai
    from google.genai import types

    def ask(order: Order) -> dict[str, Any]:
        client = genai.Client(api_key=order["key"], http_options=types.HttpOptions(base_url=f"{url}/google"))
        answer = client.models.embed_content(
            model=order["model"],
            contents=order["texts"],
            config=types.EmbedContentConfig(
                task_type="RETRIEVAL_DOCUMENT", **given(output_dimensionality=order.get("size"))
            ),
        )
        return {"vectors": [each.values for each in answer.embeddings or []], "tokens": None}

    return ask


def huggingface(url: str) -> Asked:
    """The inference client at the full address of a model."""
    import huggingface_hub

    def ask(order: Order) -> dict[str, Any]:
        address = f"{url}/hf/hf-inference/models/{order['model']}/pipeline/feature-extraction"
        client = huggingface_hub.InferenceClient(base_url=address, api_key=order["key"])
        # Annotated for one text, documented for a list of them too.
        texts: Any = order["texts"]
        return {"vectors": client.feature_extraction(texts).tolist(), "tokens": None}

    return ask


def jina(url: str) -> Asked:
    """The library of Jina's command line."""
    import jina_cli.api

    jina_cli.api.API_BASE = f"{url}/jina"

    def ask(order: Order) -> dict[str, Any]:
        answer = jina_cli.api.embed(
            order["texts"],
            api_key=order["key"],
            model=order["model"],
            task="retrieval.passage",
            **given(dimensions=order.get("size")),
        )
        return {"vectors": [item["embedding"] for item in answer], "tokens": None}

    return ask


def anthropic(url: str) -> Asked:
    """Messages; the texts are what the user says."""
    import anthropic

    def ask(order: Order) -> dict[str, Any]:
        client = anthropic.Anthropic(
            base_url=f"{url}/anthropic", api_key=order["key"], **given(max_retries=order.get("retries"))
        )
        answer = client.messages.create(
            model=order["model"],
            max_tokens=16,
            messages=[{"role": "user", "content": text} for text in order["texts"]],
        )
        return {"text": answer.content[0].text, "tokens": answer.usage.input_tokens}

    return ask


SDKS = (openai, azure, azure_v1, cohere, voyage, mistral, google, huggingface, jina, anthropic)


def _failed(error: Exception) -> dict[str, Any]:
    """What a caller can learn from the exception."""
    response = getattr(error, "response", None)
    statuses = [
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "http_status", None),
        getattr(error, "code", None),
    ]
    return {
        "error": type(error).__name__,
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "status": next((status for status in statuses if isinstance(status, int)), None),
        "message": str(error)[:500],
    }


def main() -> None:
    """Answer orders until the input ends."""
    name, url = sys.argv[1:]
    # What an SDK prints by itself must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    ask = {sdk.__name__: sdk for sdk in SDKS}[name](url)
    for line in sys.stdin:
        try:
            told = ask(json.loads(line))
        except Exception as error:
            told = _failed(error)
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
