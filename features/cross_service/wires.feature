@use.with_stores=visible @use.with_providers=visible
Feature: Between the services
  What an answer says about the services behind it is checked where it happened: on the wires to them,
  in the connections that were opened, and in the gateway's own counters.

  Background:
    Given the collection "handbook"

  @key.services-receive-request-id
  Scenario: Every service is asked under the id of the request
    Given the wires to the vector store and the embedding service are watched
    When an editor stores the document "minutes" under the request id "at-trace-wires"
    Then every request to either service carries the id "at-trace-wires"
    And the embedding service is told how long the gateway will wait

  @key.batch-is-one-request-per-service
  Scenario: A batch costs each service one request
    Given the wires to the vector store and the embedding service are watched
    When an editor stores a batch of 25 documents
    Then every document of the batch is acknowledged in its place
    And each service was asked once for the whole batch

  @G4 @key.cache-hit-calls-no-service
  Scenario: A cached answer costs the services nothing
    Given an employee has searched for "when can I eat"
    And the wires to the vector store and the embedding service are watched
    When an employee searches for "when can I eat"
    Then the answer comes from the cache
    And neither service was asked for it

  @N8 @key.caller-key-not-forwarded
  Scenario: A key goes no further than it must
    Given the wires to the vector store and the embedding service are watched
    When an editor stores the document "minutes" about "The minutes of the last meeting."
    Then the request succeeds
    And no service was shown a key that is not its own

  @key.connections-are-reused
  Scenario: Many requests share a few connections
    Given the document "minutes" about "The minutes of the last meeting."
    And the connections to all services are counted
    When "minutes" is read and searched 30 times without the cache
    Then no more than 3 new connections were opened to any service

  @NFR-hop @key.slow-service-identified
  Scenario: A slow service is told from the others and is asked no more than once
    Given the document "minutes" about "The minutes of the last meeting."
    When an employee searches for "what was said at the meeting" while the vector store answers 150 ms later
    Then the delay is found once in the time of the vector store and nowhere else
    And no time is left over that neither a service nor the gateway accounts for

  @key.every-response-counted
  Scenario: The counters tell every answer that was given
    Given the gateway's counters have been read
    When an administrator calls every operation
    Then the counters have grown by exactly the answers that were given

  @key.every-metric-has-a-value
  Scenario: Every measure that is promised has a value
    When an administrator calls every operation
    Then every promised measure has a value

  Scenario: The counters tell every call of a provider
    Given OpenAI answers the next request with a rate limit and a Retry-After of 1 s
    And the gateway's counters have been read
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request succeeds
    And the counters of OpenAI have grown by what OpenAI received

  @key.cache-hits-and-misses-counted
  Scenario: The counters tell what the cache knew
    Given the gateway's counters have been read
    When an employee searches twice for a question that nobody has asked
    Then the cache counters have grown by 2 misses and 1 hit

  Scenario: No answer tells what the platform is made of
    When an administrator calls every operation
    Then no answer names the software behind it
