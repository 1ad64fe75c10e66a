package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"echosrv/protocol"
)

// testServer is a framed echo server for tests: one goroutine per connection, which hands each packet to
// serve and writes what that returns. It ends with the test.
type testServer struct {
	listener net.Listener
	serve    func(n int, p protocol.Packet) []byte // n counts the packets of a connection from 1
	mu       sync.Mutex
	conns    map[net.Conn]bool
	accepted int
	running  sync.WaitGroup
}

func startServer(t *testing.T, serve func(n int, p protocol.Packet) []byte) *testServer {
	t.Helper()
	return startHandler(t, func(s *testServer, c net.Conn) { s.echo(c) }, serve)
}

// startHandler starts a server that gives every connection to handle.
func startHandler(t *testing.T, handle func(*testServer, net.Conn), serve func(n int, p protocol.Packet) []byte) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{listener: l, serve: serve, conns: make(map[net.Conn]bool)}
	s.running.Go(func() { s.accept(handle) })
	t.Cleanup(s.stop)
	return s
}

func (s *testServer) address() string { return s.listener.Addr().String() }

func (s *testServer) accept(handle func(*testServer, net.Conn)) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.accepted++
		s.mu.Unlock()
		s.running.Go(func() {
			handle(s, c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *testServer) stop() {
	s.listener.Close()
	s.hangUp()
	s.running.Wait()
}

// hangUp closes every connection.
func (s *testServer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *testServer) echo(c net.Conn) {
	in := bufio.NewReaderSize(c, 64<<10)
	out := bufio.NewWriterSize(c, 64<<10)
	for n := 1; ; n++ {
		p, err := readPacket(in)
		if err != nil {
			out.Flush()
			return
		}
		reply := s.serve(n, p)
		if reply == nil {
			continue
		}
		if _, err := out.Write(reply); err != nil {
			return
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return
			}
		}
	}
}

func readPacket(in io.Reader) (protocol.Packet, error) {
	head := make([]byte, protocol.HeaderSize)
	if _, err := io.ReadFull(in, head); err != nil {
		return protocol.Packet{}, err
	}
	p := protocol.Packet{Header: protocol.ParseHeader(head)}
	p.Payload = make([]byte, p.Length)
	_, err := io.ReadFull(in, p.Payload)
	return p, err
}

// honest echoes as the protocol says.
func honest(_ int, p protocol.Packet) []byte {
	return protocol.Append(nil, protocol.DataEcho, p.Payload)
}

// pollers are the ways to move bytes that every end-to-end test runs against.
func eachPoller(t *testing.T, test func(t *testing.T, run func(Config) (*Result, error))) {
	for name, p := range map[string]func(*net.TCPAddr) (poller, error){"native": newPoller, "portable": newPortable} {
		t.Run(name, func(t *testing.T) {
			test(t, func(c Config) (*Result, error) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				return runOn(ctx, c, p)
			})
		})
	}
}
