@use.with_stores=visible
Feature: Whatever is done, in whatever order
  Nobody can think of every order in which people store, change, search and delete. Random
  journeys are compared with a plain model of what must be there, and a failure is cut down
  to the fewest steps that show it.

  @critical @G1 @G2 @G3 @N3 @N4
  Scenario: Random journeys end where a plain model ends
    When clients make random journeys of storing, changing, deleting, reading, searching and listing
    Then at least 5 journeys agree with the model in every answer and every store

  @key.random-filters-match-exactly
  Scenario: A filter finds exactly what it says
    Given 60 documents with random metadata
    When they are searched by random filters
    Then at least 20 filters find exactly the documents that a plain reading finds

  @N3
  Scenario: Random texts and metadata come out of every store as they went in
    Why it matters: a value that two stores understand differently is found by one and shown by the other. Fractions
    have at most 15 digits here: what the vector store's engine does to longer ones stands in the README's limits.

    Given the collection "handbook"
    When an editor stores random texts with random metadata
    Then at least 10 of them come out of the gateway and of both stores as they went in
