package server

import (
	"time"

	"echosrv/backends"
	"echosrv/protocol/session"
)

// maxWork bounds Options.Work: a packet may hold up all others on its thread that long.
const maxWork = time.Second

// working is a session that computes for each packet before it answers, as a server with more to do than to
// echo would: it stands for that work, and shows where one thread stops being enough.
type working struct {
	*session.Session
	each time.Duration
}

// Receive answers as the session does, later.
func (w *working) Receive(now time.Duration, b []byte) []byte {
	before, _ := w.Received()
	reply := w.Session.Receive(now, b)
	after, _ := w.Received()
	for end := backends.Now() + time.Duration(after-before)*w.each; backends.Now() < end; {
		// Nothing to do but to use the time up.
	}
	return reply
}
