@use.with_stores=visible
Feature: Writers and readers at the same time
  Many clients work on the same documents. Whoever wins, both stores must name
  the same winner, and what one client was told must be true for all.

  Background:
    Given the collection "handbook"
    And the document "agenda" about "Version zero of the agenda."

  @G5
  Scenario: Storing and deleting at the same moment leaves the document whole or absent
    When 8 editors store and delete "agenda" at the same moment
    Then each of them succeeded or was told that the other was first
    And both stores soon hold "agenda" alike or not at all

  @G3 @G5
  Scenario: A deletion is not undone by rewritings at the same moment
    When 6 editors rewrite "agenda" while one deletes it
    Then each of them succeeded or was told that the other was first
    And neither store holds "agenda"

  @G5 @N11 @key.concurrent-mixed-writes-count-once
  Scenario: Of mixed submissions each changes the document once
    Why it matters: each of the five wordings must have been the document's for a moment, and no submission
    may count twice. Who is overtaken may be told the version of the one that overtook.

    When 8 editors store "agenda" at the same moment, half of them in the same words
    Then each of them succeeded or was told that the other was first
    And the row and the point of "agenda" are of the newest version that anybody was told
    And "agenda" has changed at least 5 and at most 8 times

  @N2 @N12
  Scenario: Nothing is stored in a collection that is dropped at the same moment
    When the collection "handbook" is dropped while 8 documents are being stored in it
    Then each of them succeeded or was told that the other was first
    And neither store knows the collection "handbook"

  @G2 @critical
  Scenario: What one client has stored every other client sees at once
    When an editor rewrites "agenda" 6 times while other clients look after each time
    Then every client saw every new version at once, in each way of looking

  @G2 @G4 @N4
  Scenario: Nobody is taken back in time while a document is rewritten
    When an editor rewrites "agenda" 15 times while readers of each kind read it without a pause
    Then no reader was ever shown an older version after a newer one
    And no reader was shown anything older than what had been acknowledged when it asked

  @G7
  Scenario: The counts of both stores agree during a load as well as after it
    When 4 editors store and delete 15 documents each while the counts are looked at
    Then the counts of both stores were the same whenever nothing was in flight
    And both stores count 41 documents and nothing is in flight

  @outage @use.with_stores=visible @N1 @N2 @G1 @G6 @critical
  Scenario Outline: Every document of a load is accounted for when <dependency> fails in the middle
    When <dependency> crashes and comes back while 4 editors store documents without a pause
    Then what was acknowledged is everywhere, what was refused is nowhere, and what is unknown is one of both

    Examples:
      | dependency         |
      | the vector store   |
      | the metadata store |
      | the gateway        |
