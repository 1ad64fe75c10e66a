package session

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"echosrv/protocol"
)

// Rate bounds what may arrive in a second, and as a burst; zero: no bound.
type Rate struct{ Packets, Bytes float64 }

// meter is a token bucket for packets and one for bytes. The buckets are safe for concurrent use.
type meter struct {
	rate           Rate
	packets, bytes *rate.Limiter
	resume         time.Duration // of a connection: when its debt is paid
}

// newMeter makes full buckets of a second's worth.
func newMeter(r Rate) *meter {
	return &meter{rate: r, packets: bucket(r.Packets), bytes: bucket(r.Bytes)}
}

func bucket(perSecond float64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(min(perSecond, math.MaxInt32)))
}

// take accounts for what has arrived and says how long until it is paid for.
func (m *meter) take(now time.Duration, packets, bytes int) time.Duration {
	return max(take(m.packets, now, packets), take(m.bytes, now, bytes))
}

// take runs into debt as far as it must: a reservation can't be larger than the burst, so it is made in
// parts.
func take(l *rate.Limiter, now time.Duration, n int) (wait time.Duration) {
	if l == nil {
		return 0
	}
	at := time.Unix(0, 0).Add(now)
	for n > 0 {
		part := min(n, l.Burst())
		wait = l.ReserveN(at, part).DelayFrom(at)
		n -= part
	}
	return wait
}

// pay accounts for what arrived, and stops reading until it is paid for. With an engine that can't wait,
// the connection ends, after the reply.
func (s *Session) pay(now time.Duration, set *Settings, reply []byte, packets, bytes int) {
	wait := set.server.take(now, packets, bytes)
	if s.meter == nil || s.meter.rate != set.ConnectionRate {
		m := newMeter(set.ConnectionRate)
		if s.meter != nil {
			m.resume = s.meter.resume // a pause that is under way still ends
		}
		s.meter = m
	}
	wait = max(wait, s.meter.take(now, packets, bytes))
	switch {
	case wait <= 0 || s.discarding:
	case set.NoPause:
		s.keep(now, reply, 0)
		s.fail(now, &protocol.Violation{Code: protocol.CodeRateLimited, Sentence: "more arrived than is allowed in a second, and this engine can't wait"})
	default:
		s.meter.resume = now + wait
		s.throttled = true
		s.counters().Throttled.Add(1)
	}
}
