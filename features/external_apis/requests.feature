@use.with_providers=visible
Feature: Nine external providers
  Each provider speaks its own dialect. Callers see one: the same request, the
  same errors, vectors of the declared size, and never the provider's key.

  @smoke @critical @key.nine-providers-embed
  Scenario: All nine providers deliver embeddings
    When every provider is asked to embed the same two texts
    Then each of the 9 providers answers with two embeddings of its declared size

  @key.provider-request-format
  Scenario Outline: <provider> is asked as its documentation says
    When <provider> is asked to embed "hello" and "world"
    Then <provider> received one request, with its own key and as its documentation says
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

  @key.provider-input-type
  Scenario Outline: <provider> learns what is a question, if it can tell the difference
    Why it matters: an answer is found by its question only if each was embedded as what it is.

    When <provider> is asked to embed a text as a document and as a question
    Then <provider> received both as its documentation says

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
  Scenario Outline: <provider> makes shorter or longer embeddings on request
    When <provider> is asked for embeddings of <size> numbers
    Then <provider> received one request for that size, as its documentation says
    And the 2 embeddings have <size> numbers and unit length

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
  Scenario: Embeddings that a provider shortens carelessly have unit length all the same
    Why it matters: this model's shortened embeddings are too short, and scores would be too low.

    When Mistral is asked for embeddings of 64 numbers by its model "codestral-embed"
    Then the 2 embeddings have 64 numbers and unit length

  @key.unsupported-dimensions-refused
  Scenario Outline: A size that <provider> does not make is refused without asking it
    When <provider> is asked for embeddings of <size> numbers
    Then the request is refused as "dimension-mismatch"
    And <provider> was asked exactly 0 times

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
    Given <provider> gives its embeddings in another order than the texts
    When <provider> is asked to embed 5 texts together
    Then each embedding is that of its text alone

    Examples:
      | provider     |
      | OpenAI       |
      | Azure OpenAI |
      | Anthropic    |
      | Voyage       |
      | Jina         |
      | Mistral      |

  Scenario Outline: <provider> gives each text its own embedding
    When <provider> is asked to embed 5 texts together
    Then each embedding is that of its text alone

    Examples:
      | provider     |
      | Cohere       |
      | Google       |
      | Hugging Face |

  @key.long-provider-requests-split
  Scenario: Many long texts reach a provider in as many requests as it takes
    Why it matters: Mistral reads so many words at a time; more would be refused however often they are sent.

    When Mistral is asked to embed 24 long texts together
    Then Mistral received every text once and in order, in more than one request
    And the answer tells as many tokens as Mistral has counted
    And each embedding is that of its text alone

  @key.provider-token-usage-reported
  Scenario Outline: What <provider> counts is passed on
    When <provider> is asked to embed 3 texts together
    Then the answer tells as many tokens as <provider> has counted

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
  Scenario Outline: Nothing is made up where <provider> does not count
    When <provider> is asked to embed 3 texts together
    Then the answer tells that the tokens are not known

    Examples:
      | provider     |
      | Google       |
      | Hugging Face |
