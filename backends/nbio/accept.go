package nbio

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"echosrv/backends"
)

// listener is what the library accepts from. Its Accept returns nothing but newcomers until Close.
type listener struct {
	net.Listener
	config  backends.Config
	started chan struct{} // closed when newcomers may be accepted
	left    chan struct{} // closed when there are to be none any more
	parked  chan struct{} // closed when the library has seen the last one
	closed  chan struct{} // closed when the library stops
	failed  chan error    // gets an error of accept that won't pass

	startOnce, leaveOnce, parkOnce, closeOnce sync.Once
}

func listen(config backends.Config) (*listener, error) {
	inner, err := net.Listen("tcp", config.Address)
	if err != nil {
		return nil, err
	}
	return &listener{
		Listener: inner,
		config:   config,
		started:  make(chan struct{}),
		left:     make(chan struct{}),
		parked:   make(chan struct{}),
		closed:   make(chan struct{}),
		failed:   make(chan error, 1),
	}, nil
}

// start lets newcomers in.
func (l *listener) start() { l.startOnce.Do(func() { close(l.started) }) }

// leave gives the port up, and waits until the library has taken in whom it had accepted.
func (l *listener) leave() {
	l.leaveOnce.Do(func() {
		close(l.left)
		l.Listener.Close()
	})
	<-l.parked
}

// Close is called by the library when it stops.
func (l *listener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		l.Listener.Close()
	})
	return nil
}

// Accept gives the next newcomer.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.started:
		if newcomer := l.next(); newcomer != nil {
			return newcomer, nil
		}
	case <-l.left:
	}
	l.parkOnce.Do(func() { close(l.parked) })
	<-l.closed
	return nil, net.ErrClosed
}

// Accepting pauses this long when there is no descriptor left, twice as long each time.
const (
	minPause = 10 * time.Millisecond
	maxPause = 100 * time.Millisecond
	logEvery = time.Second
)

// next waits for a newcomer; nil if there are to be none any more.
func (l *listener) next() net.Conn {
	var pause, logged time.Duration
	for {
		newcomer, err := l.Listener.Accept()
		if err == nil {
			return newcomer
		}
		select {
		case <-l.left:
			return nil
		default:
		}
		if !passing(err) {
			l.failed <- err
			return nil
		}
		if now := backends.Now(); logged == 0 || now-logged >= logEvery {
			logged = now
			l.config.Log.Warn("can't accept connections for now; those that are open go on", "error", err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		select {
		case <-l.left:
			return nil
		case <-time.After(pause):
		}
	}
}

// passing says whether accept may work again later: the errors that accept(2) names for a lack of
// descriptors or memory.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
