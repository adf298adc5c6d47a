Feature: Work is shared out sensibly
  Batching, caching and refusing must be real at the far side, not only in the answer.

  @use.with_providers=visible
  Scenario: Texts of a batch travel together
    Given the requests to the embedding service are recorded
    When a reader embeds 20 new texts in one batch
    Then the request succeeds
    And the embedding service received:
      | kind     | number    | texts |
      | requests | exactly 1 | 20    |

  @use.with_providers=visible @key.only-cache-misses-computed
  Scenario: Only what the cache does not hold is computed
    Given a reader embeds "one {unique}", "two {unique}", "three {unique}", "four {unique}", "five {unique}" and "six {unique}" in one batch
    And the requests to the embedding service are recorded
    When a reader embeds "seven {unique}", "one {unique}", "eight {unique}", "two {unique}", "nine {unique}", "three {unique}", "ten {unique}", "four {unique}", "five {unique}" and "six {unique}" in one batch
    Then the answer shows:
      | field      | value |
      | cache hits | 6     |
      | X-Cache    | MISS  |
    And the embedding service received:
      | kind  | number    |
      | texts | exactly 4 |
    And each embedding is within 0.0001 of that of its text alone

  Scenario: An unknown path and a method that is not allowed are refused each with its own code
    When a reader asks for an unknown path
    Then the request is refused with "route-not-found"
    When a reader asks with a method that is not allowed
    Then the request is refused with "method-not-allowed"
    And the answer shows:
      | field | value          |
      | Allow | contains "GET" |
