package session

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// tb is what the helpers need of *testing.T and of *rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// driver does for a session what an engine does, with a socket that takes what it is told to.
type driver struct {
	tb
	service *Service
	*Session
	now    time.Duration
	room   func(want int) int // how many of want bytes the socket takes; nil: all
	output []byte             // what the peer would read
	events *recorder
}

// recorder keeps what a service reports.
type recorder struct {
	violations []protocol.Code
	dropped    int
	closed     []error
}

func (r *recorder) Violation(_ *Session, v *protocol.Violation) {
	r.violations = append(r.violations, v.Code)
}
func (r *recorder) Dropped(_ *Session, n int)       { r.dropped += n }
func (r *recorder) Closed(_ *Session, reason error) { r.closed = append(r.closed, reason) }

func newDriver(t tb, change func(*Settings)) *driver {
	t.Helper()
	set := DefaultSettings()
	if change != nil {
		change(&set)
	}
	d := &driver{tb: t, now: time.Second, events: &recorder{}}
	var err error
	if d.service, err = NewService(set, buffer.NewPool(0), d.events); err != nil {
		t.Fatalf("%v", err)
	}
	d.Session = d.service.Open(d.now, nil)
	return d
}

// receive brings bytes, as one read.
func (d *driver) receive(b []byte) {
	d.settle(d.Receive(d.now, bytes.Clone(b)))
}

// settle writes as an engine would: once, pending bytes before the reply.
func (d *driver) settle(reply []byte) {
	pending := bytes.Join(d.Pending(make([][]byte, 0, 8)), nil)
	if len(pending) < d.Queued() {
		d.take(pending, nil)
		if len(reply) > 0 {
			d.Sent(d.now, 0, reply)
		}
		return
	}
	d.take(append(pending, reply...), reply)
}

func (d *driver) take(all, reply []byte) {
	n := len(all)
	if d.room != nil {
		n = d.room(n)
	}
	if n > 0 && len(d.output) > 0 && d.shut() {
		d.Fatalf("%d bytes after the end of output", n)
	}
	d.output = append(d.output, all[:n]...)
	d.Sent(d.now, n, reply)
}

// shut says whether an engine would have ended the output by now.
func (d *driver) shut() bool { return d.Ending() && d.Queued() == 0 }

// flush lets the socket take everything.
func (d *driver) flush() {
	d.room = nil
	for turns := 0; d.Queued() > 0; turns++ {
		if turns > 10_000 {
			d.Fatalf("%d bytes don't go out", d.Queued())
		}
		d.settle(nil)
	}
}

// at moves the clock, and expires what is due.
func (d *driver) at(now time.Duration) {
	d.now = now
	if at := d.Deadline(); at != 0 && at <= now {
		d.Expire(now)
		d.settle(nil)
	}
}

// end closes the session and checks that it gave everything back.
func (d *driver) end(reason error) {
	d.Helper()
	d.Close(reason)
	if s := d.service.Pool().Stats(); s.InUse != 0 {
		d.Fatalf("%d buffers are still in use: %v", s.InUse, d.service.Pool().Leaks())
	}
	d.Session = nil
}

// packets is what the peer got so far, in words: KIND and payload for each packet.
func (d *driver) packets() string {
	var all []string
	b := d.output
	for len(b) > 0 {
		p, size, err := protocol.Decode(b, protocol.FromServer(protocol.MaxPayload))
		if err != nil || size == 0 {
			return strings.Join(append(all, fmt.Sprintf("%d bytes that are no packet", len(b))), ", ")
		}
		b = b[size:]
		text := p.Kind.String()
		switch {
		case p.Kind == protocol.Error:
			v, err := protocol.ParseError(p.Payload)
			text = fmt.Sprint("ERROR ", v, err)
			if err == nil {
				text = "ERROR " + v.Error()
			}
		case len(p.Payload) > 16:
			text += fmt.Sprintf(" %d bytes", len(p.Payload))
		case len(p.Payload) > 0:
			text += " " + string(p.Payload)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func send(payload string) []byte { return protocol.Append(nil, protocol.DataSend, []byte(payload)) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func unhex(t tb, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func expectReason(t *testing.T, d *driver, want error) {
	t.Helper()
	if n := len(d.events.closed); n != 1 || !errors.Is(d.events.closed[0], want) {
		t.Errorf("closed for %v, want %v", d.events.closed, want)
	}
}
