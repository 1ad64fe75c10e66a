package timer

import (
	"sync"
	"time"
)

// Service files deadlines for engines whose connections are served by goroutines that they don't own: it
// calls fire from a goroutine of its own when a deadline has come. It is safe for concurrent use.
type Service struct {
	fire func(key uint64)
	now  func() time.Duration

	mu     sync.Mutex
	heap   Heap
	closed bool
	asleep time.Duration // until when run sleeps; 0: for good
	wake   chan struct{}
	done   chan struct{}
}

// NewService starts a service. Close ends it. fire gets the key that was filed, must not block for long, and
// may call Add.
func NewService(now func() time.Duration, fire func(key uint64)) *Service {
	s := &Service{fire: fire, now: now, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// Add files key for the time at.
func (s *Service) Add(at time.Duration, key uint64) {
	s.mu.Lock()
	s.heap.Add(at, key)
	earlier := s.asleep == 0 || at < s.asleep
	s.mu.Unlock()
	if earlier {
		s.poke()
	}
}

// Forget says that nothing is to come of what key was filed for: see Heap.Forget. A call of fire may be under way.
func (s *Service) Forget(key uint64) {
	s.mu.Lock()
	s.heap.Forget(key)
	s.mu.Unlock()
}

// Close ends the service; fire is not called any more when it returns. It must not be called from fire.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.poke()
	<-s.done
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

func (s *Service) run() {
	defer close(s.done)
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		now := s.now()
		key, due := s.heap.Due(now)
		s.asleep = s.heap.Next()
		next := s.asleep
		s.mu.Unlock()
		if due {
			s.fire(key)
			continue
		}
		if next == 0 {
			<-s.wake
			continue
		}
		t.Reset(next - now)
		select {
		case <-t.C:
		case <-s.wake:
		}
	}
}
