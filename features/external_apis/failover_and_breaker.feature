@use.with_providers=visible
Feature: Failover between external providers
  A caller may name others to turn to. They are asked in order, once each; a
  provider that keeps failing is left alone, and nobody else pays for it.

  Scenario Outline: When <provider> fails, <other> takes over
    Given <provider> is overloaded
    When <provider> is asked to embed "hello" and "world", or else <other>
    Then the answer comes from <other> and names both attempts
    And <provider> was asked exactly 1 time

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
  Scenario: A provider that does not answer is left in time
    Given OpenAI does not answer at all
    When OpenAI is asked to embed "hello" and "world", or else Voyage
    Then the answer comes from Voyage and names both attempts
    And the change-over took no longer than promised

  @key.failover-after-rejected-key
  Scenario: A provider that refuses the platform's key is passed over
    Given OpenAI refuses the platform's key
    When OpenAI is asked to embed "hello" and "world", or else Azure OpenAI
    Then the answer comes from Azure OpenAI and names both attempts

  @key.bad-request-has-no-failover
  Scenario: What one provider finds wrong with a request is not shown to the next
    Given OpenAI refuses every request because of its length
    When OpenAI is asked to embed "hello" and "world", or else Azure OpenAI
    Then the request is refused as "provider-error"
    And Azure OpenAI was asked exactly 0 times

  @key.unknown-provider-in-failover-skipped
  Scenario: A name that is no provider's is passed over
    When a provider that nobody knows is asked to embed "hello" and "world", or else Voyage
    Then the answer comes from Voyage and names both attempts

  @N7
  Scenario: Vectors of the wrong size never take another provider's place
    Given OpenAI is overloaded
    When OpenAI is asked for embeddings of 1536 numbers, or else Voyage
    Then the request is refused as "provider-unavailable" or "provider-error"
    And Voyage was asked exactly 0 times

  @N9 @key.breaker-opens-and-recovers
  Scenario: A provider that keeps failing is left alone until it is well again
    Why it matters: callers would wait for nothing, and a provider in trouble would get more of it.

    Given OpenAI is overloaded
    When OpenAI is asked so often that the platform gives it up
    Then further requests are refused without asking OpenAI
    And OpenAI is asked again when the break is over

  @N9 @key.breakers-are-per-provider
  Scenario: While one provider is left alone, all the others are asked as ever
    Given the platform has given OpenAI up
    When every provider is asked to embed the same two texts
    Then all of them but OpenAI have answered

  @N9 @key.half-open-breaker-sends-one-probe
  Scenario: One single request finds out whether a provider is well again
    Why it matters: all callers at once would be the next flood.

    Given the platform has given OpenAI up, and the break is over
    And OpenAI does not answer at all
    When 8 callers ask OpenAI at the same time
    Then every caller is refused
    And OpenAI was asked exactly 1 time

  @N9 @key.failed-probe-reopens-breaker
  Scenario: A provider that fails again when it is tried is left alone once more
    Given the platform has given OpenAI up, and the break is over
    When OpenAI is asked to embed "hello" and "world"
    Then OpenAI was asked exactly 1 time
    And further requests are refused without asking OpenAI
    And OpenAI is asked again when the break is over

  @N9 @key.successful-probe-closes-breaker
  Scenario: A provider that answers when it is tried is asked by everybody again
    Given the platform has given OpenAI up, and the break is over
    And OpenAI is well again
    When OpenAI is asked to embed "hello" and "world"
    Then the request succeeds
    And 8 callers at the same time are all served by OpenAI

  @key.client-errors-do-not-open-breaker
  Scenario Outline: A provider that <refusal> is not given up
    Why it matters: one caller's mistake is no reason to take a provider away from all others.

    Given OpenAI <refusal>
    When 8 callers ask OpenAI one after another
    Then every caller is refused
    And OpenAI was asked exactly 8 times

    Examples:
      | refusal                                     |
      | refuses the platform's key                  |
      | refuses every request because of its length |
