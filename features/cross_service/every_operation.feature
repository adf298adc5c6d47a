Feature: Every operation keeps its contract
  What the contract documents is asked of every operation, so that none is forgotten and none
  that joins later is left out: its work, and each way of refusing a request.

  Background:
    Given the collection "handbook"

  @critical @key.valid-requests-succeed
  Scenario: Every operation succeeds without degradation
    When an administrator calls every operation
    Then every operation succeeds except:
      | operation  | outcome                          |
      | cancel job | succeeded or job-not-cancellable |
    And every answer shows:
      | field    | value           |
      | degraded | absent or empty |

  @N6
  Scenario Outline: Every operation refuses <flaw>
    When an administrator calls every operation with <flaw>
    Then every request is refused with "<code>"

    Examples:
      | flaw                        | code                   |
      | malformed content           | malformed-request      |
      | an unsupported content type | unsupported-media-type |
      | too large content           | content-too-large      |
      | an unknown field            | validation-failed      |
      | an invalid parameter        | validation-failed      |

  @N5
  Scenario Outline: Every operation tells which thing does not exist: <flaw>
    When an administrator calls every operation with <flaw>
    Then every request is refused with "<code>"

    Examples:
      | flaw                  | code                 |
      | an unknown collection | collection-not-found |
      | an unknown document   | vector-not-found     |
      | an unknown model      | model-not-found      |
      | an unknown provider   | provider-not-found   |
      | an unknown job        | job-not-found        |
