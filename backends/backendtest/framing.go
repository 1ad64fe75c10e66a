package backendtest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"echosrv/protocol"
)

var framing = []check{
	{name: "any cutting into writes", run: checkCutting},
	{name: "one byte per write", run: checkSingleBytes},
	{name: "many packets in one write", run: checkManyPackets},
	{name: "empty payloads", run: checkEmpty},
	{name: "the largest payload", run: checkLargest},
	{name: "payloads around every power of two", run: checkSizes},
	{name: "ping and pong", run: checkPing},
}

// checkCutting sends streams of any shape in writes of any size, many on one connection.
func checkCutting(t T, s *Suite) {
	srv := s.start(t, nil)
	c := srv.dial(t)
	seed := uint64(0)
	size := rapid.OneOf(rapid.IntRange(0, 24), rapid.IntRange(0, 3000), rapid.IntRange(0, 100_000))
	write := rapid.OneOf(rapid.IntRange(1, 24), rapid.IntRange(1, 3000), rapid.IntRange(1, 200_000))
	rapid.Check(t, func(try *rapid.T) {
		seed++
		stream := stream{seed: seed, sizes: rapid.SliceOfN(size, 1, 12).Draw(try, "sizes")}
		cuts := rapid.SliceOfN(write, 1, 8).Draw(try, "writes")
		cuts[len(cuts)-1] = max(cuts[len(cuts)-1], stream.total()/64) // it repeats: keep the number of writes small
		if err := c.converse(stream, cuts); err != nil {
			c.close()
			c = srv.dial(t) // what is left on the old one would fail every later try
			try.Fatalf("%v", err)
		}
	})
}

func checkSingleBytes(t T, s *Suite) {
	srv := s.start(t, nil)
	c := srv.dial(t)
	sent := stream{seed: 1, sizes: []int{0, 1, 7, 8, 9, 0, 64, 30}}
	must(t, srv.trickle(c, sent.bytes()))
	must(t, c.expectStream(sent))
}

// trickle sends bytes one by one, each when the server has taken the one before, so that every read there
// is of one byte.
func (srv *server) trickle(c *client, b []byte) error {
	for i := range b {
		before := srv.service.Totals().BytesIn
		if err := c.send(b[i : i+1]); err != nil {
			return err
		}
		if !waitFor(srv.suite.Patience, func() bool { return srv.service.Totals().BytesIn > before }) {
			return fmt.Errorf("byte %d of %d was not read", i+1, len(b))
		}
	}
	return nil
}

func checkManyPackets(t T, s *Suite) {
	c := s.start(t, nil).dial(t)
	must(t, c.exchange(packets(1, 20_000, 16)))
	must(t, c.exchange(packets(2, 500, 3000)))
}

func checkEmpty(t T, s *Suite) {
	c := s.start(t, nil).dial(t)
	must(t, c.exchange(packets(1, 1, 0)))
	must(t, c.exchange(packets(2, 10_000, 0)))
}

func checkLargest(t T, s *Suite) {
	const largest = protocol.DefaultMaxPayload
	c := s.start(t, nil).dial(t)
	must(t, c.exchange(packets(1, 4, largest)))
	must(t, c.exchange(stream{seed: 2, sizes: []int{0, largest, 0, 100, largest - 1}}))
}

// checkSizes sends packets just below, at and above the sizes that buffers tend to have, each alone, so
// that an engine's read ends where the packet does.
func checkSizes(t T, s *Suite) {
	c := s.start(t, nil).dial(t)
	least := 9
	if testing.Short() {
		least = 13
	}
	for bits := least; bits <= 18; bits++ {
		for _, d := range []int{-1, 0, 1} {
			for _, size := range []int{1<<bits + d, 1<<bits - protocol.HeaderSize + d} {
				if err := c.exchange(packets(uint64(size), 1, size)); err != nil {
					t.Fatalf("payload of %d bytes: %v", size, err)
				}
			}
		}
	}
}

func checkPing(t T, s *Suite) {
	c := s.start(t, nil).dial(t)
	var all []byte
	data := packets(1, 2, 50)
	all = protocol.Append(all, protocol.Ping, nil)
	all = data.append(all, 0)
	all = protocol.Append(all, protocol.Ping, make([]byte, protocol.MaxPing))
	all = protocol.Append(all, protocol.Pong, []byte("unasked"))
	all = data.append(all, 1)
	for i := range 2 {
		if i == 0 {
			must(t, c.send(all))
		} else {
			must(t, c.sendCut(all, []int{5}))
		}
		for j, want := range []struct {
			kind    protocol.Kind
			payload []byte
		}{
			{protocol.Pong, nil}, {protocol.DataEcho, data.payload(0)},
			{protocol.Pong, make([]byte, protocol.MaxPing)}, {protocol.DataEcho, data.payload(1)},
		} {
			if err := c.expect(want.kind, want.payload); err != nil {
				t.Fatalf("%v", fmt.Errorf("round %d, reply %d: %w", i+1, j+1, err))
			}
		}
	}
}
