@alone
Feature: Fast enough
  The promised figures, each with its sample and its confidence: an average from
  rounds spread in time, a share from a thousand journeys, never one lucky request.

  @slow @critical @NFR-e2e
  Scenario: The embedding workflow keeps its average of 145 ms
    Why it matters: a text counts as stored only when both stores have it; whoever comes while the platform
    stands still waits too, so the time is taken from the moment a text was due.

    Given the collection "handbook"
    When unseen texts arrive for storing 10 times a second in 10 rounds of 5 seconds
    Then the end-to-end average is at most 145 ms with 95 % confidence
    And 95 of 100 times each hop takes less than 50 ms

  @slow @critical @NFR-users
  Scenario: A hundred users work at the same time
    Why it matters: each user must find again what was just stored, and the right document among all the others.

    Given the collection "handbook"
    And 20 stored documents
    When 100 concurrent users each make 10 journeys of storing, reading and searching
    Then at least 95 % of the journeys succeed with 95 % confidence

  @smoke @key.concurrent-embeddings-correct
  Scenario: Many embeddings at the same time are all right
    Why it matters: this is concurrent embedding generation; speed is worth nothing if answers are mixed up.

    When 24 different texts are embedded at the same time
    Then every text got its own embedding

  Scenario: A cached search is at least twice as fast
    Given the collection "handbook"
    And 20 stored documents
    When 20 questions are each asked once without and once with a warm cache
    Then the typical cached answer takes at most half the time
