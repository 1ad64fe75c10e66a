package load

import (
	"errors"
	"time"
)

// A poller is the sockets of one loop. Only that loop's goroutine calls it, but for wake. Handles are small numbers that
// the loop chooses; one may be used again once it is closed, and no event of its former life comes after.
type poller interface {
	// connect starts to connect. The outcome is announced by an event with writable set, and told by connected.
	connect(h int) error
	// connected is nil once the connection is established. Readable events follow from then on.
	connected(h int) error
	// read gives up to limit bytes that have arrived, valid until the next call; errWouldBlock if there are
	// none, io.EOF at their end.
	read(h, limit int) ([]byte, error)
	// write gives a, then b, to the kernel, without copying them before they are sent: they must not change.
	// When it takes less than all, an event with writable set follows.
	write(h int, a, b []byte) (int, error)
	// pause turns readable events off and on. An error of the connection may still be announced.
	pause(h int, paused bool)
	// finish ends the sending side.
	finish(h int)
	close(h int)
	// wait waits for events, at most for a time; 0 or less only looks. The events are valid until the next call.
	wait(most time.Duration) ([]event, error)
	// wake ends the wait that is on, or the next one. Any goroutine may call it until the loop has ended.
	wake()
	// shut closes whatever is open.
	shut()
}

// An event says that a handle may be read or written.
type event struct {
	handle             int
	readable, writable bool
}

var errWouldBlock = errors.New("nothing can be read or written now")
