package protocol

import "fmt"

// Code says in an ERROR packet why the server is not content.
type Code uint32

// The error codes, numbered as on the wire.
const (
	CodeMalformed    Code = 1 // a flag, or a length that its kind can't have
	CodeTooLarge     Code = 2 // a payload above the server's limit
	CodeUnsupported  Code = 3 // an unknown kind, or one that only a server sends
	CodeOverflow     Code = 4 // the replies that the client didn't read fill the server's outbox
	CodeRateLimited  Code = 5 // more than the server allows in a time
	CodeTooMany      Code = 6 // the server has as many connections as it takes
	CodeIdle         Code = 7 // the client was silent, or too slow, for too long
	CodeShuttingDown Code = 8 // the server is stopping
)

var codeNames = [...]string{
	CodeMalformed: "malformed", CodeTooLarge: "too large", CodeUnsupported: "unsupported kind", CodeOverflow: "overflow",
	CodeRateLimited: "rate limited", CodeTooMany: "too many connections", CodeIdle: "idle", CodeShuttingDown: "shutting down",
}

func (c Code) String() string {
	if c >= CodeMalformed && c <= CodeShuttingDown {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// Violation is what an ERROR packet carries: a rule of the protocol or of the server that was broken.
type Violation struct {
	Code     Code
	Sentence string // for a person; no full stop, no line break
}

func (v *Violation) Error() string { return v.Code.String() + ": " + v.Sentence }
