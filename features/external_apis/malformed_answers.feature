@use.with_providers=visible
Feature: Malformed answers of external providers
  A wrong vector found in time costs one request; one that is believed spoils
  every search after it, and one in a cache does so for half an hour.

  @N13 @key.malformed-provider-response-rejected
  Scenario Outline: <flaw> is not believed
    Given OpenAI answers the next request with <flaw>
    When OpenAI is asked to embed "hello" and "world"
    Then the request is refused as "provider-error"
    And OpenAI was asked exactly 1 time
    And the same request succeeds when OpenAI answers well, by asking it anew

    Examples:
      | flaw                              |
      | one embedding too few             |
      | one embedding too many            |
      | embeddings of another size        |
      | embeddings of nothing but zeros   |
      | embeddings that are missing       |
      | a number that is missing          |
      | a number in words                 |
      | a number without end              |
      | a number that is none             |
      | embeddings all for the first text |
      | nothing at all                    |
      | a page for people                 |
      | something unreadable              |
      | the first half of an answer       |
      | an error that claims success      |

  @N13
  Scenario Outline: An embedding that <provider> leaves out is noticed
    Given <provider> answers the next request with one embedding too few
    When <provider> is asked to embed "hello" and "world"
    Then the request is refused as "provider-error"
    And the same request succeeds when <provider> answers well, by asking it anew

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

  Scenario: After a malformed answer another provider takes over
    Given OpenAI answers the next request with a page for people
    When OpenAI is asked to embed "hello" and "world", or else Azure OpenAI
    Then the answer comes from Azure OpenAI and names both attempts
