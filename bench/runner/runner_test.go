package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"echosrv/bench/liar"
	"echosrv/bench/result"

	"go.uber.org/goleak"
)

// The test binary plays the other processes: what it is comes in its first argument.
const (
	roleServe  = "role-serve"  // an announcing server; its second argument is a lie
	roleListen = "role-listen" // a server that knows nothing of the bench; its second argument is a port
	roleGuard  = "role-guard"
	roleParent = "role-parent" // starts servers, prints their processes, and waits to be killed
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case roleServe:
			os.Exit(playServer(os.Args[2]))
		case roleListen:
			os.Exit(playListener(os.Args[2]))
		case roleGuard:
			os.Exit(Guard(os.Args[2:]))
		case roleParent:
			os.Exit(playParent())
		}
	}
	goleak.VerifyTestMain(m)
}

func playServer(lie string) int {
	if lie == "broken" {
		fmt.Fprintln(os.Stderr, "the port is on fire")
		return 1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	line, _ := json.Marshal(Announcement{Address: l.Addr().String(), Engine: lie, Model: "for tests", Threads: 1, GOMAXPROCS: 2, MaxPacket: 1 << 20})
	fmt.Printf("something else first\n%s\n", line)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	(&liar.Server{Lie: liar.Lie(lie)}).Serve(l)
	return 0
}

func playListener(port string) int {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	(&liar.Server{}).Serve(l)
	return 0
}

func announcing(lie string) Command {
	return Command{Args: []string{os.Args[0], roleServe, lie}, Announces: true}
}

// foreign is a server that leaves its parent: a shell keeps it and a sleeper in the background.
func foreign() Command {
	return Command{
		Args:  []string{"sh", "-c", "sleep 300 & " + os.Args[0] + " " + roleListen + " {port}; wait"},
		Guard: []string{os.Args[0], roleGuard},
	}
}

func contestant(name string, command Command) Contestant {
	return Contestant{
		Contestant: result.Contestant{Name: name, Spec: name},
		Command:    func(result.Cell, []int) Command { return command },
	}
}

func cell() result.Cell {
	return result.Cell{Connections: 4, Depth: 4, Sizes: "64", Duration: 200 * time.Millisecond, Warmup: 150 * time.Millisecond, ClientThreads: 1}
}

func TestRunMakesEveryRound(t *testing.T) {
	var seen []Progress
	f, err := Run(t.Context(), Plan{
		Kind: result.KindCompare, Cells: []result.Cell{cell()}, Rounds: 3, Baseline: "a", Calibrate: true,
		Contestants: []Contestant{contestant("a", announcing("honest")), contestant("b", foreign())},
		Observe:     func(p Progress) { seen = append(seen, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Runs) != 6 || len(seen) != 6 || f.Partial {
		t.Fatalf("%d runs, %d progress calls, partial %v", len(f.Runs), len(seen), f.Partial)
	}
	rounds := map[[2]int]bool{}
	for _, r := range f.Runs {
		rounds[[2]int{r.Contestant, r.Round}] = true
		if r.Failed+r.Invalid != "" || r.Packets == 0 || r.Response == nil || r.Established != 4 {
			t.Errorf("run %d: %+v", r.Order, r)
		}
	}
	if len(rounds) != 6 {
		t.Errorf("contestants and rounds that were measured: %v", rounds)
	}
	if c := f.Contestants[0]; c.Model != "for tests" || c.Threads != 1 {
		t.Errorf("the announcement was not kept: %+v", c)
	}
	if f.Cells[0].Ceiling == 0 || f.Manifest.Go == "" {
		t.Errorf("cell %+v, manifest %+v", f.Cells[0], f.Manifest)
	}
}

func TestOrderVisitsAllInEveryRound(t *testing.T) {
	p := Plan{Cells: make([]result.Cell, 2), Contestants: make([]Contestant, 5), Rounds: 4, Seed: 3}
	slots := order(p)
	if len(slots) != 40 {
		t.Fatalf("%d slots", len(slots))
	}
	shuffled := false
	for begin := 0; begin < len(slots); begin += 5 {
		var got []int
		for _, s := range slots[begin : begin+5] {
			if s.round != slots[begin].round || s.cell != slots[begin].cell {
				t.Fatalf("rounds or cells are mixed at %d: %v", begin, slots[begin:begin+5])
			}
			got = append(got, s.contestant)
		}
		shuffled = shuffled || !slices.IsSorted(got)
		slices.Sort(got)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("a round visits %v", got)
		}
	}
	if !shuffled {
		t.Error("every round is in the same order")
	}
}

func TestAServerThatCannotStartIsLeftOut(t *testing.T) {
	f, err := Run(t.Context(), Plan{
		Cells: []result.Cell{cell()}, Rounds: 4,
		Contestants: []Contestant{contestant("good", announcing("honest")), contestant("bad", announcing("broken"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, r := range f.Runs {
		if r.Contestant == 1 {
			failed++
			if !strings.Contains(r.Failed, "the port is on fire") {
				t.Errorf("the failure doesn't say why: %q", r.Failed)
			}
		}
	}
	if failed != maxFailures || len(f.Runs) != 4+maxFailures || len(f.Notes) == 0 {
		t.Errorf("%d runs, %d of them failed, notes %q", len(f.Runs), failed, f.Notes)
	}
}

func TestLiesMakeARunInvalid(t *testing.T) {
	for _, lie := range liar.Lies() {
		c := cell()
		c.Duration = 200 * time.Millisecond
		f, err := Run(t.Context(), Plan{Cells: []result.Cell{c}, Rounds: 1, Contestants: []Contestant{contestant("x", announcing(string(lie)))}})
		if err != nil {
			t.Fatal(err)
		}
		if r := f.Runs[0]; r.Invalid == "" || r.Mismatches == 0 {
			t.Errorf("%s was not caught: %+v", lie, r)
		}
	}
}

func TestInterruptionKeepsWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	began := time.Now()
	c := cell()
	c.Duration = 100 * time.Millisecond
	f, err := Run(ctx, Plan{
		Cells: []result.Cell{c}, Rounds: 1000, Contestants: []Contestant{contestant("a", announcing("honest"))},
		Observe: func(p Progress) {
			if p.Done == 2 {
				go cancel(errors.New("enough"))
			}
		},
	})
	if err != nil || !f.Partial || f.Reason != "enough" || len(f.Runs) < 2 {
		t.Errorf("error %v, file %+v", err, f)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

func TestStartIsInterruptible(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err := Start(ctx, Command{Args: []string{"sleep", "300"}, Announces: true})
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v", err)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	bad := cell()
	bad.Sizes = "huge"
	for name, p := range map[string]Plan{
		"no contestant": {Cells: []result.Cell{cell()}, Rounds: 1},
		"no round":      {Cells: []result.Cell{cell()}, Contestants: []Contestant{contestant("a", announcing("honest"))}},
		"bad cell":      {Cells: []result.Cell{bad}, Rounds: 1, Contestants: []Contestant{contestant("a", announcing("honest"))}},
	} {
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
