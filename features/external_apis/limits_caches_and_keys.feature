@use.with_providers=visible
Feature: Limits, cached answers and keys of external providers
  A provider's limit is kept before the provider has to refuse, a text is paid
  for once, and a key that was replaced is never shown again.

  @key.repeated-provider-request-is-cache-hit
  Scenario: A repeated request to a provider is answered from the cache
    Given a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the result was served from the cache
    And OpenAI received no request
    And the answer shows:
      | field              | value |
      | usage.input tokens | 0     |

  @use.with_stores=visible @G4 @key.damaged-provider-cache-entry-replaced
  Scenario Outline: A cached answer of a provider that is <damage> is replaced, not served
    Given a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    When the cache entry of the last answer is <damage>
    And a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the embeddings have 1536 dimensions and unit length
    And OpenAI received exactly 1 request
    And each embedding is within 0.000001 of that of its text alone
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the result was served from the cache

    Examples:
      | damage             |
      | rubbish            |
      | changed by one bit |
      | of another size    |
      | short of a vector  |
      | of an older form   |

  @N7 @key.failover-response-not-cached-as-original
  Scenario: What another provider answered is not cached as the requested one's
    Given OpenAI answers the next request with an overload error
    And a reader asks OpenAI to embed "hello {unique}" and "world {unique}" with failover to Azure OpenAI
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then OpenAI received exactly 1 request
    And OpenAI served the request

  @key.refused-provider-request-not-cached
  Scenario: A request that a provider refused is not cached
    Given Voyage answers the next request with a rejection as malformed
    When a reader asks Voyage to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    When a reader asks Voyage to embed "hello {unique}" and "world {unique}"
    Then Voyage served the request
    And Voyage received exactly 1 request

  @N8 @outage @key.rotated-provider-key-used-after-restart
  Scenario: A replaced key is used from the next start on, the old one never again
    Given Voyage accepts only a new key
    When a reader asks Voyage to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    When the gateway is reconfigured for Voyage:
      | option | value       |
      | key    | the new key |
    And a reader asks Voyage to embed "hello {unique}" and "world {unique}"
    Then Voyage served the request
    And Voyage received these requests as documented:
      | texts                                 |
      | "hello {unique}" and "world {unique}" |

  @N9 @outage @key.provider-request-limits-respected
  Scenario: A provider receives no more requests than it allows
    Why it matters: providers punish whoever ignores their limits.

    Given the gateway is reconfigured for Jina:
      | option              | value |
      | requests per minute | 5     |
    When a reader asks Jina to embed "question {n} {unique}" 12 times at the same moment
    Then Jina received exactly 5 requests
    And 5 requests succeed and 7 are refused with "provider-rate-limited"
    When a reader asks Jina to embed "one more question {unique}"
    Then the request is refused with "provider-rate-limited"
    And the answer shows:
      | field       | value      |
      | Retry-After | at least 1 |
