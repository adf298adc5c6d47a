@outage @use.with_stores=visible
Feature: The gateway or a provider fails
  A crash of the gateway loses no acknowledged document, a graceful shutdown cuts no request off,
  and a failing provider is told apart from the platform.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @N1 @G1 @critical @key.gateway-crash-loses-no-acknowledged-write @fault.gateway.crashed
  Scenario: A crash of the gateway during inserts loses no acknowledged document
    Given 10 documents
    When an editor stores 30 documents while the gateway crashes and restarts
    Then every acknowledged document is in both stores, and no refused one in either

  @key.gateway-shutdown-finishes-requests @fault.gateway.stopped
  Scenario: A graceful shutdown finishes the requests in progress
    When the connection to Qdrant delays responses by 400 ms
    And an editor stores 20 documents while the gateway shuts down gracefully
    Then every request succeeds, is refused with "shutting-down" or is not accepted at all
    And the gateway has exited with code 0
    When all faults end
    Then every acknowledged document is in both stores, and no refused one in either

  @N1 @key.gateway-shutdown-under-load
  Scenario: A graceful shutdown under load cuts no request off
    When an editor stores 200 documents while the gateway shuts down gracefully
    Then every request succeeds, is refused with "shutting-down" or is not accepted at all
    And the gateway has exited with code 0
    When the gateway recovers
    Then every acknowledged document is in both stores, and no refused one in either

  @N1 @G1 @key.gateway-crash-between-store-writes
  Scenario: A crash of the gateway between its writes to PostgreSQL and Qdrant loses nothing
    When these requests are in flight, held on the way to Qdrant:
      | actor     | request                                                 |
      | an editor | stores the document "half-done" with the text "At noon." |
    And the gateway crashes
    And the requests in flight go on
    Then the outcomes are:
      | outcome   |
      | no answer |
    When all faults end
    Then within the convergence limit every document is in both stores or in neither
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  Scenario: A gateway that reports ready carries out its very first requests
    Given the gateway crashes and restarts
    When these requests are made at the same moment:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid" with cache off    |
      | a reader  | reads "safety-sheet"                                |
      | a reader  | lists the documents                                 |
      | a reader  | embeds "hello {unique}"                             |
    Then every request succeeds

  @key.gateway-not-ready-before-dependencies
  Scenario: A gateway that starts before its dependencies waits for them
    When the gateway starts while no dependency can be reached
    And these requests are made:
      | actor               | request                                             |
      | an anonymous caller | reads the readiness report                          |
      | an editor           | stores the document "menu" with the text "At noon." |
      | a reader            | searches for "how to handle acid"                   |
      | a reader            | reads "safety-sheet"                                |
    Then every request is refused with "dependency-unavailable"
    And every answer arrives within the refusal limit
    When all faults end
    Then within the recovery limit the gateway is ready without another start
    And within the recovery limit every service is used again

  @critical @N1 @N2 @G1
  Scenario: A crash of every server during inserts loses no acknowledged document
    Given 10 documents
    When an editor stores 30 documents while every server crashes
    And all faults end
    Then within the recovery limit every service is used again
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  Scenario: Providers that cannot be reached are reported as such, and the platform works
    When the connection to the providers is cut
    And these requests are made:
      | actor     | request                                             |
      | a reader  | asks OpenAI to embed 1 new texts                    |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid"                   |
    Then the outcomes are:
      | request  | outcome                                                                    |
      | embed    | provider-unavailable or provider-timeout or provider-error or circuit-open |
      | stores   | succeeded                                                                  |
      | searches | succeeded                                                                  |
    And every answer arrives within the refusal limit
    When the providers recovers
    Then within the recovery limit every service is used again

  @N7 @use.with_providers=visible @key.documents-embedded-by-collection-model-only
  Scenario: A document is never embedded by a provider in place of its collection's model
    Why it matters: a vector of another model is in the wrong place, and nothing would show it.

    When the connection to the embedding service is cut
    And an editor stores the document "menu" with the text "At noon {unique}."
    Then the request is refused with "dependency-unavailable"
    And the answer arrives within the embedding limit
    And no provider received a request
    When the embedding service recovers
    Then within the recovery limit every service is used again
