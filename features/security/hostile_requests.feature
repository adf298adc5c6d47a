Feature: Requests that are no requests
  A content that cannot be read, a size without end, an address in disguise or a line meant
  for the log is turned away at the door, and the platform goes on.

  @N6 @key.unreadable-requests-refused
  Scenario Outline: What cannot be read is refused for what it is: <content>
    When an attacker sends <content> where a text to embed belongs
    Then the request is refused as "<reason>"
    And the request is refused with a problem that shows no internals

    Examples:
      | content                     | reason            |
      | nothing                     | malformed-request |
      | half of a request           | malformed-request |
      | two requests in one         | malformed-request |
      | something after its end     | malformed-request |
      | remarks                     | malformed-request |
      | single quotes               | malformed-request |
      | a comma too many            | malformed-request |
      | a number that is none       | malformed-request |
      | bytes of no script          | malformed-request |
      | half a letter               | malformed-request |
      | a letter written too long   | malformed-request |
      | another encoding            | malformed-request |
      | a line break inside a word  | malformed-request |
      | a hundred thousand brackets | malformed-request |
      | a packed request            | malformed-request |
      | a form                      | malformed-request |
      | markup                      | malformed-request |
      | a list                      | validation-failed |
      | a bare word                 | validation-failed |
      | a bare number               | validation-failed |
      | no value                    | validation-failed |
      | no members                  | validation-failed |
      | a member too many           | validation-failed |

  @key.content-types-enforced
  Scenario: Only the promised kind of content is read
    When a well-formed request is sent as any other kind of content
    Then each is refused as unsupported

  @critical @key.request-size-limit-exact
  Scenario: The largest request is read and a byte more is not
    When an attacker sends the largest request and one of a byte more, with and without the length
    Then those of the largest size are read, and refused as "validation-failed" for their text
    And those of a byte more are refused as "content-too-large"

  @key.compressed-requests-not-expanded
  Scenario: A small request does not become a huge one
    When an attacker sends a small request that unpacks to a huge one
    Then it is refused without having been unpacked

  @G5 @key.duplicate-members-have-one-value
  Scenario: A member that is given twice has one value for everybody
    Given the collection "handbook"
    When an editor stores the document "twin" with every member given twice
    Then the document "twin" is the same for readers and in both stores, or was refused

  @critical @key.path-spellings-do-not-bypass-authentication
  Scenario: No spelling of an address gets past the lock
    When somebody without a key spells and redirects addresses in every known way
    Then nobody without a key has got past the lock

  @key.request-smuggling-refused
  Scenario: What two servers would read differently is not carried out
    When an attacker sends requests that two servers would read differently
    Then each of them is refused or cut off

  @key.host-header-not-trusted
  Scenario: A claimed host is not believed
    Given the collection "handbook"
    When an editor's requests claim another host
    Then no answer repeats it

  @N14 @not.with_mode=deployed @key.log-injection-prevented
  Scenario: No caller writes a line of the log
    Given the collection "handbook"
    When callers write what looks like a line of the log wherever they can write
    Then no line of a log and no counter is the caller's
