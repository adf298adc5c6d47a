Feature: Only who may, may
  Every door needs a key, every key has a role, and a wrong key learns nothing.

  @smoke @critical
  Scenario: Without a key nothing but the health is shown
    When every operation of the platform is tried without a key
    Then only the operations that are open by design answer
    And all others are refused as "unauthenticated"

  Scenario: A key that nobody was given opens nothing
    When every operation of the platform is tried with a made-up key
    Then all but the open operations are refused as "unauthenticated"

  Scenario: A reader cannot change anything
    Given the collection "handbook"
    And the document "statute" about "The statute may be changed by the board alone."
    When a reader tries every operation that changes something
    Then all of them are refused as "forbidden"
    And "statute" still reads "The statute may be changed by the board alone."

  Scenario: An editor may not empty the cache
    When an editor tries to empty the cache
    Then the request is refused as "forbidden"

  Scenario: Two different keys in one request are refused
    When a request carries the key of an editor and the key of a reader
    Then the request is refused as "unauthenticated"

  @use.with_stores=visible
  Scenario: A withdrawn key stops working
    Given a new editor whose key works
    When that key is withdrawn
    Then the key opens nothing any more within the promised time

  @use.with_stores=visible
  Scenario: A caller who asks too often is slowed down, and only that caller
    Given a new reader who may ask 5 times a minute
    When that reader asks 8 times
    Then exactly 5 requests are answered and the others are refused as "rate-limited"
    And other callers are not slowed down
