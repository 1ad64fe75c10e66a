//go:build buffertrace

package buffer

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
)

// Tracing says whether buffers remember who took them.
const Tracing = true

// trace is what happened to a buffer since it was last handed out.
type trace struct{ events []string }

type tracer struct {
	mu   sync.Mutex
	held map[*Buffer]struct{}
}

func (t *tracer) note(b *Buffer, what string) {
	b.trace.events = append(b.trace.events, fmt.Sprintf("%s, references now %d\n%s", what, b.Refs(), debug.Stack()))
}

func (t *tracer) got(b *Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[*Buffer]struct{}{}
	}
	t.held[b] = struct{}{}
	b.trace.events = nil
	t.note(b, "taken")
}

func (t *tracer) retained(b *Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(b, "retained")
}

func (t *tracer) released(b *Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(b, "released")
}

func (t *tracer) returned(b *Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, b)
}

func (t *tracer) leaks() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for b := range t.held {
		all = append(all, fmt.Sprintf("buffer of %d bytes: %s", len(b.data), strings.Join(b.trace.events, "\n")))
	}
	return all
}
