@outage @use.with_stores=visible
Feature: An outage goes no further than it must
  The contract says for every operation which services it needs. While one of them is away, exactly
  the operations that need it are refused, in time and honestly; all others do their work.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N5 @N6 @critical @key.failed-process-refuses-only-dependents @fault.<service>.<fault>
  Scenario Outline: Only what needs it is refused: <service> <fault>
    Given every operation has something to work on
    When <service> <fault>
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need it refuse as unavailable
    And all others do their work
    When <service> is back
    Then everything works again within the promised time

    Examples:
      | service               | fault               |
      | the vector store      | crashes             |
      | the metadata store    | crashes             |
      | the cache             | crashes             |
      | the embedding service | crashes             |
      | the providers         | crashes             |
      | the vector store      | stops in good order |
      | the metadata store    | stops in good order |
      | the cache             | stops in good order |
      | the vector store      | freezes             |
      | the metadata store    | freezes             |
      | the cache             | freezes             |
