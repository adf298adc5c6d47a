Feature: Every operation keeps to its description
  What the contract documents is asked of every operation alike, so that none has been forgotten
  and none that joins later is left out: its work, and each way of refusing a caller.

  Background:
    Given the collection "handbook"

  @critical @key.valid-requests-succeed
  Scenario: Every operation does its work when it is asked properly
    When every operation is asked for properly
    Then each of them does its work without having to do without anything

  @N6
  Scenario Outline: Every operation refuses <spoilt content>
    When every operation that takes content is sent <spoilt content>
    Then each of them refuses as "<refusal>"

    Examples:
      | spoilt content                   | refusal                |
      | broken content                   | malformed-request      |
      | content of an unsupported format | unsupported-media-type |
      | too large content                | content-too-large      |
      | an unknown member                | validation-failed      |

  @N5
  Scenario: Every operation is honest about a thing that does not exist
    When every operation on a named thing is asked about one that does not exist
    Then each of them says that it does not exist

  @N6
  Scenario: Every operation refuses parameters that cannot be
    When every operation with parameters is given impossible ones
    Then each of them refuses as "validation-failed"

  Scenario: Every operation that readers may not use is closed to them
    When a reader asks for everything that readers may not do
    Then each of them refuses as "forbidden"

  @use.with_stores=visible
  Scenario: Every operation is slowed down for a caller who asks too often
    Given a new administrator who may ask 1 time a minute, and has asked
    When that caller asks for every operation at the same moment
    Then each of them refuses as "rate-limited"
