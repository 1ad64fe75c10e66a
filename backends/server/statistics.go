package server

import (
	"errors"
	"sync/atomic"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// CloseReason says, coarsely, why a connection ended.
type CloseReason int

// The reasons for the end of a connection.
const (
	CloseFinished     CloseReason = iota // the peer ended its input and got every reply
	CloseReset                           // the peer reset the connection, or reading or writing failed
	CloseError                           // after an ERROR packet
	CloseWriteTimeout                    // the peer took no replies for too long
	CloseNoPause                         // the outbox was full and the engine can't pause reading
	CloseStopped                         // the server ended
	CloseOther                           // anything else
	closeReasons
)

var closeReasonNames = [closeReasons]string{"finished", "reset", "error", "write-timeout", "no-pause", "stopped", "other"}

func (r CloseReason) String() string { return closeReasonNames[r] }

// CloseReasons are all of them.
func CloseReasons() []CloseReason {
	all := make([]CloseReason, closeReasons)
	for i := range all {
		all[i] = CloseReason(i)
	}
	return all
}

// classify finds the coarse reason for the end of a connection; nil is a connection that finished.
func classify(reason error) CloseReason {
	var v *protocol.Violation
	switch {
	case reason == nil:
		return CloseFinished
	case errors.As(reason, &v):
		return CloseError
	case errors.Is(reason, backends.ErrReset):
		return CloseReset
	case errors.Is(reason, session.ErrWriteTimeout):
		return CloseWriteTimeout
	case errors.Is(reason, backends.ErrNoPause):
		return CloseNoPause
	case errors.Is(reason, backends.ErrStopped):
		return CloseStopped
	}
	return CloseOther
}

// tally counts what events saw. Nothing in it is touched on the plain path of a packet.
type tally struct {
	errors                        [protocol.CodeShuttingDown + 1]atomic.Uint64
	closes                        [closeReasons]atomic.Uint64
	cutOff, unanswered            atomic.Uint64
	configChanges, configRefusals atomic.Uint64
}

// Active is what an engine may offer besides backends.Backend: counts of what its loops did, since the
// start. It is called from any goroutine.
type Active interface {
	// Activity is the number of turns of all loops, and of reads and writes tried on sockets.
	Activity() (turns, reads, writes uint64)
}

// Activity is what the loops of an engine did.
type Activity struct {
	Known                bool // the engine counts
	Turns, Reads, Writes uint64
}

// Statistics are what a server did and what it holds, at one moment.
type Statistics struct {
	session.Totals
	// Open is the number of connections, Queued the bytes that wait in all outboxes.
	Open, Queued int
	// Errors are the ERROR packets sent, by code.
	Errors [protocol.CodeShuttingDown + 1]uint64
	// Closes are the connections that ended, by reason.
	Closes [closeReasons]uint64
	// CutOff are the connections that the server's stop ended before they had finished, Unanswered those of
	// them that had not taken all their replies, or were held back by a limit, so that packets may have
	// waited unread.
	CutOff, Unanswered uint64
	// ConfigChanges are the configurations put in force while running, ConfigRefusals those that had a
	// fault.
	ConfigChanges, ConfigRefusals uint64
	Pool                          buffer.Statistics
	// Delays are the times from read to write of a sample of packets; empty without an admin server.
	Delays   Delays
	Activity Activity
	Draining bool
}

// Statistics adds up what the server did so far.
func (s *Server) Statistics() Statistics {
	t := &s.events.tally
	out := Statistics{
		Totals: s.service.Totals(), Open: s.service.Connections(), Queued: s.service.Queued(), Pool: s.service.Pool().Stats(),
		Delays: s.delays.read(), CutOff: t.cutOff.Load(), Unanswered: t.unanswered.Load(), Draining: s.draining.Load(),
		ConfigRefusals: t.configRefusals.Load(), ConfigChanges: t.configChanges.Load(),
	}
	if a, ok := s.backend.(Active); ok {
		out.Activity.Known = true
		out.Activity.Turns, out.Activity.Reads, out.Activity.Writes = a.Activity()
	}
	for i := range out.Errors {
		out.Errors[i] = t.errors[i].Load()
	}
	for i := range out.Closes {
		out.Closes[i] = t.closes[i].Load()
	}
	return out
}
