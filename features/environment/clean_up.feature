@use.with_stores=visible
Feature: Nothing stays behind
  A suite that leaves things in the stores disturbs its own next run and other people's data.

  Scenario: A scenario's clean-up removes everything it stored
    Given an editor of another scenario creates the collection "notes"
    And an editor of another scenario stores 3 documents
    When the other scenario is cleaned up
    Then the check for leftovers of the other scenario finds nothing

  Scenario: What a scenario leaves behind is found and named
    Why it matters: a check for leftovers that finds nothing may simply be blind.

    Given an editor of another scenario creates the collection "notes"
    When an editor of another scenario stores 3 documents
    Then the check for leftovers of the other scenario finds "notes" in Qdrant and in PostgreSQL

  Scenario: Data that the suite did not make survive its clean-up
    Given somebody else's collection "keepsakes" in Qdrant
    And an editor of another scenario creates the collection "notes"
    And an editor of another scenario stores 3 documents
    When the other scenario is cleaned up
    Then somebody else's collection "keepsakes" is unchanged
