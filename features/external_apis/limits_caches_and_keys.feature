@use.with_providers=visible
Feature: Limits, caches and keys of external providers
  A provider's limit is kept before it has to refuse, a question is paid for
  once, and a key that was replaced is never shown again.

  @key.repeated-provider-request-is-cache-hit
  Scenario: A repeated request to a provider is answered from the cache
    Given OpenAI has embedded "hello" and "world"
    When OpenAI is asked to embed "hello" and "world"
    Then the answer comes from the cache
    And OpenAI was asked exactly 1 time
    And the answer costs no tokens

  @use.with_stores=visible @G4 @key.damaged-provider-cache-entry-replaced
  Scenario Outline: A cached answer of a provider that is <damage> is replaced, not served
    Given OpenAI has embedded "hello" and "world"
    And what the cache kept of the answer is <damage>
    When OpenAI is asked to embed "hello" and "world"
    Then the embeddings are the same as before
    And OpenAI was asked exactly 2 times
    And the next answer of OpenAI comes from the cache again

    Examples:
      | damage             |
      | rubbish            |
      | changed by one bit |
      | of another size    |
      | short of a vector  |
      | of an older form   |

  @N7 @key.failover-response-not-cached-as-original
  Scenario: What another provider answered in its place is not remembered as a provider's own
    Given Azure OpenAI has embedded "hello" and "world" in place of OpenAI
    When OpenAI is asked to embed "hello" and "world"
    Then the request succeeds
    And OpenAI was asked exactly 1 time

  @key.refused-provider-request-not-cached
  Scenario: A request that a provider refused is not remembered
    Given Voyage has refused to embed "hello" and "world"
    When Voyage is asked to embed "hello" and "world"
    Then the request succeeds
    And Voyage was asked exactly 1 time

  @N8 @outage @key.rotated-provider-key-used-after-restart
  Scenario: A replaced key is used from the next start on, the old one never again
    Given Voyage takes a new key only
    And the platform has been started anew with that key
    When Voyage is asked to embed "hello" and "world"
    Then the request succeeds
    And Voyage has been shown no other key since

  @N9 @outage @key.provider-request-limits-respected
  Scenario: A provider never receives more requests than it allows
    Why it matters: providers punish whoever ignores their limits.

    Given the platform is set to ask Jina 5 times a minute
    When 12 callers ask Jina at the same time
    Then Jina was asked exactly 5 times
    And the other 7 callers are told to come back later
