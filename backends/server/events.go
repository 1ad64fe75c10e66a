package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/session"
)

// events turns what happens in sessions into log lines. It is called from the engine's loops, so what
// repeats is rate-limited and what isn't logged costs no more than a comparison.
type events struct {
	log        *slog.Logger
	violations throttle
	drops      throttle
	closes     throttle
	cutOff     atomic.Uint64
}

func newEvents(log *slog.Logger) *events { return &events{log: log} }

// Violation logs a broken rule or limit.
func (e *events) Violation(s *session.Session, v *protocol.Violation) {
	if v.Code == protocol.CodeShuttingDown {
		e.cutOff.Add(1)
	}
	if ok, held := e.violations.allow(backends.Now()); ok {
		e.log.Warn("a connection broke a rule and is being closed", "connection", s.ID(), "peer", s.RemoteAddr(),
			"code", uint32(v.Code), "reason", v.Error(), "suppressed", held)
	}
}

// Dropped logs discarded packets.
func (e *events) Dropped(s *session.Session, packets int) {
	if ok, held := e.drops.allow(backends.Now()); ok {
		e.log.Warn("the outbox is full: the newest packets are discarded", "connection", s.ID(), "peer", s.RemoteAddr(),
			"packets", packets, "suppressed", held)
	}
}

// Closed logs the end of a connection: as a warning if the server gave it up, else for debugging.
func (e *events) Closed(s *session.Session, reason error) {
	if errors.Is(reason, backends.ErrStopped) {
		e.cutOff.Add(1)
	}
	if errors.Is(reason, backends.ErrNoPause) || errors.Is(reason, session.ErrWriteTimeout) {
		if ok, held := e.closes.allow(backends.Now()); ok {
			e.log.Warn("a connection was given up", "connection", s.ID(), "peer", s.RemoteAddr(), "reason", reason, "suppressed", held)
		}
		return
	}
	if !e.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	packets, bytes := s.Received()
	text := "the peer finished"
	if reason != nil {
		text = reason.Error()
	}
	e.log.Debug("connection closed", "connection", s.ID(), "peer", s.RemoteAddr(), "reason", text, "packets", packets, "bytes", bytes)
}
