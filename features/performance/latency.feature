@alone
Feature: Latency and concurrent users
  The promised figures, each with its sample and its confidence: a mean from rounds spread over
  time, a share of a thousand journeys, never one lucky request.

  @slow @critical @NFR-e2e
  Scenario: The mean latency of storing a text is at most 145 ms
    Why it matters: a text counts as stored only when both stores have it. Whoever comes while the platform
    stands still waits too, so the time is taken from the moment when a text was due.

    Given the collection "handbook"
    When "store a paragraph" is run 10 times per second in 10 rounds of 5 seconds
    Then the mean latency is at most 145 ms with 95 % confidence
    And 95 % of the requests spend less than this with 95 % confidence:
      | hop        | limit |
      | gateway    | 50 ms |
      | qdrant     | 50 ms |
      | postgresql | 50 ms |
      | redis      | 50 ms |

  @slow @critical @NFR-users
  Scenario: At least 95 % of the journeys of 100 concurrent users succeed
    Why it matters: each user must read what was just stored, and find the right document among all the others.

    Given the gateway waits for the embedding service as long as the contract allows
    And the collection "handbook"
    And 20 documents
    When 100 users run "store, read, search" 10 times each
    Then at least 95 % of the journeys succeed with 95 % confidence

  @smoke @key.concurrent-embeddings-correct
  Scenario: Texts embedded at the same moment get their own embeddings
    Why it matters: speed is worth nothing if answers are mixed up.

    When a reader embeds "Text number {n} of {unique}." 24 times at the same moment
    Then every request succeeds
    And each embedding is within 0.0001 of that of its text alone

  Scenario: A search from the cache takes at most half the time
    Given the collection "handbook"
    And 20 documents
    When a reader searches for "what is written in note {n}" without and with the cache 20 times
    Then the median latency from the cache is at most 50 % of that without it
