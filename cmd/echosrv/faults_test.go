package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
)

// long says whether there is time for the full sizes.
func long() bool { return os.Getenv("ECHOSRV_LONG") != "" }

// sized is the size of a test: the full one if there is time.
func sized(short, full int) int {
	if long() {
		return full
	}
	return short
}

// fault is something that a server must survive.
type fault struct {
	name string
	// text says for the documentation what is done, with the full sizes.
	text string
	// needs are the abilities without which an engine is not asked to survive it.
	needs       []string
	descriptors int
	flags       []string
	run         func(*victim)
}

// faults are those that the documentation lists; drain and reload under load are in load_test.go.
var faults = []fault{
	{name: "never read", text: "500 clients that send and never read; what waits for them stays within the outbox limits",
		flags: []string{"--outbox-bytes", "64KiB", "--write-timeout", "0s"}, run: neverRead},
	{name: "slow senders", text: "500 clients that send a byte a second, with a packet-timeout of one: they are closed",
		needs: []string{"timers"}, flags: []string{"--packet-timeout", "1s"}, run: slowSenders},
	{name: "connect and reset", text: "10,000 connections that are reset in the middle of a packet", run: connectAndReset},
	{name: "full file table", text: "a descriptor limit of 64 and 200 connections; when they have gone, newcomers are served",
		needs: []string{"survives-full-table"}, descriptors: 64, run: fullTable},
	{name: "garbage", text: "1000 connections of random bytes and of headers that promise too much", flags: []string{"--linger", "100ms"}, run: garbage},
	{name: "half-close", text: "50 clients that send 4 MiB each, end their input and read meanwhile; every echo arrives", needs: []string{"half-close", "pause-reads"}, run: halfClose},
	{name: "silent peers", text: "500 clients that answer nothing any more, as after a lost network, with heartbeat and idle-timeout",
		needs: []string{"timers"}, flags: []string{"--heartbeat", "200ms", "--idle-timeout", "600ms", "--linger", "100ms"}, run: silentPeers},
}

// lacks lists which of the abilities an engine doesn't claim.
func lacks(e backends.Engine, needs []string) (missing []string) {
	for _, c := range e.Capabilities.List() {
		for _, n := range needs {
			if n == c.Name && !c.Has {
				missing = append(missing, n)
			}
		}
	}
	return missing
}

func TestFaults(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, e backends.Engine) {
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				if missing := lacks(e, f.needs); missing != nil {
					t.Skipf("%s declares that it lacks %v", e.Name, missing)
				}
				v := startVictim(t, e, f.descriptors, f.flags...)
				f.run(v)
				v.check()
			})
		}
	})
}

// crowd runs n clients at once and waits for them. They report by v.t.Error.
func crowd(n int, client func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { client(i) })
	}
	all.Wait()
}

func neverRead(v *victim) {
	clients := sized(60, 500)
	packet := protocol.Append(nil, protocol.DataSend, make([]byte, 16<<10))
	conns := make([]*net.TCPConn, clients)
	for i := range conns {
		conns[i] = v.dial()
		conns[i].SetReadBuffer(4 << 10)
	}
	crowd(clients, func(i int) {
		// As much as the kernel takes before it makes the client wait. An engine that can't pause ends the
		// connection instead, and throws away what comes until the linger is over.
		conns[i].SetWriteDeadline(time.Now().Add(time.Second))
		for range 4096 {
			if _, err := conns[i].Write(packet); err != nil {
				break
			}
		}
	})
	// The outbox may be exceeded by the replies to what was already read when it filled up: one read, or with
	// io_uring the few that the kernel had completed.
	const most = 64<<10 + 2<<20
	if is := v.metric("echosrv_outbox_bytes"); is > float64(clients*most) {
		v.t.Errorf("%g bytes wait in the outboxes of %d clients", is, clients)
	}
	for _, c := range conns {
		c.Close()
	}
}

