package iouring

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// kernelSide does to a ring of blocks what the kernel does: takes blocks in order and fills them.
type kernelSide struct {
	b      *buffers
	head   uint16
	at     int // in the block at head
	packed bool
}

// receive puts up to n bytes of value c into the block at the head; false if there is none.
func (k *kernelSide) receive(n int, c byte) (e cqe, ok bool) {
	if k.head == k.b.tail {
		return cqe{res: -int32(unix.ENOBUFS)}, false
	}
	entry := k.b.entries[int(k.head)%len(k.b.entries)]
	n = min(n, int(entry.len)-k.at)
	first := int(entry.bid)*k.b.size + k.at
	for i := range n {
		k.b.memory[first+i] = c
	}
	k.at += n
	e = cqe{res: int32(n), flags: cqeBuffer | uint32(entry.bid)<<cqeBufferShift}
	if k.packed && k.at < int(entry.len) {
		e.flags |= cqeBufferMore
	} else {
		k.head++
		k.at = 0
	}
	return e, true
}

// Whatever is received, joined and given back in whatever order: what is held keeps its bytes, and when all
// was given back the kernel has every block that it has not begun, once.
func TestBuffersKeepWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packed := rapid.Bool().Draw(t, "packed")
		count := 1 << rapid.IntRange(0, 3).Draw(t, "log of the number of blocks")
		b := plainBuffers(count, rapid.IntRange(1, 40).Draw(t, "size of a block"))
		k := &kernelSide{b: b, packed: packed}
		type held struct {
			piece piece
			want  []byte
		}
		var all []held
		step := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"receive": func(t *rapid.T) {
				step++
				n := rapid.IntRange(1, 60).Draw(t, "bytes")
				e, ok := k.receive(n, step)
				if !ok {
					return
				}
				want := bytes.Repeat([]byte{step}, int(e.res))
				if last := len(all) - 1; last >= 0 && rapid.Bool().Draw(t, "same connection") && b.extend(&all[last].piece, e) {
					all[last].want = append(all[last].want, want...)
				} else {
					all = append(all, held{b.take(e), want})
				}
			},
			"give back": func(t *rapid.T) {
				if len(all) == 0 {
					return
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				b.giveBack(all[i].piece)
				all = append(all[:i], all[i+1:]...)
			},
			"": func(t *rapid.T) {
				for _, h := range all {
					if got := b.bytes(h.piece); !bytes.Equal(got, h.want) {
						t.Fatalf("a piece that is held was %v and is %v", h.want, got)
					}
				}
				if len(all) > 0 {
					return
				}
				seen := map[uint16]bool{}
				for i := k.head; i != b.tail; i++ {
					seen[b.entries[int(i)%count].bid] = true
				}
				if len(seen) != count || int(b.tail-k.head) != count {
					t.Fatalf("nothing is held, and the kernel has %d blocks, %d different ones, of %d", b.tail-k.head, len(seen), count)
				}
			},
		})
	})
}

// plainBuffers are blocks that no ring has.
func plainBuffers(count, size int) *buffers {
	b := &buffers{size: size, blocks: make([]block, count), memory: make([]byte, count*size), entries: make([]providedBuffer, count)}
	for range count {
		b.provide()
	}
	return b
}

// The real kernel fills blocks as kernelSide does.
func TestBuffersFilledByKernel(t *testing.T) {
	for _, fill := range []string{fillPacked, fillSingle} {
		t.Run(fill, func(t *testing.T) {
			r := testRing(t, 8, 16)
			b, err := newBuffers(r, minBuffers, fill)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(b.close) // before the ring's own, which is harmless: nothing is under way by then
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[0])
			defer unix.Close(pair[1])
			r.sqe().receive(target{fd: int32(pair[0])}, makeKey(recvKind, 0, 0))
			k := &kernelSide{b: plainBuffers(len(b.blocks), b.size), packed: fill == fillPacked}
			for i := range 100 { // goes round several times
				want := bytes.Repeat([]byte{byte(i)}, 1500)
				if _, err := unix.Write(pair[1], want); err != nil {
					t.Fatal(err)
				}
				var batch []cqe
				for len(want) > 0 {
					if len(batch) == 0 {
						batch = waitForSome(t, r)
					}
					e := batch[0]
					batch = batch[1:]
					expected, _ := k.receive(len(want), byte(i))
					if e.flags&^(cqeMore|cqeSockNonEmpty) != expected.flags || e.res != expected.res {
						t.Fatalf("receive %d: got %+v, want %+v", i, e, expected)
					}
					p, q := b.take(e), k.b.take(expected)
					if p != q || !bytes.Equal(b.bytes(p), want[:e.res]) {
						t.Fatalf("receive %d: piece %v, want %v, or other bytes", i, p, q)
					}
					want = want[e.res:]
					b.giveBack(p)
					k.b.giveBack(q)
					b.publish()
				}
			}
		})
	}
}
