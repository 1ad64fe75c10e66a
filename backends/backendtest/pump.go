package backendtest

import (
	"errors"
	"fmt"
	"os"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/session"
)

// pumped is what a client sent without reading.
type pumped struct {
	stream        // every packet that was begun
	rest   []byte // what is missing of them
}

// pump sends packets, and reads nothing, until enough says so, or until nothing can be sent and blocked
// says that this is how it should be, or until flood bytes are sent. A server that neither takes more nor
// is blocked is waited for: it may just be slow. The error is that of a connection that broke.
func (srv *server) pump(c *client, seed uint64, size int, enough, blocked func(session.Totals) bool) (pumped, error) {
	p := pumped{stream: stream{seed: seed}}
	var chunk []byte
	for total := 0; total < flood && !enough(srv.service.Totals()); total += len(chunk) {
		chunk = chunk[:0]
		for len(chunk) < 64<<10 {
			p.sizes = append(p.sizes, size)
			chunk = p.append(chunk, len(p.sizes)-1)
		}
		p.rest = chunk
		for since := time.Now(); len(p.rest) > 0; {
			c.conn.SetWriteDeadline(time.Now().Add(stall))
			n, err := c.conn.Write(p.rest)
			p.rest = p.rest[n:]
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return p, err
			}
			if n > 0 {
				since = time.Now()
				continue
			}
			now := srv.service.Totals()
			if !srv.suite.Engine.Capabilities.FullDuplex || enough(now) || blocked(now) || time.Since(since) > srv.suite.Patience {
				return p, nil
			}
		}
	}
	return p, nil
}

// What a pump may wait for.
func never(session.Totals) bool      { return false }
func paused(n session.Totals) bool   { return n.Pauses > 0 || n.Closed > 0 }
func dropped(n session.Totals) bool  { return n.Dropped > 1000 }
func violated(n session.Totals) bool { return n.Violations > 0 }

// finish sends the rest of what was pumped, if there is one, while the caller reads. The returned function
// waits for it.
func (c *client) finish(p pumped) (wait func() error) {
	if len(p.rest) == 0 {
		return func() error { return nil } // an empty write fails when the server has gone already
	}
	sent := make(chan error, 1)
	go func() { sent <- c.send(p.rest) }()
	return func() error { return <-sent }
}

// account receives until every packet of a stream has come back or was reported as discarded.
func (c *client) account(s stream) error {
	next, echoed, told := 0, 0, 0
	for echoed+told < len(s.sizes) {
		p, err := c.receive()
		if err != nil {
			return fmt.Errorf("%d of %d packets came back and %d were reported as discarded: %w", echoed, len(s.sizes), told, err)
		}
		switch p.Kind {
		case protocol.DataEcho:
			i := s.find(p.Payload, next)
			if i < 0 {
				return fmt.Errorf("got %s, which is no packet of those from number %d on", describe(p), next)
			}
			next, echoed = i+1, echoed+1
		case protocol.Error:
			n, err := discarded(p)
			if err != nil {
				return err
			}
			told += n
		default:
			return fmt.Errorf("got %s, expected echoes and overflows", describe(p))
		}
	}
	if echoed+told > len(s.sizes) {
		return fmt.Errorf("%d echoes and %d reported as discarded are more than the %d packets sent", echoed, told, len(s.sizes))
	}
	return nil
}

// discarded is the number in an ERROR overflow under policy drop.
func discarded(p protocol.Packet) (n int, err error) {
	v, err := protocol.ParseError(p.Payload)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(v.Sentence, "%d packets were discarded", &n); err != nil || v.Code != protocol.CodeOverflow {
		return 0, fmt.Errorf("got %s, expected an overflow with the number discarded", describe(p))
	}
	return n, nil
}

// expectPrefix receives the first packets of a stream, and then an ERROR.
func (c *client) expectPrefix(s stream, code protocol.Code) error {
	for i := range s.sizes {
		p, err := c.receive()
		if err != nil {
			return fmt.Errorf("after %d echoes: %w", i, err)
		}
		if p.Kind == protocol.Error {
			v, err := protocol.ParseError(p.Payload)
			if err == nil && v.Code != code {
				err = fmt.Errorf("expected ERROR %q, got %s", code, describe(p))
			}
			return err
		}
		if p.Kind != protocol.DataEcho || s.find(p.Payload, i) != i {
			return fmt.Errorf("expected echo number %d, got %s", i, describe(p))
		}
	}
	return fmt.Errorf("all %d packets came back, and no ERROR %q", len(s.sizes), code)
}