func slowSenders(v *victim) {
	crowd(sized(60, 500), func(i int) {
		conn := v.dial()
		packet := protocol.Append(nil, protocol.DataSend, make([]byte, 1000))
		told := make(chan error, 1)
		go func() {
			conn.SetReadDeadline(time.Now().Add(patience))
			told <- v.expectEnd(conn, protocol.CodeIdle)
		}()
		for at := 0; ; at++ {
			conn.Write(packet[at : at+1]) // fails once the server has closed; told says more
			select {
			case err := <-told:
				if err != nil {
					v.t.Errorf("client %d: %v", i, err)
				}
				conn.Close()
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
}

// expectEnd reads until an ERROR with this code comes. From an engine without an orderly close the end of
// the connection is enough.
func (v *victim) expectEnd(conn net.Conn, code protocol.Code) error {
	for {
		p, err := receive(conn)
		switch {
		case err != nil && !v.engine.Capabilities.OrderlyClose && !errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("no ERROR came: %w", err)
		case p.Kind == protocol.Error:
			said, err := protocol.ParseError(p.Payload)
			if err == nil && said.Code != code {
				err = said
			}
			return err
		}
	}
}

func connectAndReset(v *victim) {
	crowd(20, func(int) {
		for range sized(50, 500) {
			conn, err := net.Dial("tcp", v.address)
			if err != nil {
				v.t.Error(err)
				return
			}
			conn.Write(protocol.Append(nil, protocol.DataSend, []byte("half a packet"))[:15])
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	})
}

func fullTable(v *victim) {
	var conns []net.Conn
	for range 200 {
		conn, err := net.DialTimeout("tcp", v.address, patience)
		if err != nil {
			break // the listening queue is full, too
		}
		conns = append(conns, conn)
	}
	served := 0
	for _, c := range conns {
		c.SetDeadline(time.Now().Add(20 * time.Millisecond))
		c.Write(protocol.Append(nil, protocol.DataSend, nil))
		if _, err := receive(c); err == nil {
			served++
		}
	}
	if served == 0 || served >= 64 {
		v.t.Errorf("%d connections are served with 64 descriptors", served)
	}
	for _, c := range conns {
		c.Close()
	}
	// Newcomers are served again without help; those before may still be turned away.
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn := v.dial()
		err := echo(conn, "after the flood")
		conn.Close()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("newcomers are not served again: %v", err)
		}
	}
}

func garbage(v *victim) {
	const seed = 7
	crowd(10, func(worker int) {
		random := rand.New(rand.NewPCG(seed, uint64(worker)))
		for range sized(20, 100) {
			conn := v.dial()
			junk := make([]byte, 8+random.IntN(4000))
			for i := range junk {
				junk[i] = byte(random.Uint32())
			}
			if random.IntN(2) == 0 {
				binary.BigEndian.PutUint32(junk, uint32(protocol.DataSend))
				binary.BigEndian.PutUint32(junk[4:], 1<<20+1+random.Uint32N(1<<31))
			}
			conn.SetDeadline(time.Now().Add(patience))
			conn.Write(junk)
			conn.CloseWrite()
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				v.t.Error("a connection with garbage stays open")
			}
			conn.Close()
		}
	})
}

func halfClose(v *victim) {
	const packets, size = 64, 64 << 10
	crowd(sized(8, 50), func(i int) {
		conn := v.dial()
		conn.SetDeadline(time.Now().Add(patience))
		sent := make(chan error, 1)
		go func() {
			var err error
			for n := range packets {
				payload := make([]byte, size)
				binary.BigEndian.PutUint32(payload, uint32(n))
				if _, err = conn.Write(protocol.Append(nil, protocol.DataSend, payload)); err != nil {
					break
				}
			}
			conn.CloseWrite()
			sent <- err
		}()
		for n := range packets {
			p, err := receive(conn)
			if err != nil || p.Length != size || binary.BigEndian.Uint32(p.Payload) != uint32(n) {
				v.t.Errorf("client %d, echo %d: %v %v", i, n, p.Header, err)
				return
			}
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			v.t.Errorf("client %d: after the last echo came %v", i, err)
		}
		if err := <-sent; err != nil {
			v.t.Error(err)
		}
		conn.Close()
	})
}

func silentPeers(v *victim) {
	crowd(sized(60, 500), func(i int) {
		conn := v.dial()
		conn.SetDeadline(time.Now().Add(patience))
		if err := v.expectEnd(conn, protocol.CodeIdle); err != nil {
			v.t.Errorf("client %d: %v", i, err)
		}
		conn.Close()
	})
}
