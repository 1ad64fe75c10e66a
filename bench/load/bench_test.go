package load

import (
	"fmt"
	"testing"

	"echosrv/protocol"
)

// turnaround is what a flow does for one batch: start it, give it away, check its echo.
func turnaround(f *flow, m *meter, echo []byte) {
	f.start(1, 1, f.room())
	for f.hasOutput() {
		a, b := f.output()
		f.wrote(len(a) + len(b))
	}
	f.receive(2, echo, m)
}

// batches are the echoes of depth packets, from each packet of the script on.
func batches(s *script, depth int) [][]byte {
	all := make([][]byte, s.packets())
	for i := range all {
		for j := range depth {
			all[i] = append(all[i], s.expected(i+j)...)
		}
	}
	return all
}

func TestPlainPathAllocatesNothing(t *testing.T) {
	for _, size := range []int{0, 64, 65536} {
		f := newFlow(newScript(Fixed(size), 16, 1, false), 1, 16, 1)
		m := newTestMeter()
		all := batches(f.script, f.depth)
		n := 0
		allocs := testing.AllocsPerRun(50, func() {
			turnaround(&f, m, all[f.next])
			n += f.depth
		})
		if allocs > 0 || f.aside != nil || int(m.packets) != n {
			t.Errorf("%d bytes: %g allocations for each batch, %d packets of %d", size, allocs, m.packets, n)
		}
	}
}

func BenchmarkFlow(b *testing.B) {
	for _, c := range []struct{ depth, size int }{{1, 128}, {1, 1024}, {16, 64}, {4, 512}, {1, 65536}} {
		b.Run(fmt.Sprintf("%dx%d", c.depth, c.size), func(b *testing.B) {
			f := newFlow(newScript(Fixed(c.size), c.depth, 1, false), 1, c.depth, 1)
			m := newTestMeter()
			all := batches(f.script, c.depth)
			b.SetBytes(int64(c.depth * (c.size + protocol.HeaderSize)))
			b.ReportAllocs()
			for b.Loop() {
				turnaround(&f, m, all[f.next])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.depth), "ns/packet")
		})
	}
}
