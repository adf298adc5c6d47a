@outage @use.with_stores=visible
Feature: Whatever starts or stops in whatever order, it ends well
  After a power cut everything starts at once, and nobody decides what comes first.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @key.gateway-not-ready-before-dependencies
  Scenario: A gateway that starts before everything else waits for it
    When the gateway starts while nothing else can be reached
    Then it lives, says that it is not ready, and refuses work as unavailable
    When everything is running again
    Then the gateway is soon ready without another start
    And the very first requests of every kind succeed

  @N1 @key.gateway-shutdown-under-load
  Scenario: A gateway that is told to stop under load cuts nobody off
    When the gateway is told to stop while 10 editors store one document after the other
    Then every document is either acknowledged or refused as shutting down
    And the gateway has ended in good order
    When the gateway is back
    Then every acknowledged document is in both stores
    And no document is in one store only

  @critical @N1 @N2 @G1
  Scenario: Everything crashes in the middle of the work and nothing is lost
    Given 10 stored documents
    When everything crashes in the middle of storing more documents
    And everything is running again
    Then the platform recovers within the promised time
    And every acknowledged document is in both stores
    And no document is in one store only
    And "safety sheet" is found and nothing that was refused was stored
