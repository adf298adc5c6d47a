@use.with_providers=visible
Feature: Nine external providers
  Each provider has a protocol of its own. Callers see one: the same request,
  the same errors, embeddings of the declared size, and never a provider's key.

  @smoke @critical @key.nine-providers-embed
  Scenario: All nine providers deliver embeddings of their declared size
    When these requests are made:
      | actor    | request                                                           |
      | a reader | asks OpenAI to embed "hello {unique}" and "world {unique}"        |
      | a reader | asks Azure OpenAI to embed "hello {unique}" and "world {unique}"  |
      | a reader | asks Anthropic to embed "hello {unique}" and "world {unique}"     |
      | a reader | asks Cohere to embed "hello {unique}" and "world {unique}"        |
      | a reader | asks Hugging Face to embed "hello {unique}" and "world {unique}"  |
      | a reader | asks Google to embed "hello {unique}" and "world {unique}"        |
      | a reader | asks Voyage to embed "hello {unique}" and "world {unique}"        |
      | a reader | asks Jina to embed "hello {unique}" and "world {unique}"          |
      | a reader | asks Mistral to embed "hello {unique}" and "world {unique}"       |
    Then every request succeeds
    And the embeddings have their declared dimensions and unit length

  @key.provider-request-format
  Scenario Outline: <provider> receives a request as documented
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}"
    Then <provider> received these requests as documented:
      | texts                                 | input kind | dimensions |
      | "hello {unique}" and "world {unique}" | document   |            |
    And the embeddings have <size> dimensions and unit length

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

  @key.provider-input-type
  Scenario Outline: <provider> is told what is a query, if it can tell the difference
    Why it matters: a document is found by a query only if each was embedded as what it is.

    When a reader asks <provider> to embed "Where is the canteen? {unique}" with:
      | option     | value    |
      | input kind | document |
    Then <provider> received these requests as documented:
      | texts                            | input kind |
      | "Where is the canteen? {unique}" | document   |
    When a reader asks <provider> to embed "Where is the canteen? {unique}" with:
      | option     | value    |
      | input kind | query    |
    Then <provider> received these requests as documented:
      | texts                            | input kind |
      | "Where is the canteen? {unique}" | query      |

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

  @key.provider-dimensions-on-request
  Scenario Outline: <provider> makes embeddings of <size> dimensions on request
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}" with:
      | option     | value  |
      | dimensions | <size> |
    Then <provider> received these requests as documented:
      | texts                                 | dimensions |
      | "hello {unique}" and "world {unique}" | <size>     |
    And the embeddings have <size> dimensions and unit length

    Examples:
      | provider     | size |
      | OpenAI       | 256  |
      | Azure OpenAI | 512  |
      | Anthropic    | 2048 |
      | Cohere       | 1024 |
      | Google       | 1536 |
      | Voyage       | 256  |
      | Jina         | 128  |

  @key.shortened-embeddings-normalised
  Scenario: Embeddings that a provider shortens without normalising them have unit length all the same
    Why it matters: this model's shortened embeddings are too short, and scores would be too low.

    When a reader asks Mistral to embed "hello {unique}" and "world {unique}" with:
      | option     | value           |
      | model      | codestral-embed |
      | dimensions | 64              |
    Then the embeddings have 64 dimensions and unit length

  @key.unsupported-dimensions-refused
  Scenario Outline: <provider> is not asked for <size> dimensions, which it does not offer
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}" with:
      | option     | value  |
      | dimensions | <size> |
    Then the request is refused with "dimension-mismatch"
    And <provider> received no request

    Examples:
      | provider     | size |
      | OpenAI       | 3072 |
      | Azure OpenAI | 3072 |
      | Anthropic    | 768  |
      | Cohere       | 768  |
      | Hugging Face | 256  |
      | Google       | 64   |
      | Voyage       | 1536 |
      | Jina         | 1024 |
      | Mistral      | 256  |

  @key.provider-response-order-restored
  Scenario Outline: <provider> may answer in any order
    Given <provider> answers the next request with shuffled embeddings
    When a reader asks <provider> to embed 5 new texts
    Then each embedding is within 0.000001 of that of its text alone

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Voyage       |
      | Jina         |
      | Mistral      |

  Scenario Outline: <provider> gives each text its own embedding
    When a reader asks <provider> to embed 5 new texts
    Then each embedding is within 0.000001 of that of its text alone

    Examples:
      | provider     |
      | Cohere       |
      | Google       |
      | Hugging Face |

  @key.long-provider-requests-split
  Scenario: Many long texts reach a provider in as many requests as it takes
    Why it matters: Mistral reads so many tokens at a time; more would be refused however often they are sent.

    When a reader asks Mistral to embed 24 new texts of 7000 characters
    Then Mistral received every text once, in order, in at least 2 requests
    And the answer reports the tokens that Mistral counted
    And each embedding is within 0.000001 of that of its text alone

  @key.provider-token-usage-reported
  Scenario Outline: The answer reports the tokens that <provider> counted
    When a reader asks <provider> to embed 3 new texts
    Then the answer reports the tokens that <provider> counted

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Cohere       |
      | Voyage       |
      | Jina         |
      | Mistral      |

  @key.missing-token-usage-not-invented
  Scenario Outline: No tokens are reported where <provider> does not count them
    When a reader asks <provider> to embed 3 new texts
    Then <provider> served the request
    And the answer shows:
      | field              | value  |
      | usage.input tokens | absent |

    Examples:
      | provider     |
      | Google       |
      | Hugging Face |
