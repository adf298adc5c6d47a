Feature: A platform to test, and a corner of it of our own
  Results mean something only if the platform was healthy at the start and if
  nothing that others store can disturb the suite, or be disturbed by it.

  @smoke
  Scenario: The platform is healthy before anything is asked of it
    When an operator looks at the platform's health
    Then every service is reported healthy
    And the platform accepts work

  @use.with_stores=visible
  Scenario: Everything a scenario makes carries the name of its run
    Given the collection "handbook"
    And the document "house rules" about "Quiet hours begin at ten in the evening."
    When an operator looks for what this run has made
    Then both stores know the collection only under a name of this run

  Scenario: Two scenarios may use the same names without meeting
    Given the collection "handbook"
    And the document "house rules" about "Quiet hours begin at ten in the evening."
    When another scenario makes its own collection "handbook"
    Then that collection is empty
    And "house rules" can still be read
