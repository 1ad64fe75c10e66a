package session

import (
	"fmt"
	"math"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// Limits of the settings.
const (
	MaxOutbox        = 1 << 30 // bytes
	MaxOutboxPackets = 1 << 24
	MaxConnections   = 1 << 24
	MaxBudget        = math.MaxInt32 // bytes; fits an int on every platform
	MaxRate          = 1e12          // packets or bytes a second
	MaxFlushInterval = time.Minute
)

// Check says what is wrong with s; nil if nothing is.
func (s *Settings) Check() error {
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"payload limit in bytes", s.MaxPayload, 0, protocol.MaxPayload},
		{"outbox limit in bytes", s.Outbox.Bytes, 1, MaxOutbox},
		{"outbox limit in packets", s.Outbox.Packets, 1, MaxOutboxPackets},
		{"overflow policy", int(s.Outbox.Policy), 0, len(buffer.Policies) - 1},
		{"mode", int(s.Mode), 0, len(Modes) - 1},
		{"flush limit in bytes", s.FlushBytes, 1, MaxOutbox},
		{"connection limit", s.MaxConnections, 0, MaxConnections},
		{"budget of all outboxes in bytes", s.OutboxBudget, 0, MaxBudget},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s %d: %d to %d are allowed", n.name, n.value, n.least, n.most)
		}
	}
	if s.Mode == Async && s.FlushBytes > s.Outbox.Bytes {
		return fmt.Errorf("flush-bytes of %d is more than outbox-bytes of %d: in mode async what is held waits in the outbox", s.FlushBytes, s.Outbox.Bytes)
	}
	if s.FlushInterval <= 0 || s.FlushInterval > MaxFlushInterval {
		return fmt.Errorf("flush interval %s: more than 0s, at most %s, is allowed", s.FlushInterval, MaxFlushInterval)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"heartbeat", s.Heartbeat}, {"idle timeout", s.IdleTimeout}, {"packet timeout", s.PacketTimeout},
		{"write timeout", s.WriteTimeout}, {"linger", s.Linger}, {"drain timeout", s.DrainTimeout},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s %s: 0s or more is allowed", d.name, d.value)
		}
	}
	for _, r := range []float64{s.ConnectionRate.Packets, s.ConnectionRate.Bytes, s.ServerRate.Packets, s.ServerRate.Bytes} {
		if !(r >= 0 && r <= MaxRate) || r > 0 && r < 1 {
			return fmt.Errorf("rate %g a second: 0 for none, or 1 to %g, is allowed", r, MaxRate)
		}
	}
	return nil
}
