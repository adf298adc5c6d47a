@outage @use.with_stores=visible
Feature: An outage goes no further than it must
  The contract says for every operation which services it needs. While one of them is away, exactly
  the operations that need it are refused, in time and honestly; all others do their work.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N5 @N6 @critical
  Scenario Outline: Only what needs it is refused while it is away: <service>
    Given everything is there that the operations work on
    When <service> crashes
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need it refuse as unavailable
    And all others do their work
    When <service> is back
    Then everything works again within the promised time

    Examples:
      | service               |
      | the vector store      |
      | the metadata store    |
      | the cache             |
      | the embedding service |
      | the providers         |

  @N5 @N6 @G6
  Scenario Outline: Only what needs it is refused while it does not answer: <service>
    Given everything is there that the operations work on
    When the link to <service> passes nothing on
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need it refuse as unavailable
    And all others do their work
    When the link to <service> is whole again
    Then everything works again within the promised time

    Examples:
      | service               |
      | the vector store      |
      | the metadata store    |
      | the cache             |
      | the embedding service |
      | the providers         |
