package backendtest

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"echosrv/backends"
	"echosrv/protocol/session"
)

// watched is a session that holds its engine to the contract: every call is checked, then passed on. It
// outlives the session, so a call that comes after Close is seen too.
type watched struct {
	*session.Session
	server *server

	busy   atomic.Bool
	closed atomic.Bool
	now    time.Duration // of the last call that took a time
	reply  []byte        // not yet settled
	eof    bool
	extra  int // bytes received since reading was paused
}

// mostExtra is how many bytes an engine may still deliver after the session paused: those that it had
// read when it learned of the pause.
const mostExtra = 1 << 20

// enter notes that a call has begun, and reports whether it may go on.
func (w *watched) enter(call string) bool {
	if w.closed.Load() {
		w.server.fault("%s was called after Close", call)
		return false
	}
	if !w.busy.CompareAndSwap(false, true) {
		w.server.fault("%s was called while another call was going on: two goroutines own the session", call)
		return false
	}
	return true
}

func (w *watched) leave() { w.busy.Store(false) }

// timed is enter for the calls that take a time.
func (w *watched) timed(call string, now time.Duration) bool {
	if !w.enter(call) {
		return false
	}
	if now <= 0 {
		w.server.fault("%s was given the time %d; times are from backends.Now and more than zero", call, now)
	}
	// Engines may read the clock once per turn and serve timers, drains and reads with it.
	if now < w.now {
		w.server.fault("%s was given a time %s before that of the last call", call, w.now-now)
	}
	w.now = now
	if w.reply != nil && call != "Sent" {
		w.server.fault("%s was called before Sent settled the last reply", call)
		w.reply = nil
	}
	return true
}

func (w *watched) Receive(now time.Duration, b []byte) []byte {
	if !w.timed("Receive", now) {
		return nil
	}
	defer w.leave()
	switch {
	case len(b) == 0:
		w.server.fault("Receive was called with no bytes")
		return nil
	case w.eof:
		w.server.fault("Receive was called after EOF")
	}
	w.countPaused(len(b))
	w.reply = w.Session.Receive(now, b)
	if len(w.reply) == 0 {
		w.reply = nil
	}
	return w.reply
}

func (w *watched) countPaused(n int) {
	if w.Session.Reading() {
		w.extra = 0
		return
	}
	w.extra += n
	if w.extra > mostExtra && w.server.suite.Engine.Capabilities.PauseReads {
		w.server.fault("%d bytes were received although the session had paused reading; %d may be under way", w.extra, mostExtra)
		w.extra = -1 << 40 // once per connection
	}
}

func (w *watched) Sent(now time.Duration, n int, reply []byte) {
	if !w.timed("Sent", now) {
		return
	}
	defer w.leave()
	if len(reply) != len(w.reply) || len(reply) > 0 && unsafe.SliceData(reply) != unsafe.SliceData(w.reply) {
		w.server.fault("Sent was called with %d bytes of reply, Receive had returned %d others", len(reply), len(w.reply))
		reply = w.reply
	}
	if most := w.Session.Queued() + len(reply); n < 0 || n > most {
		w.server.fault("Sent was called with %d bytes, %d were there to be sent", n, most)
		n = most
	}
	w.reply = nil
	w.Session.Sent(now, n, reply)
}

func (w *watched) EOF(now time.Duration) {
	if w.timed("EOF", now) {
		defer w.leave()
		w.eof = true
		w.Session.EOF(now)
	}
}

func (w *watched) Drain(now time.Duration) {
	if w.timed("Drain", now) {
		defer w.leave()
		w.Session.Drain(now)
	}
}

func (w *watched) Expire(now time.Duration) {
	if w.timed("Expire", now) {
		defer w.leave()
		w.Session.Expire(now)
	}
}

func (w *watched) Close(reason error) {
	if !w.enter("Close") {
		return
	}
	defer w.leave()
	known := errors.Is(reason, backends.ErrReset) || errors.Is(reason, backends.ErrStopped) || errors.Is(reason, backends.ErrNoPause)
	switch {
	case reason == nil && !w.Session.Done():
		w.server.fault("Close was called without a reason, but the session was not done")
	case reason != nil && !known:
		w.server.fault("Close was called with the reason %q, which is none of ErrReset, ErrStopped and ErrNoPause", reason)
	case errors.Is(reason, backends.ErrNoPause) && w.server.suite.Engine.Capabilities.PauseReads:
		w.server.fault("Close was called with ErrNoPause by an engine that claims to pause")
	}
	w.Session.Close(reason)
	w.closed.Store(true)
}

func (w *watched) Pending(dst [][]byte) [][]byte {
	if !w.enter("Pending") {
		return dst
	}
	defer w.leave()
	return w.Session.Pending(dst)
}

func (w *watched) Queued() int {
	if !w.enter("Queued") {
		return 0
	}
	defer w.leave()
	return w.Session.Queued()
}

func (w *watched) Reading() bool {
	if !w.enter("Reading") {
		return false
	}
	defer w.leave()
	return w.Session.Reading()
}

func (w *watched) Ending() bool {
	if !w.enter("Ending") {
		return true
	}
	defer w.leave()
	return w.Session.Ending()
}

func (w *watched) Done() bool {
	if !w.enter("Done") {
		return true
	}
	defer w.leave()
	return w.Session.Done()
}

func (w *watched) Deadline() time.Duration {
	if !w.enter("Deadline") {
		return 0
	}
	defer w.leave()
	return w.Session.Deadline()
}
