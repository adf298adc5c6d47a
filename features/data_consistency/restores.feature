@use.with_stores=visible @N2 @N3
Feature: A store that was restored from an older copy is found out
  Backups of three stores are never of the same moment. The audit must name what
  does not fit, and a repair must mend exactly that and nothing else.

  Background:
    Given the collection "handbook"
    And 8 stored documents

  @critical @N1 @key.restored-qdrant-audited-and-repaired
  Scenario: An older vector store is found out and repaired
    When the vector store is restored from a copy that knows neither the new "menu", nor the rewriting of "document 1", nor the deletion of "document 2"
    Then the audit names the first as missing, the second as out of date and the third as left over
    And the platform's own check names the same three
    And an administrator's repair mends these three and touches no other document
    And the stores agree on the newest history

  @N1
  Scenario: An older metadata store is found out and repaired
    When the metadata store is restored from a copy that knows neither the new "menu", nor the rewriting of "document 1", nor the deletion of "document 2"
    Then the audit names the first two as lost although acknowledged, and the third as back although deleted
    And the platform's own check names the same three
    And an administrator's repair mends these three and touches no other document
    And the stores agree on the older history

  @G4 @N4
  Scenario: After a restore, a repair and an emptied cache nothing old is served
    When the metadata store is restored from a copy that is older than cached answers to "what is in the notes"
    Then no search for "what is in the notes" is answered from before the restore, however many changes follow
