Feature: The doctor names what is missing
  "Connection failed" helps nobody: the diagnosis says which service is missing,
  which variable names it, and how to fix it.

  Scenario Outline: A service that does not answer is named with the variable to correct: <service>
    When the doctor examines a run whose <service> does not answer
    Then the only failed check of the doctor is "<service>", and its advice names "<variable>"

    Examples:
      | service    | variable              |
      | PostgreSQL | TEST_DATABASE_URL     |
      | Redis      | TEST_REDIS_URL        |
      | Qdrant     | QDRANT_URL            |
      | gateway    | INTEGRATION_TEST_HOST |

  Scenario: A healthy environment passes every check
    When the doctor examines this run
    Then no check of the doctor fails

  Scenario: The diagnosis shows no password
    When the doctor examines a run with the password "at-wrong-password-canary" for PostgreSQL
    Then the only failed check of the doctor is "PostgreSQL", and its advice names "TEST_DATABASE_URL"
    And neither the diagnosis nor the settings show "at-wrong-password-canary"
