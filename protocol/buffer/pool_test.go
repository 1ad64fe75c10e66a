package buffer

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Every size finds a class that holds it and wastes at most a quarter, and classes grow with size.
func TestClassesFit(t *testing.T) {
	last := -1
	for n := 0; n <= MaxPooled; n += 1 + n/97 {
		c, size := classOf(n)
		if size < n || n > MinSize && size > n+n/4+1 {
			t.Fatalf("%d bytes got a buffer of %d", n, size)
		}
		if c < last || c >= unpooled {
			t.Fatalf("%d bytes got class %d after %d, there are %d", n, c, last, classes)
		}
		last = c
	}
	sizes := map[int]int{}
	for n := 1; n <= MaxPooled; n += 13 {
		c, size := classOf(n)
		if had, ok := sizes[c]; ok && had != size {
			t.Fatalf("class %d has sizes %d and %d", c, had, size)
		}
		sizes[c] = size
	}
	if c, size := classOf(MaxPooled + 1); c != unpooled || size != MaxPooled+1 {
		t.Errorf("one byte above MaxPooled got class %d, size %d", c, size)
	}
}

// A buffer goes back with its last reference, not before, and is handed out again.
func TestReleaseGivesBackOnce(t *testing.T) {
	p := NewPool(0)
	b := p.Get(1000)
	b.Retain()
	b.Release()
	if s := p.Stats(); s.InUse != 1 || s.IdleBytes != 0 {
		t.Fatalf("with one reference left: %+v", s)
	}
	size := int64(len(b.Bytes()))
	b.Release()
	if s := p.Stats(); s.InUse != 0 || s.InUseBytes != 0 || s.IdleBytes != size {
		t.Fatalf("with none left: %+v", s)
	}
	if again := p.Get(1000); again != b {
		t.Error("the idle buffer was not used again")
	}
	if s := p.Stats(); s.Gets != 2 || s.Allocations != 1 {
		t.Errorf("two buffers from one allocation: %+v", s)
	}
}

func TestMisuseOfReferencesPanics(t *testing.T) {
	for name, misuse := range map[string]func(*Buffer){
		"Release": func(b *Buffer) { b.Release() },
		"Retain":  func(b *Buffer) { b.Retain() },
	} {
		b := NewPool(0).Get(1)
		b.Release()
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(r.(string), name) {
					t.Errorf("%s of a buffer that nobody holds: recovered %v", name, r)
				}
			}()
			misuse(b)
		}()
	}
}

func TestPoolKeepsNoMoreThanItMay(t *testing.T) {
	p := NewPool(1000)
	a, b := p.Get(600), p.Get(600)
	a.Release()
	b.Release()
	if s := p.Stats(); s.IdleBytes > 1000 || s.IdleBytes < 600 {
		t.Errorf("idle bytes %d, want one buffer of at least 600 and at most 1000 in all", s.IdleBytes)
	}
	big := NewPool(0)
	big.Get(MaxPooled + 1).Release()
	if s := big.Stats(); s.IdleBytes != 0 {
		t.Errorf("a buffer above MaxPooled was kept: %+v", s)
	}
}

func TestPreallocate(t *testing.T) {
	p := NewPool(1 << 20)
	if err := p.Preallocate(10, 1000); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		p.Get(1000)
	}
	if s := p.Stats(); s.Allocations != 0 || s.IdleBytes != 0 {
		t.Errorf("ten buffers after preallocating ten: %+v", s)
	}
	if err := p.Preallocate(2000, 1000); err == nil {
		t.Error("more than the pool keeps was preallocated")
	}
	if err := p.Preallocate(1, MaxPooled+1); err == nil {
		t.Error("a buffer that is never pooled was preallocated")
	}
}

// Many goroutines on one pool: nobody gets a buffer that another still holds, and all come back.
func TestPoolIsSafeForConcurrentUse(t *testing.T) {
	p := NewPool(0)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				b := p.Get(i % 3000)
				for _, at := range []int{0, len(b.Bytes()) - 1} {
					b.Bytes()[at] = byte(g)
				}
				runtime.Gosched()
				if b.Bytes()[0] != byte(g) || b.Bytes()[len(b.Bytes())-1] != byte(g) {
					t.Error("somebody else wrote to a buffer that was held")
				}
				b.Release()
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.InUse != 0 || s.Gets != 16000 {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestLeaksNameTheTaker(t *testing.T) {
	p := NewPool(0)
	b := p.Get(10)
	p.Get(10).Release()
	leaks := p.Leaks()
	if !Tracing {
		if len(leaks) != 0 {
			t.Errorf("leaks without tracing: %v", leaks)
		}
		return
	}
	if len(leaks) != 1 || !strings.Contains(leaks[0], "TestLeaksNameTheTaker") {
		t.Errorf("want one leak that names this test, got %v", leaks)
	}
	b.Release()
	if leaks := p.Leaks(); len(leaks) != 0 {
		t.Errorf("after release: %v", leaks)
	}
}

func TestAnyUseOfAPoolBalances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPool(rapid.IntRange(-1, 100_000).Draw(t, "retain"))
		var held []*Buffer
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) { held = append(held, p.Get(rapid.IntRange(0, 9000).Draw(t, "size"))) },
			"retain": func(t *rapid.T) {
				if len(held) > 0 {
					held = append(held, held[rapid.IntRange(0, len(held)-1).Draw(t, "which")].Retain())
				}
			},
			"release": func(t *rapid.T) {
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
					held[i].Release()
					held = append(held[:i], held[i+1:]...)
				}
			},
			"": func(t *rapid.T) {
				distinct := map[*Buffer]int{}
				bytes := 0
				for _, b := range held {
					if distinct[b]++; distinct[b] == 1 {
						bytes += len(b.Bytes())
					}
				}
				if s := p.Stats(); s.InUse != int64(len(distinct)) || s.InUseBytes != int64(bytes) {
					t.Fatalf("%d buffers of %d bytes are held, the pool says %+v", len(distinct), bytes, s)
				}
				for b, n := range distinct {
					if b.Refs() != n {
						t.Fatalf("%d references are held, the buffer says %d", n, b.Refs())
					}
				}
			},
		})
	})
}
