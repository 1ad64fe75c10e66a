package buffer

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is a queue as simple as it can be.
type model struct{ packets [][]byte }

func (m *model) bytes() []byte { return bytes.Join(m.packets, nil) }

func (m *model) discard(n int) {
	for n > 0 {
		if len(m.packets[0]) > n {
			m.packets[0] = m.packets[0][n:]
			return
		}
		n -= len(m.packets[0])
		m.packets = m.packets[1:]
	}
}

// Whatever is done to a queue, it holds the bytes that a simple list of packets would, counts as that
// would, and gives every buffer back.
func TestQueueBehavesLikeAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPool(0)
		var q, other Queue
		var m model
		serial := byte(0)
		packet := func(t *rapid.T) []byte {
			size := rapid.SampledFrom([]int{1, 2, 7, 64, 65, 1000, 70_000}).Draw(t, "size")
			serial++
			return bytes.Repeat([]byte{serial}, size)
		}
		t.Repeat(map[string]func(*rapid.T){
			"copy": func(t *rapid.T) {
				b := packet(t)
				q.PushCopy(p, b, len(b)+rapid.IntRange(0, 1000).Draw(t, "more"))
				m.packets = append(m.packets, b)
			},
			"push": func(t *rapid.T) {
				b := packet(t)
				buf := p.Get(len(b) + 3)
				copy(buf.Bytes()[3:], b)
				q.Push(buf, 3, len(b))
				m.packets = append(m.packets, b)
			},
			"move": func(t *rapid.T) {
				for range rapid.IntRange(0, 30).Draw(t, "packets") {
					b := packet(t)
					other.PushCopy(p, b, len(b))
					m.packets = append(m.packets, b)
				}
				q.Move(&other)
			},
			"discard": func(t *rapid.T) {
				n := rapid.IntRange(0, q.Len()).Draw(t, "n")
				q.Discard(n)
				m.discard(n)
			},
			"pin": func(t *rapid.T) {
				n := rapid.IntRange(0, q.Len()).Draw(t, "n")
				pins := q.Pin(nil, n)
				held := 0
				for _, b := range pins {
					held += len(b.Bytes())
					b.Release()
				}
				if held < n {
					t.Fatalf("pinned %d bytes, want at least %d", held, n)
				}
			},
			"reset": func(t *rapid.T) {
				q.Reset()
				m = model{}
			},
			"": func(t *rapid.T) {
				want := m.bytes()
				got := bytes.Join(q.Peek(make([][]byte, 0, 1000), q.Len()), nil)
				if !bytes.Equal(got, want) {
					t.Fatalf("holds %d bytes, want %d, or others", len(got), len(want))
				}
				if q.Len() != len(want) || q.Packets() != len(m.packets) {
					t.Fatalf("counts %d bytes and %d packets, want %d and %d", q.Len(), q.Packets(), len(want), len(m.packets))
				}
				part := rapid.IntRange(0, q.Len()).Draw(t, "part")
				if got := bytes.Join(q.Peek(make([][]byte, 0, 1000), part), nil); !bytes.Equal(got, want[:part]) {
					t.Fatalf("asked for %d bytes, got %d, or others", part, len(got))
				}
				few := q.Peek(make([][]byte, 0, 2), q.Len())
				if joined := bytes.Join(few, nil); len(few) > 2 || !bytes.HasPrefix(want, joined) {
					t.Fatalf("%d slices that are not the beginning", len(few))
				}
			},
		})
		q.Reset()
		if q != (Queue{}) {
			t.Fatalf("after Reset: %+v", q)
		}
		if s := p.Stats(); s.InUse != 0 {
			t.Fatalf("buffers left in use: %+v %v", s, p.Leaks())
		}
	})
}

func TestEmptyQueueHoldsNoBuffer(t *testing.T) {
	p := NewPool(0)
	var q Queue
	for range 3 * chunkPieces {
		q.PushCopy(p, []byte("packet"), 6)
	}
	q.Discard(q.Len())
	if q != (Queue{}) || p.Stats().InUse != 0 {
		t.Errorf("drained queue is %+v, pool %+v", q, p.Stats())
	}
}

// Small packets copied together share a buffer, and go out as one slice.
func TestCopiesShareABuffer(t *testing.T) {
	p := NewPool(0)
	var q Queue
	defer q.Reset()
	for i := range 10 {
		q.PushCopy(p, []byte("0123456789"), 100-10*i)
	}
	if s := p.Stats(); s.Gets != 1 {
		t.Errorf("%d buffers for ten packets of ten bytes, want 1", s.Gets)
	}
	if got := q.Peek(make([][]byte, 0, 10), q.Len()); len(got) != 1 || len(got[0]) != 100 {
		t.Errorf("peeked %d slices, want one of 100 bytes", len(got))
	}
}

func TestJudge(t *testing.T) {
	p := NewPool(0)
	var q Queue
	defer q.Reset()
	l := Limits{Bytes: 100, Packets: 3}
	verdicts := func(n int) []Verdict {
		var v []Verdict
		for _, policy := range []Policy{Block, Drop, Close} {
			l.Policy = policy
			v = append(v, q.Judge(&l, n))
		}
		return v
	}
	room := []Verdict{Accept, Accept, Accept}
	full := []Verdict{Pause, Discard, Refuse}
	if got := verdicts(1000); !slices.Equal(got, room) {
		t.Errorf("an empty queue must take any packet: %v", got)
	}
	q.PushCopy(p, make([]byte, 60), 60)
	if got := verdicts(40); !slices.Equal(got, room) {
		t.Errorf("60 and 40 bytes of 100: %v", got)
	}
	if got := verdicts(41); !slices.Equal(got, full) {
		t.Errorf("60 and 41 bytes of 100: %v", got)
	}
	if q.BelowHalf(&l) {
		t.Error("60 of 100 bytes is not below half")
	}
	q.Discard(20)
	if !q.BelowHalf(&l) {
		t.Error("40 of 100 bytes and 1 of 3 packets is below half")
	}
	q.PushCopy(p, make([]byte, 1), 1)
	if q.BelowHalf(&l) {
		t.Error("2 of 3 packets is not below half")
	}
	q.PushCopy(p, make([]byte, 1), 1)
	if got := verdicts(1); !slices.Equal(got, full) {
		t.Errorf("3 packets of 3: %v", got)
	}
}

func BenchmarkQueue(b *testing.B) {
	p := NewPool(0)
	packet := make([]byte, 1032)
	var q Queue
	var scratch [8][]byte
	b.ReportAllocs()
	for b.Loop() {
		q.PushCopy(p, packet, len(packet))
		q.Peek(scratch[:0], q.Len())
		q.Discard(q.Len())
	}
}

func BenchmarkPool(b *testing.B) {
	p := NewPool(0)
	b.ReportAllocs()
	for b.Loop() {
		p.Get(1032).Release()
	}
}
