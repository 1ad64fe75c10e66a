package server

import (
	"context"
	"log/slog"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/session"
)

// events counts what happens in sessions and turns it into log lines. It is called from the engine's
// loops, so what repeats is rate-limited and what isn't logged costs no more than a comparison.
type events struct {
	log *slog.Logger
	tally
	violations throttle
	drops      throttle
	closes     throttle
}

func newEvents(log *slog.Logger) *events { return &events{log: log} }

// Violation logs a broken rule or limit.
func (e *events) Violation(s *session.Session, v *protocol.Violation) {
	if int(v.Code) < len(e.tally.errors) {
		e.tally.errors[v.Code].Add(1)
	}
	if v.Code == protocol.CodeShuttingDown {
		e.cutOff.Add(1)
		if own := len(protocol.AppendError(nil, v.Code, v.Sentence)); s.Queued() > own || s.HeldBack() {
			e.unanswered.Add(1)
		}
	}
	if ok, held := e.violations.allow(backends.Now()); ok {
		e.log.Warn(msgViolation, "connection", s.ID(), "peer", s.RemoteAddr(),
			"code", uint32(v.Code), "reason", v.Error(), "suppressed", held)
	}
}

// Dropped logs discarded packets.
func (e *events) Dropped(s *session.Session, packets int) {
	if ok, held := e.drops.allow(backends.Now()); ok {
		e.log.Warn(msgDropped, "connection", s.ID(), "peer", s.RemoteAddr(),
			"packets", packets, "suppressed", held)
	}
}

// Closed logs the end of a connection: as a warning where the server gave it up and no ERROR said so, else
// for debugging.
func (e *events) Closed(s *session.Session, reason error) {
	class := classify(reason)
	e.tally.closes[class].Add(1)
	level, held := slog.LevelDebug, uint64(0)
	switch class {
	case CloseStopped:
		e.cutOff.Add(1)
		if s.Queued() > 0 || s.HeldBack() {
			e.unanswered.Add(1)
		}
	case CloseNoPause, CloseWriteTimeout, CloseOther:
		var ok bool
		if ok, held = e.closes.allow(backends.Now()); ok {
			level = slog.LevelWarn
		}
	}
	if !e.log.Enabled(context.Background(), level) {
		return
	}
	packets, bytes := s.Received()
	attrs := []any{"connection", s.ID(), "peer", s.RemoteAddr(), "cause", class.String(), "packets", packets, "bytes", bytes}
	if reason != nil {
		attrs = append(attrs, "reason", reason)
	}
	if level == slog.LevelWarn {
		attrs = append(attrs, "suppressed", held)
	}
	e.log.Log(context.Background(), level, msgClosed, attrs...)
}
