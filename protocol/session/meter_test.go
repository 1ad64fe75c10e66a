package session

import (
	"bytes"
	"testing"

	"echosrv/protocol"
)

var oneByte = protocol.Append(nil, protocol.DataSend, []byte("x"))

// A pause for a rate ends although the rate is changed meanwhile and something arrives that was under way.
func TestPauseForARateSurvivesAnother(t *testing.T) {
	d := newDriver(t, func(s *Settings) { s.ConnectionRate.Packets = 10 })
	d.receive(bytes.Repeat(oneByte, 30))
	if d.Reading() {
		t.Fatal("30 packets at a rate of 10 were no reason to pause")
	}
	set := d.service.Settings()
	set.ConnectionRate.Packets = 1000
	if err := d.service.Configure(set); err != nil {
		t.Fatal(err)
	}
	d.receive(oneByte)
	if !d.Reading() && d.Deadline() == 0 {
		t.Error("paused without a deadline")
	}
}

// With an engine that can't wait, what was echoed before the ERROR does not count as dropped.
func TestRateErrorDropsNothingThatWasEchoed(t *testing.T) {
	d := newDriver(t, func(s *Settings) {
		s.ConnectionRate.Packets = 10
		s.NoPause = true
		s.Mode = Async
	})
	d.receive(bytes.Repeat(oneByte, 30))
	if n := d.service.Totals().Dropped; n != 0 {
		t.Errorf("%d packets were counted as dropped", n)
	}
}
