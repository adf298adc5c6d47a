@use.with_providers=visible
Feature: Nine external providers
  Each provider speaks its own dialect. Callers see one: the same request, the
  same errors, vectors of the declared size, and never the provider's key.

  @smoke @critical
  Scenario: All nine providers deliver embeddings
    When every provider is asked to embed the same two texts
    Then each of the 9 providers answers with two embeddings of its declared size

  Scenario Outline: <provider> is asked in its own words
    When <provider> is asked to embed "hello" and "world"
    Then <provider> received one request with its own key and both texts
    And the 2 embeddings have <size> numbers and unit length

    Examples:
      | provider     | size |
      | OpenAI       | 1536 |
      | Azure OpenAI | 1536 |
      | Anthropic    | 1024 |
      | Cohere       | 1536 |
      | Hugging Face | 768  |
      | Google       | 768  |
      | Voyage       | 1024 |
      | Jina         | 768  |
      | Mistral      | 1024 |

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

  Scenario Outline: A short rate limit of <provider> is waited out
    Given <provider> refuses the next request because of its rate limit
    When <provider> is asked to embed "hello" and "world"
    Then the request succeeds
    And <provider> was asked exactly 2 times

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

  Scenario: A model that a provider does not know is refused at once
    When OpenAI is asked for the model "no-such-model"
    Then the request is refused as "provider-error"
    And OpenAI was asked exactly 1 time

  Scenario: A repeated request to a provider is answered from the cache
    Given OpenAI has embedded "hello" and "world"
    When OpenAI is asked to embed "hello" and "world"
    Then the answer comes from the cache
    And OpenAI was asked exactly 1 time

  @N9
  Scenario: A provider that keeps failing is left alone until it is well again
    Why it matters: callers would wait for nothing, and a provider in trouble would get more of it.

    Given OpenAI is overloaded
    When OpenAI is asked so often that the platform gives it up
    Then further requests are refused without asking OpenAI
    And OpenAI is asked again when the break is over

  @N7
  Scenario: Vectors of the wrong size never take another provider's place
    Given OpenAI is overloaded
    When OpenAI is asked for embeddings of 1536 numbers, or else Voyage
    Then the request is refused as "provider-unavailable" or "provider-error"
    And Voyage was asked exactly 0 times
