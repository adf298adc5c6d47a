@outage @use.with_stores=visible
Feature: A slow link is waited for as long as promised, and no longer
  Slow is worse than dead: whoever waits without a limit is slow himself. An answer that comes drop by drop
  is late, too. But a delay within the limit is no outage.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N5 @N6 @G6 @key.slow-link-refuses-only-dependents @fault.<service>.<fault>
  Scenario Outline: Only what needs it is refused: the link to <service> <fault>
    Given every operation has something to work on
    When the link to <service> <fault>
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need it refuse as unavailable
    And all others do their work
    When the link to <service> is whole again
    Then everything works again within the promised time

    Examples:
      | service               | fault                    |
      | the vector store      | lets answers drip        |
      | the metadata store    | lets answers drip        |
      | the cache             | lets answers drip        |
      | the embedding service | lets answers drip        |
      | the providers         | lets answers drip        |
      | the vector store      | is slower than the limit |
      | the metadata store    | is slower than the limit |
      | the cache             | is slower than the limit |

  @key.allowed-latency-changes-nothing @fault.<service>.slow_within_limit
  Scenario Outline: An allowed delay harms nobody: the link to <service> is slow within the limit
    Given every operation has something to work on
    When the link to <service> is slow within the limit
    Then all operations, asked for at the same moment, answer within the promised time
    And every operation succeeds except:
      | operation  | outcome                          |
      | cancel job | succeeded or job-not-cancellable |
    And every answer shows:
      | field    | value           |
      | degraded | absent or empty |
    When the link to <service> is whole again
    Then everything works again within the promised time

    Examples:
      | service               |
      | the vector store      |
      | the metadata store    |
      | the cache             |
      | the embedding service |
      | the providers         |
