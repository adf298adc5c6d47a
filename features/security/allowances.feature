@use.with_stores=visible
Feature: An allowance is exact and cannot be got round
  How often a caller may ask belongs to the caller: not to an address, a header, a route or a
  moment. Whoever has used it up is told when to come back, and does no more work until then.

  @critical @key.rate-limit-exact-under-concurrency
  Scenario: Of many requests at the same moment exactly the allowed number pass
    Given a new reader who may ask 10 times a minute
    When that reader asks 40 times at the same moment
    Then exactly 10 of them are answered and 30 refused as "rate-limited"

  @key.spoofed-headers-share-rate-limit
  Scenario: No disguise gives a new allowance
    Given a new reader who may ask 3 times a minute
    And nothing of 3 requests is left
    When that reader asks again in every known disguise
    Then no disguise has helped

  @key.health-and-metrics-exempt-from-rate-limit
  Scenario: Health and counters are shown to everybody at all times
    Given a new reader who may ask 1 times a minute
    And nothing of 1 requests is left
    When that reader asks for the health and the counters
    Then nothing of it is refused

  @key.rate-limit-headers-correct
  Scenario: A caller is told what is left and when there is more
    Given a new reader who may ask 4 times a minute
    When that reader asks 6 times
    Then each answer tells the limit of 4, what is left of it and when the minute ends

  @N1 @key.rate-limited-request-not-executed
  Scenario: What is refused as too much is not carried out
    Given the collection "handbook"
    And a new editor who may ask 3 times a minute
    When that editor stores one document more than 3
    Then the first 3 are stored and the last is refused as "rate-limited"
    And the collection holds 3 documents
