@use.with_providers=visible
Feature: Failover and circuit breakers of external providers
  A caller may name other providers to turn to: they are asked in order, once
  each. A provider that keeps failing is left alone, and the others are not.

  Scenario Outline: When <provider> fails, <other> serves the request
    Given <provider> answers every request with an overload error
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}" with failover to <other>
    Then <other> served the request
    And the attempts are:
      | provider   | outcome      |
      | <provider> | server_error |
      | <other>    | success      |
    And <provider> received exactly 1 request

    Examples:
      | provider     | other        |
      | OpenAI       | Azure OpenAI |
      | Azure OpenAI | OpenAI       |
      | Anthropic    | Mistral      |
      | Cohere       | OpenAI       |
      | Hugging Face | Google       |
      | Google       | Jina         |
      | Voyage       | Mistral      |
      | Jina         | Hugging Face |
      | Mistral      | Voyage       |

  @NFR-failover
  Scenario: After a timeout another provider serves the request within the failover limit
    Given OpenAI answers every request with a timeout
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}" with failover to Voyage
    Then Voyage served the request
    And the attempts are:
      | provider | outcome |
      | OpenAI   | timeout |
      | Voyage   | success |
    And the failover takes at most the failover limit

  @key.failover-after-rejected-key
  Scenario: After a refused key another provider serves the request
    Given OpenAI answers every request with an invalid-key error
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}" with failover to Azure OpenAI
    Then Azure OpenAI served the request
    And the attempts are:
      | provider     | outcome    |
      | OpenAI       | auth_error |
      | Azure OpenAI | success    |

  @key.bad-request-has-no-failover
  Scenario: A request that one provider rejects is not sent to the next
    Given OpenAI answers every request with a rejection for its length
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}" with failover to Azure OpenAI
    Then the request is refused with "provider-error"
    And Azure OpenAI received no request

  @key.unknown-provider-in-failover-skipped
  Scenario: An unknown provider is skipped
    When a reader asks the provider "acme" to embed "hello {unique}" and "world {unique}" with:
      | option   | value  |
      | failover | Voyage |
    Then Voyage served the request
    And the attempts are:
      | provider | outcome        |
      | acme     | not_configured |
      | Voyage   | success        |

  @N7
  Scenario: A provider with embeddings of another size is no failover
    Given OpenAI answers every request with an overload error
    When a reader asks OpenAI to embed "hello {unique}" with failover to Voyage with:
      | option              | value |
      | required dimensions | 1536  |
    Then the request is refused with "provider-unavailable" or "provider-error"
    And Voyage received no request

  @N9 @key.breaker-opens-and-recovers
  Scenario: Five failures in a row open a circuit breaker, and it closes after the provider has recovered
    Why it matters: callers would wait for nothing, and a provider in trouble would get more of it.

    Given OpenAI answers every request with an overload error
    When a reader asks OpenAI to embed "question {n} {unique}" 2 times
    Then OpenAI received exactly 5 requests
    When a reader asks OpenAI to embed "further question {n} {unique}" 3 times
    Then every request is refused with "circuit-open"
    And OpenAI received no request
    When OpenAI recovers
    Then within the circuit breaker limit these requests succeed:
      | actor    | request                                        |
      | a reader | asks OpenAI to embed "after the break {unique}" |
    And OpenAI received exactly 1 request

  @N9 @key.breakers-are-per-provider
  Scenario: An open circuit breaker of one provider leaves the others alone
    Given OpenAI's circuit breaker is open
    When a reader asks OpenAI to embed "hello {unique}"
    Then the request is refused with "circuit-open"
    When these requests are made:
      | actor    | request                                    |
      | a reader | asks Azure OpenAI to embed "hello {unique}" |
      | a reader | asks Anthropic to embed "hello {unique}"    |
      | a reader | asks Cohere to embed "hello {unique}"       |
      | a reader | asks Hugging Face to embed "hello {unique}" |
      | a reader | asks Google to embed "hello {unique}"       |
      | a reader | asks Voyage to embed "hello {unique}"       |
      | a reader | asks Jina to embed "hello {unique}"         |
      | a reader | asks Mistral to embed "hello {unique}"      |
    Then every request succeeds

  @N9 @key.half-open-breaker-sends-one-probe
  Scenario: A half-open circuit breaker lets one single request through
    Why it matters: all callers at once would be the next flood.

    Given OpenAI's circuit breaker is half-open
    And OpenAI answers every request with a timeout
    When a reader asks OpenAI to embed "question {n} {unique}" 8 times at the same moment
    Then every request is refused with "provider-timeout" or "circuit-open"
    And OpenAI received exactly 1 request

  @N9 @key.failed-probe-reopens-breaker
  Scenario: A half-open circuit breaker opens again after a failure
    Given OpenAI's circuit breaker is half-open
    When a reader asks OpenAI to embed "hello {unique}"
    Then the request is refused with "provider-error"
    And OpenAI received exactly 1 request
    When a reader asks OpenAI to embed "further question {n} {unique}" 3 times
    Then every request is refused with "circuit-open"
    And OpenAI received no request
    And within the circuit breaker limit OpenAI's circuit breaker is half-open

  @N9 @key.successful-probe-closes-breaker
  Scenario: A half-open circuit breaker closes after a success
    Given OpenAI's circuit breaker is half-open
    When OpenAI recovers
    And a reader asks OpenAI to embed "hello {unique}"
    Then OpenAI served the request
    When a reader asks OpenAI to embed "question {n} {unique}" 8 times at the same moment
    Then OpenAI served every request
    And OpenAI received exactly 8 requests

  @key.client-errors-do-not-open-breaker
  Scenario Outline: A provider that answers with <refusal> keeps its circuit breaker closed
    Why it matters: one caller's mistake is no reason to take a provider away from all others.

    Given OpenAI answers every request with <refusal>
    When a reader asks OpenAI to embed "question {n} {unique}" 8 times
    Then every request is refused with "provider-error"
    And OpenAI received exactly 8 requests

    Examples:
      | refusal                    |
      | an invalid-key error       |
      | a rejection for its length |
