@use.with_providers=visible
Feature: Errors of external providers
  A provider's error is reported in the platform's words. Errors that may pass
  are retried, seldom enough not to harm a provider in trouble.

  @N8
  Scenario Outline: A key that <provider> refuses is reported without being shown
    Given <provider> answers every request with an invalid-key error
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    And the answer shows neither <provider>'s key nor its words
    And <provider> received exactly 1 request

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Cohere       |
      | Hugging Face |
      | Google       |
      | Voyage       |
      | Jina         |
      | Mistral      |

  Scenario Outline: A model that <provider> does not know is refused without a retry
    When a reader asks <provider> to embed "hello {unique}" with:
      | option | value         |
      | model  | no-such-model |
    Then the request is refused with "provider-error"
    And <provider> received exactly 1 request

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Cohere       |
      | Hugging Face |
      | Google       |
      | Voyage       |
      | Jina         |
      | Mistral      |

  @key.permanent-provider-errors-not-retried
  Scenario Outline: A request that a provider answers with <rejection> is not retried
    Why it matters: what is refused today is refused as often as it is sent.

    Given OpenAI answers every request with <rejection>
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    And OpenAI received exactly 1 request

    Examples:
      | rejection                            |
      | a rejection as malformed             |
      | a rejection for an unpaid bill       |
      | a rejection for a missing permission |
      | a rejection as not found             |
      | a rejection for its length           |
      | a rejection for its content          |

  @key.provider-retries-limited
  Scenario Outline: A provider that answers with <error> is asked three times
    Given OpenAI answers every request with <error>
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "<code>"
    And OpenAI received exactly 3 requests

    Examples:
      | error             | code                  |
      | an overload error | provider-error        |
      | a server error    | provider-error        |
      | a timeout         | provider-timeout      |
      | a rate limit      | provider-rate-limited |

  @key.short-rate-limit-waited-out
  Scenario Outline: A short rate limit of <provider> is waited out
    Given <provider> answers the next request with a rate limit and a Retry-After of 1 s
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}"
    Then every request succeeds
    And <provider> received exactly 2 requests
    And <provider> received every retry no earlier than its Retry-After

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Cohere       |
      | Hugging Face |
      | Google       |
      | Voyage       |
      | Jina         |
      | Mistral      |

  @key.retry-after-date-honoured
  Scenario: A rate limit that ends at a certain time is waited out
    A date has whole seconds: it is up to one second nearer than it seems.

    Given OpenAI answers the next request with a rate limit and a Retry-After date 2 s ahead
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then every request succeeds
    And OpenAI received exactly 2 requests
    And OpenAI received every retry no earlier than its Retry-After

  @key.long-rate-limit-passed-on
  Scenario: A rate limit that is too long to wait is passed on to the caller
    Given OpenAI answers the next request with a rate limit and a Retry-After of 3600 s
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-rate-limited"
    And the answer shows:
      | field       | value       |
      | Retry-After | at least 60 |
    And OpenAI received exactly 1 request

  @key.retries-are-jittered
  Scenario: Retries after a rate limit are jittered
    Why it matters: callers that return at the same moment are refused together again.

    Given OpenAI answers the next 12 requests with a rate limit and a Retry-After of 2 s
    When a reader asks OpenAI to embed "question {n} {unique}" 12 times at the same moment
    Then every request succeeds
    And the retries to OpenAI are spread over at least 60 ms

  @N9 @key.failing-provider-not-flooded
  Scenario: A failing provider is not flooded with retries
    Five failures in a row open the circuit breaker: what is under way then is the rest.

    Given OpenAI answers every request with an overload error
    When a reader asks OpenAI to embed "question {n} {unique}" 12 times at the same moment
    Then every request is refused with "provider-error" or "circuit-open"
    And OpenAI received from 5 to 16 requests
