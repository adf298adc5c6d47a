Feature: Hostile input does no harm
  Input is data, never an instruction; what cannot be valid is refused before it
  reaches a store, and errors tell an attacker nothing.

  Background:
    Given the collection "handbook"

  Scenario Outline: A hostile text is stored as plain text: <attack>
    When an editor stores the document "letter" about "<text>"
    Then the document "letter" reads "<text>"
    And the collection "handbook" still works

    Examples:
      | attack     | text                                          |
      | SQL        | '); DROP TABLE vector_metadata; --            |
      | script     | <script>alert(document.cookie)</script>       |
      | template   | {{7*7}} ${7*7} #{7*7}                         |
      | shell      | $(rm -rf /) `reboot` ; cat /etc/passwd        |
      | format     | %s%s%n %(password)s {0.__class__}             |

  @N6
  Scenario Outline: What cannot be valid is refused and harms nothing: <attack>
    When an attacker sends <attack>
    Then the request is refused with a problem that shows no internals
    And the collection "handbook" still works

    Examples:
      | attack                        |
      | a text with a NUL character   |
      | a text with half a character  |
      | a number too large to hold    |
      | a deeply nested request       |
      | a name that climbs folders    |
      | a filter that is code         |
      | a key with a line break       |
      | a member named __proto__      |
      | an array where a text belongs |

  @N8 @smoke
  Scenario: No answer, log or metric shows a secret
    Given the document "letter" about "A perfectly normal letter."
    When the platform has answered requests that succeed, fail and are refused
    Then no answer, no log, no metric and no store shows a key or a password
