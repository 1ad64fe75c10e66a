// Package example makes result files for the tests of what shows them. Nothing in them was measured.
package example

import (
	"math"
	"math/rand/v2"
	"time"

	"echosrv/bench/result"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// entrant is a contestant and what its runs come to.
type entrant struct {
	result.Contestant
	cost    float64 // ns per packet
	rate    float64 // packets/s
	busy    float64 // share of the client's thread
	invalid string
}

func engine(name, model string) result.Contestant {
	return result.Contestant{Name: name, Spec: name, Model: model, Threads: 1, GOMAXPROCS: 2, MaxPacket: 1 << 20, CPUs: "0"}
}

// Compare is a comparison of five contestants in eight rounds, of which one lies and one saturates the
// client. The figures are the same in every call.
func Compare() *result.File {
	entrants := []entrant{
		{Contestant: engine("goroutine", "a goroutine per connection"), cost: 5200, rate: 170e3, busy: 0.7},
		{Contestant: engine("epoll", "an event loop"), cost: 4000, rate: 220e3, busy: 0.98},
		{Contestant: engine("evio", "a library's event loop"), cost: 5250, rate: 168e3, busy: 0.68},
		{Contestant: result.Contestant{Name: "c", Command: []string{"/bin/c", "{port}"}, Model: "another program"}, cost: 4010, rate: 215e3, busy: 0.9},
		{Contestant: engine("liar", "<b>nobody</b>"), cost: 1000, rate: 900e3, busy: 0.9, invalid: "echoes were corrupted: byte 7 of echo 99"},
	}
	f := &result.File{
		Schema: result.Schema, Kind: result.KindCompare, Baseline: "goroutine", Rounds: 8,
		Started: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Elapsed: 41 * time.Second,
		Manifest: result.Manifest{Command: []string{"bench", "compare"}, OS: "linux", Arch: "amd64", Kernel: "6.1 #1", CPU: "A CPU", CPUs: 2,
			Go: "go1.26", ServerCPUs: []int{0}, ClientCPUs: []int{1}, Sysctls: map[string]string{"net.core.somaxconn": "4096"}},
		Cells: []result.Cell{{Name: "50x1x1024", Connections: 50, Depth: 1, Sizes: "1024", Duration: 700 * time.Millisecond,
			Warmup: 250 * time.Millisecond, ClientThreads: 1, Ceiling: 230e3}},
		Notes: []string{"Nothing of this was measured."},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range entrants {
		f.Contestants = append(f.Contestants, e.Contestant)
	}
	for round := range f.Rounds {
		slow := 1 + 0.2*random.Float64()
		for i, e := range entrants {
			f.Runs = append(f.Runs, e.run(random, i, round, len(f.Runs), slow))
		}
	}
	return f
}

func (e entrant) run(random *rand.Rand, contestant, round, order int, slow float64) result.Run {
	const window = 700 * time.Millisecond
	own := slow * math.Exp(0.01*random.NormFloat64())
	packets := e.rate / own * window.Seconds()
	// Response times from half to ten times their middle, the mean being that of Little's law.
	response := hdrhistogram.New(1, int64(time.Minute), 3)
	mean := 50e9 / e.rate * own
	for i := range 1000 {
		response.RecordValue(int64(mean * (0.5 + 0.118/(1.01-float64(i)/1000))))
	}
	var series []result.Sample
	for i := range 6 {
		series = append(series, result.Sample{At: time.Duration(i+1) * 100 * time.Millisecond, Busy: []float64{0.9, e.busy},
			NetworkBytes: e.rate * 2200 * (1 + 0.05*float64(i%2)), NetworkPackets: e.rate * 2})
	}
	return result.Run{
		Contestant: contestant, Round: round, Order: order, Window: window,
		Packets: uint64(packets), Bytes: uint64(packets) * 1024, Asked: 50, Established: 50, Invalid: e.invalid,
		Server:   result.Usage{Known: true, CPU: time.Duration(packets * e.cost * own), RSSBefore: 8 << 20, RSS: 9 << 20, Voluntary: uint64(packets / 50)},
		Client:   result.Usage{Known: true, CPU: time.Duration(e.busy * float64(window)), Threads: []time.Duration{time.Duration(e.busy * float64(window))}},
		Host:     result.Host{Known: true, SocketBytes: 200 << 10},
		Response: result.NewHistogram(response), Series: series,
	}
}
