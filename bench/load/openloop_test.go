package load

import (
	"testing"
	"time"

	"echosrv/protocol"
)

// A server that stops for a while delays every packet that is due in that while. The closed loop sees one
// slow packet; the open loop must see all of them. Machines only make times longer, so the bounds hold
// however busy this one is.
func TestStoppedServer(t *testing.T) {
	const pause = 400 * time.Millisecond
	slower := func(r *Result, than time.Duration) (n int64) {
		for _, b := range r.Response.Distribution() {
			if b.From > int64(than) {
				n += b.Count
			}
		}
		return n
	}
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		serve := func(n int, p protocol.Packet) []byte {
			if n == 20 {
				time.Sleep(pause)
			}
			return honest(n, p)
		}
		const rate = 500
		r := mustRun(t, run, Config{
			Address: startServer(t, serve).address(), Connections: 1, Depth: 2, Rate: rate, Duration: 1500 * time.Millisecond, DrainTimeout: time.Minute,
		})
		if len(r.Failures) > 0 || r.Active.Sent != r.Active.Received {
			t.Fatalf("failures %v; %d sent, %d received", r.Failures, r.Active.Sent, r.Active.Received)
		}
		// Due in the first half of the pause, these wait for at least the second half.
		if n, want := slower(r, pause/2), int64(rate*pause.Seconds()/2); n < want-1 {
			t.Errorf("%d responses took longer than half the pause, at least %d must have", n, want)
		}
		if r.Response.Max() < int64(pause)*99/100 {
			t.Errorf("the longest response took %v", time.Duration(r.Response.Max()))
		}
		// Service times know nothing of it but for the packets in flight.
		if n := r.Service.TotalCount(); n != r.Response.TotalCount() {
			t.Errorf("%d service times, %d response times", n, r.Response.TotalCount())
		}
	})
}

func TestUnreachableRate(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		s := startServer(t, func(n int, p protocol.Packet) []byte {
			time.Sleep(time.Millisecond)
			return honest(n, p)
		})
		r := mustRun(t, run, Config{Address: s.address(), Connections: 2, Rate: 20000, Duration: 300 * time.Millisecond})
		if r.Sustained || r.Due < 5000 || r.Backlog < r.Due/2 {
			t.Errorf("sustained %v, due %d, backlog %d", r.Sustained, r.Due, r.Backlog)
		}
		if len(r.Failures) > 0 || r.Active.Sent != r.Active.Received {
			t.Errorf("failures %v, %d sent, %d received", r.Failures, r.Active.Sent, r.Active.Received)
		}
	})
}
