@outage @use.with_stores=visible
Feature: No connection is left
  A store that lets nobody in is away for its callers, however healthy it is: the
  same promises hold as when it is dead, and nobody has to restart anything.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N1 @N5 @N6 @critical
  Scenario: Without a connection to the metadata store writes are refused and searches go on
    When the metadata store has no connections left
    Then storing, reading and deleting are refused as unavailable within the promised time
    And a search for "how to handle acid" still offers "safety sheet" and is marked as degraded
    And the platform is not ready and names the metadata store
    When the metadata store is well again
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

  Scenario: Without a connection to the cache everything works
    When the cache has no connections left
    Then storing, searching, reading and deleting succeed without the cache
    And the platform is ready and names the cache as degraded
    When the cache is well again
    Then answers come from the cache again within the promised time

  @N1 @key.ended-database-sessions-reopened
  Scenario: Sessions that the metadata store has ended are opened again by themselves
    When the metadata store ends all sessions
    Then the platform recovers within the promised time
    When the metadata store is well again
    Then "safety sheet" is found and nothing that was refused was stored
