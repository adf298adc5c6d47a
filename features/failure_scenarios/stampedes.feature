@outage @use.with_stores=visible
Feature: Many callers at once do not multiply the work
  When many come at once, a cold cache or an outage must not multiply the work: whoever cannot be served is
  told so, and nothing behind the gateway is called more often than the callers have asked.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @critical @key.search-stampede-computes-one-embedding
  Scenario: 60 equal searches at the same moment cost one embedding
    Why it matters: at the moment when a popular entry leaves the cache, everybody misses it.

    Given an administrator invalidates the cache
    And the requests to the embedding service are recorded
    When the connection to the embedding service delays responses by 1000 ms
    And a reader searches for "how does a crowd handle acid" 60 times at the same moment
    Then every answer shows:
      | field        | value        |
      | results.1.id | safety-sheet |
    And the embedding service received:
      | kind     | number    |
      | requests | exactly 1 |
    When the embedding service recovers
    Then within the recovery limit every service is used again

  @N6 @key.no-retry-storm-in-outage
  Scenario: In an outage under load the embedding service is called at most once for each search
    Given the requests to the embedding service are recorded
    When the embedding service crashes on every text
    And a reader searches for "question {n} of {unique}" 50 times at the same moment
    Then every request is refused with "dependency-unavailable" or "dependency-timeout"
    And every answer arrives within the embedding limit
    When a reader searches for "further question {n} of {unique}" 50 times at the same moment
    Then every request is refused with "dependency-unavailable" or "dependency-timeout"
    And every answer arrives within the embedding limit
    And the embedding service received:
      | kind     | number          |
      | requests | from 1 to 100   |
    When the embedding service recovers
    Then within the recovery limit every service is used again

  @N6
  Scenario: After an outage under load the embedding service is called at most once for each search
    When the embedding service crashes on every text
    And a reader searches for "question {n} of {unique}" 50 times at the same moment
    Then every request is refused with "dependency-unavailable" or "dependency-timeout"
    When the embedding service recovers
    Then within the recovery limit every service is used again
    Given the requests to the embedding service are recorded
    When a reader searches for "later question {n} of {unique}" 50 times at the same moment
    Then every request succeeds
    When a reader searches for "last question {n} of {unique}" 50 times at the same moment
    Then every request succeeds
    And the embedding service received:
      | kind     | number        |
      | requests | from 1 to 100 |
