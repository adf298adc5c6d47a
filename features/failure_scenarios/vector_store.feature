@outage @use.with_stores=visible
Feature: The vector store fails
  Without Qdrant nothing can be found, but nothing may be lost or half stored
  either, and callers must be told so quickly instead of being shown nothing.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N1 @N5 @N6 @critical @key.qdrant-outage-reported-and-lossless
  Scenario: A stopped vector store is admitted, and nothing is lost
    When the vector store crashes
    Then storing, searching and deleting are refused as unavailable within the promised time
    And "safety sheet" can still be read
    And the platform is not ready and names the vector store
    When the vector store is back
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

  @G6
  Scenario: A write whose answer never came is settled, one way or the other
    When the vector store hangs while an editor stores the document "open question"
    Then the editor is told in time that the outcome is unknown
    When the vector store is back
    Then "open question" is soon in both stores or in neither

  @N1 @G1 @key.gateway-crash-between-store-writes
  Scenario: A gateway killed between the two writes loses nothing
    When the gateway is killed after the row of "half done" is written but before its point is
    And everything is running again
    Then "half done" is soon in both stores or in neither
    And "safety sheet" is found and nothing that was refused was stored

  @N5
  Scenario: A list that breaks off in the middle is not taken for a shorter one
    Given 30 stored documents
    When the answers of the vector store break off in the middle
    Then a search that finds them all is refused as unavailable within the promised time
    When the link to the vector store is whole again
    Then a search soon finds all 31 documents
