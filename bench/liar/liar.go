// Package liar is an echo server whose faults are known: it is what the bench proves itself against. It can
// be honest too, and spend a set time on every packet, so that a difference of known size can be looked for.
package liar

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"echosrv/protocol"
)

// Lie is what a server does wrong.
type Lie string

// The lies there are. Each happens to one packet in Every, on every connection.
const (
	Honest    Lie = "honest"
	Drop      Lie = "drop"      // the packet isn't echoed
	Duplicate Lie = "duplicate" // it is echoed twice
	Corrupt   Lie = "corrupt"   // one byte of it is changed
	Pad       Lie = "pad"       // it has a byte more, and a header that says so
	Reorder   Lie = "reorder"   // it changes places with the one after it
)

// Every is how many packets a lie is told in.
const Every = 100

// Lies are all dishonest ones.
func Lies() []Lie { return []Lie{Drop, Duplicate, Corrupt, Pad, Reorder} }

// ParseLie finds a lie by its name.
func ParseLie(name string) (Lie, error) {
	all := append([]Lie{Honest}, Lies()...)
	if slices.Contains(all, Lie(name)) {
		return Lie(name), nil
	}
	return "", fmt.Errorf("unknown lie %q; there are %s", name, strings.Trim(fmt.Sprint(all), "[]"))
}

// Server echoes packets, one goroutine for each connection.
type Server struct {
	Lie Lie
	// Work is CPU time spent on every packet.
	Work time.Duration

	mu    sync.Mutex
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

// Serve accepts until the listener is closed, and returns when every connection has ended.
func (s *Server) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		s.all.Go(func() {
			s.keep(conn, true)
			defer s.keep(conn, false)
			s.echo(conn)
		})
	}
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *Server) keep(conn net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[net.Conn]bool{}
	}
	if open {
		s.conns[conn] = true
	} else {
		delete(s.conns, conn)
		conn.Close()
	}
}

// echo answers packets until the peer ends. It flushes when it has read all that had arrived.
func (s *Server) echo(conn net.Conn) {
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
	var held []byte
	for n := 1; ; n++ {
		packet, err := read(in)
		if err != nil {
			return
		}
		spin(s.Work)
		binary.BigEndian.PutUint32(packet, uint32(protocol.DataEcho))
		for _, p := range s.answer(packet, n, &held) {
			if _, err := out.Write(p); err != nil {
				return
			}
		}
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// answer is what goes out for the n-th packet; held is the one that waits to change places.
func (s *Server) answer(packet []byte, n int, held *[]byte) [][]byte {
	if *held != nil {
		first := *held
		*held = nil
		return [][]byte{packet, first}
	}
	if s.Lie == Honest || s.Lie == "" || n%Every != 0 {
		return [][]byte{packet}
	}
	switch s.Lie {
	case Drop:
		return nil
	case Duplicate:
		return [][]byte{packet, packet}
	case Corrupt:
		packet[len(packet)-1] ^= 1
	case Pad:
		packet = append(packet, 'x')
		binary.BigEndian.PutUint32(packet[4:], uint32(len(packet)-protocol.HeaderSize))
	case Reorder:
		*held = packet
		return nil
	}
	return [][]byte{packet}
}

// read reads one packet with its header.
func read(in *bufio.Reader) ([]byte, error) {
	header, err := in.Peek(protocol.HeaderSize)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[4:])
	if length > protocol.MaxPayload {
		return nil, errors.New("the packet is too large")
	}
	packet := make([]byte, protocol.HeaderSize+int(length))
	_, err = io.ReadFull(in, packet)
	return packet, err
}

// spin uses the CPU for d.
func spin(d time.Duration) {
	if d <= 0 {
		return
	}
	for begin := time.Now(); time.Since(begin) < d; {
	}
}
