Feature: Only who may, may
  Every door needs a key, every key has a role, and a wrong key learns nothing.

  @smoke @critical
  Scenario: Without a key nothing but the health is shown
    When every operation of the platform is tried without a key
    Then only the operations that are open by design answer
    And all others are refused as "unauthenticated"

  @critical
  Scenario: Every operation has a rule about who may use it
    Why it matters: an operation that is new and that nobody thought about is the one left open.

    When the contract's operations are compared with the rules of access
    Then each of them has a rule, and the contract says the same

  @critical @key.invalid-keys-refused
  Scenario Outline: Nothing that is no valid key opens a door: <credential>
    When every operation of the platform is tried with <credential>
    Then every operation that needs a key has turned it away

    Examples:
      | credential                    |
      | a made-up key                 |
      | a made-up bearer token        |
      | a key cut short by one letter |
      | a key with one letter more    |
      | a key in the other case       |
      | the beginning of a key        |
      | the hash of a key             |
      | a key in the address          |
      | a key in a cookie             |
      | a key as a password           |
      | a key without its scheme      |
      | a key under another name      |
      | an empty key                  |
      | a key that is code            |
      | two different keys            |
      | two keys under one name       |
      | two keys in one value         |

    @use.with_stores=visible
    Examples: keys that were valid once
      | credential      |
      | an expired key  |
      | a withdrawn key |

  @critical @key.roles-grant-exact-operations
  Scenario Outline: Each role opens its own doors and no other: <role>
    When <role> tries every operation of the platform
    Then exactly what the rules allow has let the caller in

    Examples:
      | role             |
      | a reader         |
      | an editor        |
      | an administrator |

  Scenario: A key opens the same doors in whatever form it is sent
    When an editor sends the key in every form that is promised
    Then exactly what the rules allow has let the caller in

  Scenario: There are no doors but the documented ones
    When a stranger and an administrator look for doors that servers leave open
    Then they find nothing

  @key.reader-cannot-write
  Scenario: A reader cannot change anything
    Given the collection "handbook"
    And the document "statute" about "The statute may be changed by the board alone."
    When a reader tries every operation that changes something
    Then all of them are refused as "forbidden"
    And "statute" still reads "The statute may be changed by the board alone."

  Scenario: An editor may not empty the cache
    When an editor tries to empty the cache
    Then the request is refused as "forbidden"

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
