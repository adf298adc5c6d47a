Feature: Live services of the external providers
  Emulators are as good as what is known of the providers. With a provider's
  key the same adapters ask its live service: a few requests of a few words.

  @use.with_live=<provider> @key.live-provider-matches-emulator
  Scenario Outline: The live service of <provider> is as its emulator
    Given the platform asks the live service of <provider>
    When <provider> is asked to embed "hello" and "world", with patience
    Then the 2 embeddings have <size> numbers and unit length
    And the same texts in another order get the same embeddings
    And <provider> refuses for good a model that it does not know
    And <provider> refuses for good a key that it does not know

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
  Scenario: The live service of Anthropic talks and makes no embeddings
    When Anthropic's own service is greeted
    Then it says something
    And it has no embeddings to offer
