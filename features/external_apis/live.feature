Feature: Live services of the external providers
  Emulators are as good as what is known of the providers. With a provider's
  key the same adapters ask its live service: a few requests of a few words.

  @use.with_live=<provider> @key.live-provider-matches-emulator
  Scenario Outline: The live service of <provider> does what its emulator does
    Given the gateway is reconfigured for <provider>:
      | option  | value |
      | service | live  |
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}" with:
      | option        | value |
      | attempt limit | 10000 |
      | cache         | off   |
    Then the embeddings have <size> dimensions and unit length
    And each embedding is within 0.045 of that of its text alone
    When a reader asks <provider> to embed "hello" with:
      | option        | value           |
      | model         | no-such-model-0 |
      | attempt limit | 10000           |
      | cache         | off             |
    Then the answer shows:
      | field     | value          |
      | code      | provider-error |
      | retryable | false          |
    When the gateway is reconfigured for <provider>:
      | option  | value          |
      | service | live           |
      | key     | an unknown key |
    And a reader asks <provider> to embed "hello" with:
      | option        | value |
      | attempt limit | 10000 |
      | cache         | off   |
    Then the answer shows:
      | field     | value          |
      | code      | provider-error |
      | retryable | false          |

    Examples:
      | provider     | size |
      | OpenAI       | 1536 |
      | Azure OpenAI | 1536 |
      | Cohere       | 1536 |
      | Hugging Face | 768  |
      | Google       | 768  |
      | Voyage       | 1024 |
      | Jina         | 768  |
      | Mistral      | 1024 |

  @use.with_live=Anthropic
  Scenario: The live service of Anthropic answers texts and makes no embeddings
    When Anthropic's own service is asked to answer "Say hello."
    Then the answer shows:
      | field | value     |
      | text  | not empty |
    When Anthropic's own service is asked to embed "hello"
    Then the answer shows:
      | field  | value     |
      | reason | Not Found |
