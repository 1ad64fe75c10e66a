package sock

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Waker wakes a loop that waits for its descriptor to become readable (eventfd(2)). Wake may be called
// from any goroutine, after Close too.
type Waker struct {
	FD int

	mu     sync.Mutex
	closed bool
}

// NewWaker makes a waker. Its descriptor is non-blocking.
func NewWaker() (*Waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &Waker{FD: fd}, nil
}

// Wake makes the descriptor readable.
func (w *Waker) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		one := [8]byte{1}
		// EAGAIN means that the counter is full, so that the loop has been woken already.
		_, _ = unix.Write(w.FD, one[:])
	}
}

// Clear makes the descriptor unreadable again. The loop calls it before it looks for what it was woken for.
func (w *Waker) Clear() {
	var count [8]byte
	_, _ = unix.Read(w.FD, count[:])
}

// Close closes the descriptor.
func (w *Waker) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		unix.Close(w.FD)
	}
}
