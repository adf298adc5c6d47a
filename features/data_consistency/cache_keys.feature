@use.with_stores=visible @G4 @N4
Feature: Nearly equal requests never share a cached answer
  A cache that takes one request for another answers quickly and wrongly. Every
  difference that can change an answer must keep two requests apart.

  Background:
    Given the collection "handbook"

  @critical @key.similar-searches-have-own-cache-keys
  Scenario: Nearly equal searches are kept apart
    Given documents that differ in a trifle
    When an employee asks many nearly equal questions, each twice
    Then every second answer comes from the cache and is the one without the cache
    And at least 30 of the answers differ from each other

  @key.similar-texts-have-own-cache-keys
  Scenario: Nearly equal texts are kept apart
    When many nearly equal texts are embedded, each twice
    Then every second answer comes from the cache and is the one without the cache
    And at least 12 of the answers differ from each other

  @use.with_providers=visible
  Scenario: Nearly equal requests to a provider are kept apart
    When OpenAI is asked for many nearly equal lists of texts, each twice
    Then every second answer comes from the cache and is the one without the cache
    And at least 20 of the answers differ from each other
