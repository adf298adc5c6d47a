Feature: The doctor names what is missing
  "Connection failed" helps nobody: the diagnosis says which service is missing,
  which setting names it, and what to do about it.

  Scenario Outline: A service that does not answer is named with the way to mend it: <service>
    Given a run that is pointed at <service> where nothing listens
    When the doctor examines the environment
    Then the diagnosis names <service> as unreachable
    And it says that <setting> has to be corrected

    Examples:
      | service    | setting               |
      | PostgreSQL | TEST_DATABASE_URL     |
      | Redis      | TEST_REDIS_URL        |
      | Qdrant     | QDRANT_URL            |
      | gateway    | INTEGRATION_TEST_HOST |

  Scenario: A healthy environment gets a clean bill
    When the doctor examines the environment of this run
    Then the diagnosis finds nothing to mend

  Scenario: The diagnosis shows no password
    Given a run that is pointed at a PostgreSQL with a wrong password
    When the doctor examines the environment
    Then the diagnosis names PostgreSQL as unreachable
    And the password does not appear in it
