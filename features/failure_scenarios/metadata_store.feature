@outage @use.with_stores=visible
Feature: The metadata store fails
  Without PostgreSQL nothing can be stored, and no vector may be written without
  its row; finding goes on, marked as degraded.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N1 @N2 @critical
  Scenario: A stopped metadata store refuses writes and lets searches go on
    When the metadata store crashes
    Then storing, reading and deleting are refused as unavailable within the promised time
    And a search for "how to handle acid" still offers "safety sheet" and is marked as degraded
    When the metadata store is back
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

  @N1 @N2 @G1 @critical @key.postgresql-crash-loses-no-acknowledged-write
  Scenario: A killed metadata store has lost nothing that was acknowledged
    Given 10 stored documents
    When the metadata store crashes in the middle of storing more documents
    And the metadata store is back
    Then every acknowledged document is in both stores
    And no document is in one store only

  Scenario: A cut connection to the metadata store heals without a restart
    When the link to the metadata store is cut
    Then storing, reading and deleting are refused as unavailable within the promised time
    When the link to the metadata store is whole again
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored
