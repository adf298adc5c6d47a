@outage @use.with_stores=visible
Feature: A crowd does not make it worse
  When many come at once, a cold cache or an outage must not multiply the work: whoever cannot be helped is
  told so, and nothing behind the gateway is called more often than the callers have asked.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @critical @key.search-stampede-computes-one-embedding
  Scenario: A crowd with one question costs one embedding
    Why it matters: at the moment when a popular entry leaves the cache, everybody misses it.

    Given an administrator invalidates the cache
    When 60 employees search for "how does a crowd handle acid" at the same moment
    Then each of them is offered "safety sheet" first
    And the embedding service was called 1 time for all of them

  @N6 @key.no-retry-storm-in-outage
  Scenario: An outage under load is not made worse by trying again
    When the embedding service dies of every text
    Then 50 employees who search 2 times each are refused as unavailable within the promised time
    And the embedding service was called at most once for each search
    When the embedding service is back
    Then 10 employees who search 10 times each are soon answered
    And the embedding service was called at most once for each search
