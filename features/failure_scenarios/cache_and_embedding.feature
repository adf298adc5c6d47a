@outage @use.with_stores=visible
Feature: The cache or the embedding service fails
  Both are helpers: without the cache everything works, only slower; without the
  embedding service everything works that needs no new embedding.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @critical @key.redis-crash-degrades-only
  Scenario: Work goes on without the cache
    When the cache crashes
    Then storing, searching, reading and deleting succeed without the cache
    And the platform is ready and names the cache as degraded
    When the cache is back
    Then answers come from the cache again within the promised time

  @key.rate-limit-holds-without-redis
  Scenario: An allowance holds without the cache that counts it
    Given a new reader who may ask 5 times a minute
    And the link to the cache is cut
    When that reader asks 8 times
    Then exactly 5 requests are answered and the others are refused as "rate-limited"
    When the link to the cache is whole again
    Then answers come from the cache again within the promised time

  @N4 @G4
  Scenario: A change made while the cache was away is seen when it is back
    Given an employee has searched for "how to handle acid"
    And the link to the cache is cut
    When an editor rewrites "safety sheet" to be about "The canteen serves soup."
    And the link to the cache is whole again
    Then a search for "how to handle acid" is answered afresh and shows the new text of "safety sheet"

  @N4 @G4 @key.gateway-crash-keeps-invalidation
  Scenario: What was cached before the gateway died hides no change made after it
    Given an employee has searched for "how to handle acid"
    And the gateway has crashed and is back
    When an editor rewrites "safety sheet" to be about "The canteen serves soup."
    Then a search for "how to handle acid" is answered afresh and shows the new text of "safety sheet"

  @key.frozen-redis-delays-nobody
  Scenario: A cache that has stopped answering delays nobody for long
    When the cache freezes
    Then storing, searching, reading and deleting succeed without the cache
    When the cache is back
    Then answers come from the cache again within the promised time

  @critical
  Scenario: Without the embedding service only new texts are refused
    Given an employee has searched for "how to handle acid"
    When the embedding service crashes
    Then storing a new text is refused as unavailable within the promised time
    And a search for "how to handle acid" still offers "safety sheet"
    And searching and storing by vector still succeed
    When the embedding service is back
    Then the platform recovers within the promised time
