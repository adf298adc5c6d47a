@outage @use.with_stores=visible
Feature: A broken link is no worse than an outage
  Between two services requests and answers get lost. Whatever it is, what needs the service is refused in
  time, all others do their work, and what was left open is settled afterwards.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N5 @N6 @G6 @key.broken-link-refuses-only-dependents @fault.<service>.<fault>
  Scenario Outline: Only what needs it is refused: the link to <service> <fault>
    Given every operation has something to work on
    When the link to <service> <fault>
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need it refuse as unavailable
    And all others do their work
    When the link to <service> is whole again
    Then everything works again within the promised time

    Examples:
      | service               | fault                   |
      | the vector store      | is cut                  |
      | the metadata store    | is cut                  |
      | the cache             | is cut                  |
      | the embedding service | is cut                  |
      | the providers         | is cut                  |
      | the vector store      | resets every connection |
      | the metadata store    | resets every connection |
      | the cache             | resets every connection |
      | the embedding service | resets every connection |
      | the providers         | resets every connection |
      | the vector store      | passes nothing on       |
      | the metadata store    | passes nothing on       |
      | the cache             | passes nothing on       |
      | the embedding service | passes nothing on       |
      | the providers         | passes nothing on       |
      | the vector store      | loses every answer      |
      | the metadata store    | loses every answer      |
      | the cache             | loses every answer      |
      | the vector store      | breaks every answer off |
      | the metadata store    | breaks every answer off |
      | the cache             | breaks every answer off |
      | the embedding service | breaks every answer off |
      | the providers         | breaks every answer off |
