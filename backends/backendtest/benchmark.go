package backendtest

import (
	"fmt"
	"io"
	"log/slog"
	"testing"

	"echosrv/backends"
	"echosrv/protocol"
)

// Benchmark has one client exchange packets with a server, so that ReportAllocs shows what the plain path
// of an engine allocates. The client allocates nothing. What an engine costs is measured by cmd/bench,
// from another process.
func Benchmark(b *testing.B, e backends.Engine) {
	for _, shape := range []struct{ depth, size int }{{1, 1024}, {16, 64}, {1, 65536}} {
		b.Run(fmt.Sprintf("depth=%d/size=%d", shape.depth, shape.size), func(b *testing.B) {
			turn := bursts(b, e, shape.depth, shape.size)
			b.ReportAllocs()
			b.SetBytes(int64(shape.depth * shape.size))
			for b.Loop() {
				turn()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*shape.depth), "ns/packet")
		})
	}
}

// CheckAllocations fails if an engine allocates for each packet that it echoes.
func CheckAllocations(t T, e backends.Engine) {
	const turns = 500
	turn := bursts(t, e, 4, 1024)
	if n := testing.AllocsPerRun(turns, turn); n >= 1 {
		t.Errorf("%s allocates %.0f times for 4 packets of 1 KiB", e.Name, n)
	}
}

// bursts starts a server and returns a function that sends depth packets at once and waits for them.
func bursts(t T, e backends.Engine, depth, size int) (turn func()) {
	s := &Suite{Engine: e, Log: slog.New(slog.DiscardHandler)}
	s.prepare(t)
	srv := s.start(t, nil)
	c := srv.dial(t)
	request := packets(1, depth, size).bytes()
	reply := make([]byte, len(request))
	turn = func() {
		if _, err := c.conn.Write(request); err != nil {
			t.Fatalf("%v", err)
		}
		if _, err := io.ReadFull(c.conn, reply); err != nil {
			t.Fatalf("%v", err)
		}
		if protocol.ParseHeader(reply).Kind != protocol.DataEcho {
			t.Fatalf("got %x", reply[:protocol.HeaderSize])
		}
	}
	for range 200 {
		turn() // pools fill, and deadlines are set for the first time
	}
	return turn
}
