@outage @use.with_stores=visible
Feature: The gateway or a provider fails
  A gateway that dies takes no acknowledged document with it; a provider that
  fails is told apart from the platform.

  Background:
    Given the collection "handbook"

  @N1 @G1 @critical @key.gateway-crash-loses-no-acknowledged-write @fault.gateway.crashed
  Scenario: A killed gateway has lost nothing that it acknowledged
    Given 10 stored documents
    When the gateway crashes in the middle of storing more documents
    And the gateway is back
    Then every acknowledged document is in both stores
    And no document is in one store only

  @key.gateway-shutdown-finishes-requests @fault.gateway.stopped
  Scenario: A gateway that is told to stop finishes what it began
    When the gateway is told to stop while 5 documents are being stored
    Then every document is either acknowledged or refused as shutting down
    And the gateway has ended in good order
    When the gateway is back
    Then every acknowledged document is in both stores

  Scenario: A gateway that says it is ready works at once
    Given the document "safety sheet" about "Wear gloves when handling the acid."
    When the gateway crashes
    And the gateway is back
    Then the very first requests of every kind succeed

  Scenario: Providers that cannot be reached are reported as such
    When the link to the providers is cut
    Then asking OpenAI is refused as a provider's failure within the promised time
    And storing and searching still succeed
    When the link to the providers is whole again
    Then OpenAI answers again within the promised time

  @N7 @use.with_providers=visible @key.documents-embedded-by-collection-model-only
  Scenario: Documents are never embedded by anybody but their collection's model
    Why it matters: a vector of another model is in the wrong place, and nothing would show it.

    Given the document "safety sheet" about "Wear gloves when handling the acid."
    When the link to the embedding service is cut
    Then storing a new text is refused as unavailable within the promised time
    And no provider received a request
    When the link to the embedding service is whole again
    Then the platform recovers within the promised time
