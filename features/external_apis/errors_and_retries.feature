@use.with_providers=visible
Feature: Errors of external providers
  A provider's refusal is told in the platform's words and not repeated; what
  may pass is repeated, seldom enough not to harm a provider in trouble.

  @N8
  Scenario Outline: A key that <provider> refuses is reported without being shown
    Given <provider> refuses the platform's key
    When <provider> is asked to embed "hello" and "world"
    Then the request is refused as "provider-error"
    And <provider> was asked exactly 1 time
    And the answer shows neither the key nor the provider's own words

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

  Scenario Outline: A model that <provider> does not know is refused at once
    When <provider> is asked for the model "no-such-model"
    Then the request is refused as "provider-error"
    And <provider> was asked exactly 1 time

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
  Scenario Outline: A request that a provider refuses because of <complaint> is not repeated
    Why it matters: what is refused today is refused as often as it is sent.

    Given OpenAI refuses every request because of <complaint>
    When OpenAI is asked to embed "hello" and "world"
    Then the request is refused as "provider-error"
    And OpenAI was asked exactly 1 time

    Examples:
      | complaint             |
      | a mistake             |
      | an unpaid bill        |
      | a missing right       |
      | a path that has moved |
      | its length            |
      | what it holds         |

  @key.provider-retries-limited
  Scenario Outline: A provider that <trouble> is asked three times at most
    Given OpenAI <trouble>
    When OpenAI is asked to embed "hello" and "world"
    Then the request is refused as "<code>"
    And OpenAI was asked exactly 3 times

    Examples:
      | trouble                                       | code                  |
      | is overloaded                                 | provider-error        |
      | fails at every request                        | provider-error        |
      | does not answer at all                        | provider-timeout      |
      | refuses every request because of a rate limit | provider-rate-limited |

  @key.short-rate-limit-waited-out
  Scenario Outline: A short rate limit of <provider> is waited out
    Given <provider> refuses the next request because of its rate limit
    When <provider> is asked to embed "hello" and "world"
    Then the request succeeds
    And <provider> was asked exactly 2 times
    And <provider> was left alone for as long as it asked

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
    Given OpenAI refuses the next request and names the time when it may be asked again
    When OpenAI is asked to embed "hello" and "world"
    Then the request succeeds
    And OpenAI was asked exactly 2 times
    And OpenAI was left alone for as long as it asked

  @key.long-rate-limit-passed-on
  Scenario: A rate limit that nobody can wait out is passed on to the caller
    Given OpenAI refuses the next request because of its rate limit, for an hour
    When OpenAI is asked to embed "hello" and "world"
    Then the request is refused as "provider-rate-limited"
    And OpenAI was asked exactly 1 time
    And the caller is told not to come back within a minute

  @key.retries-are-jittered
  Scenario: Callers that were turned away together do not come back together
    Why it matters: a crowd that returns at the same moment is turned away again.

    Given OpenAI turns the next 12 requests away for the same time
    When 12 callers ask OpenAI at the same time
    Then every caller is served after all
    And their second requests are spread over time

  @N9 @key.failing-provider-not-flooded
  Scenario: A provider in trouble is not flooded with repetitions
    Five failures in a row make the platform leave a provider alone: what is still on its way then is the rest.

    Given OpenAI is overloaded
    When 12 callers ask OpenAI at the same time
    Then every caller is refused
    And OpenAI has received at most 16 requests of theirs
