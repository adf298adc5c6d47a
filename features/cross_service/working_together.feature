@use.with_providers=visible
Feature: Work is shared out sensibly
  Batching, caching and reading must be real at the far side, not only in the answer.

  Scenario: Texts of a batch travel together
    When 20 new texts are embedded in one request
    Then the embedding service was asked exactly once
    And it embedded 20 texts

  @key.only-cache-misses-computed
  Scenario: Only what the cache does not know is computed
    Given 6 texts that have just been embedded
    When these texts and 4 new ones are embedded in one request
    Then the embedding service embedded 4 texts
    And the answer says that 6 of its texts came from the cache, and not that all did
    And every embedding belongs to its text

  @key.gateway-counters-match-requests
  Scenario: The gateway's own counters tell the truth
    Given the collection "handbook"
    When 5 documents are stored and 3 searches are made
    Then the gateway's counters have grown by 5 stored documents and 3 searches

  Scenario Outline: A refusal says whose fault it is: <mistake>
    Given the collection "handbook"
    When a reader asks for <mistake>
    Then the request is refused as "<refusal>"

    Examples:
      | mistake                | refusal              |
      | an unknown document    | vector-not-found     |
      | an unknown collection  | collection-not-found |
      | an unknown model       | model-not-found      |
      | an unknown provider    | provider-not-found   |
      | an unknown route       | route-not-found      |
      | a forbidden method     | method-not-allowed   |
      | a broken request       | malformed-request    |
      | an unsupported format  | unsupported-media-type |
      | an unknown member      | validation-failed    |
      | a too large request    | content-too-large    |
