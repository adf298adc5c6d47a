@outage @use.with_stores=visible @N1 @N2 @G6
Feature: A write is whole or absent, at whatever moment the gateway dies
  A write goes to two stores, one after the other. Killed anywhere in between,
  the platform must find its way to both or neither, and trying again is safe.

  Background:
    Given the collection "handbook"
    And the document "price list" about "All prices are net of tax."

  @critical
  Scenario Outline: Documents are whole or absent after a death <moment>
    Given the document "old notice" about "The lift is out of order."
    When the gateway dies <moment> of storing "menu", rewriting "price list" and deleting "old notice", and comes back
    Then everything is soon in both stores alike or in neither
    And doing the same again ends as if nothing had happened

    Examples:
      | moment                                        |
      | before anything is committed                  |
      | between the row and the vector                |
      | while the vector store's answer is on its way |
      | right before the last commit                  |

  @key.crash-while-creating-collection
  Scenario Outline: A new collection is whole or absent after a death <moment>
    When the gateway dies <moment> of making the collection "archive", and comes back
    Then everything is soon in both stores alike or in neither
    And doing the same again ends as if nothing had happened

    Examples:
      | moment                                        |
      | before anything is committed                  |
      | between the row and the vector                |
      | while the vector store's answer is on its way |
      | right before the last commit                  |

  Scenario Outline: A dropped collection is whole or gone after a death <moment>
    When the gateway dies <moment> of dropping the collection "handbook", and comes back
    Then everything is soon in both stores alike or in neither
    And doing the same again ends as if nothing had happened

    Examples:
      | moment                                        |
      | before anything is committed                  |
      | between the row and the vector                |
      | while the vector store's answer is on its way |
      | right before the last commit                  |
