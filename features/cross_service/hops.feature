Feature: The services talk to each other
  One request crosses up to five services. Each hop must really happen, carry the
  request's id, take little time, and be told apart from the others when it fails.

  Background:
    Given the collection "handbook"

  @smoke @critical @use.with_stores=visible @key.accepted-vectors-reach-qdrant
  Scenario: What the gateway accepts arrives in Qdrant as it was sent
    Why it matters: this is the API to Qdrant communication, seen from the far side.

    When an editor stores the document "fire drill" about "The fire drill takes place in March." for "facilities"
    Then the vector store holds one point for "fire drill"
    And that point carries the text, the department and the version

  @smoke @use.with_stores=visible @use.with_providers=visible @key.computed-embedding-is-stored
  Scenario: The embedding that the service computes is the one that is stored
    Why it matters: this is the embedding to storage flow.

    When an editor stores a document "fire drill" with a text that is new to the platform
    Then the stored vector is the embedding service's own for that text
    And the embedding service was asked exactly once

  @use.with_providers=visible @key.request-id-in-every-log
  Scenario: A request's id is seen at every service it touches
    When an editor stores the document "minutes" under the request id "at-trace-minutes"
    Then the answer, the gateway and the embedding service all name that id

  @use.with_providers=visible
  Scenario: A request's id reaches the external provider
    When a reader asks OpenAI to embed "hello {unique}" with:
      | option     | value           |
      | request id | at-trace-openai |
    Then OpenAI received these requests as documented:
      | texts            | request id      |
      | "hello {unique}" | at-trace-openai |

  Scenario: A request without an id is given one
    When an editor stores the document "minutes" about "The minutes of the last meeting."
    Then the answer carries a request id of its own

  @NFR-hop @key.server-timing-of-every-hop
  Scenario: The answer tells how long each hop took
    When an editor stores a document "minutes" with a text that is new to the platform
    Then the answer names the time spent in "gateway, embedding, qdrant, postgresql"
    And the hops together take no longer than the whole request

  @key.server-timing-of-query-embedding
  Scenario: A search tells what the embedding of its question took, where there was one
    Given the document "minutes" about "The minutes of the last meeting."
    When an employee asks a question that is new to the platform, and then searches by a vector
    Then the first answer tells how long its question was embedded, the second tells of no embedding

  @NFR-hop @key.store-latency-within-limit
  Scenario: The stores answer the gateway in less than 50 ms
    Given the document "minutes" about "The minutes of the last meeting."
    When "minutes" is read and searched 30 times without the cache
    Then the typical time spent in each store is below 50 ms
