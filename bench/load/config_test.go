package load

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"echosrv/protocol"
)

func TestConfigsThatCannotBe(t *testing.T) {
	const address = "127.0.0.1:1"
	for _, c := range []struct {
		config Config
		why    string
	}{
		{Config{Connections: 1}, "HOST:PORT is expected"},
		{Config{Address: "localhost", Connections: 1}, "HOST:PORT is expected"},
		{Config{Address: address}, "nothing to do"},
		{Config{Address: address, Connections: -1}, "connections -1: 0 to 1048576"},
		{Config{Address: address, Connections: MaxConnections + 1}, "connections 1048577: 0 to 1048576"},
		{Config{Address: address, Connections: 1, Depth: -2}, "depth -2: 1 to 65536"},
		{Config{Address: address, Connections: 1, Threads: 5000}, "threads 5000: 1 to 1024"},
		{Config{Address: address, Idle: 1, Rate: 10}, "needs connections"},
		{Config{Address: address, Connections: 1, Rate: -1}, "rate -1 per second"},
		{Config{Address: address, Connections: 1, Rate: math.NaN()}, "rate NaN per second"},
		{Config{Address: address, Churn: math.Inf(1)}, "churn +Inf per second"},
		{Config{Address: address, Connections: 1, Duration: -time.Second}, "at least 1ms"},
		{Config{Address: address, Connections: 1, Warmup: -1}, "warmup -1ns"},
		{Config{Address: address, Connections: 1, CPUs: []int{0, -3}}, "CPU -3"},
		{Config{Address: address, Connections: 1, Sizes: Sizes{{5, 4, 1}}}, "ends before it begins"},
		{Config{Address: address, Connections: 1, Sizes: Fixed(protocol.MaxPayload + 1)}, "are allowed"},
	} {
		if _, err := Run(context.Background(), c.config); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%+v: got %v, want a word about %q", c.config, err, c.why)
		}
	}
}

func TestArrivalsAreRead(t *testing.T) {
	for _, a := range []Arrivals{Constant, Poisson} {
		if got, err := ParseArrivals(a.String()); err != nil || got != a {
			t.Errorf("%v is read as %v, %v", a, got, err)
		}
	}
	if _, err := ParseArrivals("bursts"); err == nil {
		t.Error("bursts are known?")
	}
}

func TestDepthAndSizeAreBoundInMemory(t *testing.T) {
	s := newScript(Fixed(protocol.DefaultMaxPayload), 1000, 1, false)
	if n := len(s.sent.payloads) + 2*len(s.sent.headers); n > 2*protocol.DefaultMaxPayload {
		t.Errorf("the payloads of 1000 packets of 1 MiB take %d bytes", n)
	}
}
