Feature: Secrets stay secret
  Keys and passwords are shown by nothing the platform answers, logs, counts or stores, and its
  errors tell an attacker neither how it is made nor where its services are.

  Background:
    Given the collection "handbook"
    And the document "letter" about "A perfectly normal letter."

  @N8 @smoke @key.no-secret-in-outputs
  Scenario: No answer, log or metric shows a secret
    When the platform has answered requests that succeed, fail and are refused
    Then no answer, no log, no metric and no store shows a key or a password
