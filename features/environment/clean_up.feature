@use.with_stores=visible
Feature: Nothing stays behind
  A suite that leaves things in the stores poisons its own next run and other people's data.

  Scenario: A scenario's clean-up removes all that it stored
    Given another scenario that stored 3 documents
    When the clean-up of that scenario has run
    Then no store holds anything of that scenario

  Scenario: What a scenario leaves behind is found and named
    Why it matters: a check for leftovers that finds nothing may simply be blind.

    Given another scenario that stored 3 documents
    When that scenario ends without its clean-up
    Then the check for leftovers names the collection in both stores

  Scenario: Data that the suite did not make survives its clean-up
    Given a collection that someone else keeps in the vector store
    And another scenario that stored 3 documents
    When the clean-up of that scenario has run
    Then the collection of someone else is untouched
