@use.with_providers=visible
Feature: Malformed answers of external providers
  A wrong vector that is noticed costs one request; one that is believed spoils
  every search after it, and one in a cache does so for half an hour.

  @N13 @key.malformed-provider-response-rejected
  Scenario Outline: An answer with <malformation> is refused and not cached
    Given OpenAI answers the next request with <malformation>
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    And OpenAI received exactly 1 request
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then OpenAI served the request
    And OpenAI received exactly 1 request

    Examples:
      | malformation                        |
      | one embedding too few               |
      | one embedding too many              |
      | embeddings of another size          |
      | zero vectors                        |
      | null for every embedding            |
      | null for a number                   |
      | text for a number                   |
      | infinity for a number               |
      | NaN for a number                    |
      | the first index for every embedding |
      | an empty body                       |
      | an HTML page                        |
      | unreadable text                     |
      | a truncated body                    |
      | an error marked as a success        |

  @N13
  Scenario Outline: An embedding that <provider> leaves out is noticed
    Given <provider> answers the next request with one embedding too few
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}"
    Then the request is refused with "provider-error"
    When a reader asks <provider> to embed "hello {unique}" and "world {unique}"
    Then <provider> served the request
    And <provider> received exactly 1 request

    Examples:
      | provider     |
      | Azure OpenAI |
      | Anthropic    |
      | Cohere       |
      | Hugging Face |
      | Google       |
      | Voyage       |
      | Jina         |
      | Mistral      |

  Scenario: After a malformed answer another provider serves the request
    Given OpenAI answers the next request with an HTML page
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}" with failover to Azure OpenAI
    Then Azure OpenAI served the request
    And the attempts are:
      | provider     | outcome          |
      | OpenAI       | invalid_response |
      | Azure OpenAI | success          |
