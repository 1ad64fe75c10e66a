package backendtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"echosrv/protocol"
)

// client is a careful peer: it checks every byte that comes back. One goroutine may send while another
// receives.
type client struct {
	conn     Conn
	in       *bufio.Reader
	payload  []byte // of the last packet
	patience time.Duration
}

func newClient(conn Conn, patience time.Duration) *client {
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), patience: patience}
}

// errWrong is wrapped by the errors that say that the server sent something wrong, unlike those that say
// that it sent nothing.
var errWrong = errors.New("wrong")

// must ends the check if there is an error.
func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func (c *client) close() { c.conn.Close() }

// reset closes the connection so that the peer gets a reset.
func (c *client) reset() {
	c.conn.SetLinger(0)
	c.conn.Close()
}

// send writes all of b. Nothing to write is no error even when nothing may be written any more.
func (c *client) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.conn.SetWriteDeadline(time.Now().Add(c.patience))
	if n, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("sent %d of %d bytes: %w", n, len(b), err)
	}
	return nil
}

// sendPacket writes one packet.
func (c *client) sendPacket(k protocol.Kind, payload []byte) error {
	return c.send(protocol.Append(nil, k, payload))
}

// closeWrite says that no more will be sent.
func (c *client) closeWrite() error { return c.conn.CloseWrite() }

// receive reads a packet. Its payload is good until the next. The error is io.EOF only between packets.
func (c *client) receive() (protocol.Packet, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.patience))
	var head [protocol.HeaderSize]byte
	if n, err := io.ReadFull(c.in, head[:]); err != nil {
		if err == io.EOF {
			return protocol.Packet{}, err
		}
		return protocol.Packet{}, fmt.Errorf("received %d bytes of a header: %w", n, err)
	}
	h := protocol.ParseHeader(head[:])
	if err := h.CheckServer(protocol.DefaultMaxPayload); err != nil {
		return protocol.Packet{}, fmt.Errorf("%w: the server sent %x: %w", errWrong, head, err)
	}
	if cap(c.payload) < int(h.Length) {
		c.payload = make([]byte, h.Length)
	}
	c.payload = c.payload[:h.Length]
	if n, err := io.ReadFull(c.in, c.payload); err != nil {
		return protocol.Packet{}, fmt.Errorf("received %d of the %d bytes of a %s: %w", n, h.Length, h.Kind, noEOF(err))
	}
	return protocol.Packet{Header: h, Payload: c.payload}, nil
}

// noEOF is err, or what io.EOF means inside a packet.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// expect receives a packet and compares it.
func (c *client) expect(k protocol.Kind, payload []byte) error {
	p, err := c.receive()
	switch {
	case err != nil:
		return fmt.Errorf("expected %s with %d bytes: %w", k, len(payload), err)
	case p.Kind != k:
		return fmt.Errorf("%w: expected %s with %d bytes, got %s", errWrong, k, len(payload), describe(p))
	case !bytes.Equal(p.Payload, payload):
		return fmt.Errorf("%w: %s came back changed: sent %d bytes that begin %x, got %d that begin %x", errWrong, k, len(payload), short(payload), len(p.Payload), short(p.Payload))
	}
	return nil
}

func short(b []byte) []byte { return b[:min(len(b), 24)] }

func describe(p protocol.Packet) string {
	if p.Kind == protocol.Error {
		if v, err := protocol.ParseError(p.Payload); err == nil {
			return fmt.Sprintf("ERROR %q", v.Error())
		}
	}
	return fmt.Sprintf("%s with %d bytes %x", p.Kind, len(p.Payload), short(p.Payload))
}

// expectStream receives the echoes of a stream.
func (c *client) expectStream(s stream) error {
	for i := range s.sizes {
		if err := c.expect(protocol.DataEcho, s.payload(i)); err != nil {
			return fmt.Errorf("packet %d of %d: %w", i+1, len(s.sizes), err)
		}
	}
	return nil
}

// expectError receives an ERROR with this code.
func (c *client) expectError(code protocol.Code) (*protocol.Violation, error) {
	p, err := c.receive()
	if err != nil {
		return nil, fmt.Errorf("expected ERROR %q: %w", code, err)
	}
	if p.Kind != protocol.Error {
		return nil, fmt.Errorf("expected ERROR %q, got %s", code, describe(p))
	}
	v, err := protocol.ParseError(p.Payload)
	if err == nil && v.Code != code {
		err = fmt.Errorf("expected ERROR %q, got %s", code, describe(p))
	}
	return v, err
}

// expectEnd receives the end of the server's output, with nothing before it.
func (c *client) expectEnd() error {
	p, err := c.receive()
	switch {
	case err == io.EOF:
		return nil
	case err != nil:
		return fmt.Errorf("expected the end: %w", err)
	}
	return fmt.Errorf("expected the end, got %s", describe(p))
}

// exchange sends a stream and receives its echoes at the same time.
func (c *client) exchange(s stream) error { return c.converse(s, nil) }

// converse is exchange in writes of the given sizes, the last one repeated; none means one write.
func (c *client) converse(s stream, cuts []int) error {
	sent := make(chan error, 1)
	go func() { sent <- c.sendCut(s.bytes(), cuts) }()
	err := c.expectStream(s)
	if err != nil {
		c.conn.SetWriteDeadline(time.Now()) // so that the sender doesn't wait for a server that has gone wrong
	}
	return errors.Join(err, <-sent)
}

func (c *client) sendCut(b []byte, cuts []int) error {
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = min(n, cuts[min(i, len(cuts)-1)])
		}
		if err := c.send(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
