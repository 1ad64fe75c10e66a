package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"echosrv/bench/proc"
)

// playParent starts one server of each sort, says which processes there are, and waits to be killed.
func playParent() int {
	var all []int
	for _, c := range []Command{announcing("honest"), foreign()} {
		s, err := Start(context.Background(), c)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		group, err := proc.Group(s.Root)
		if err != nil {
			return 1
		}
		all = append(all, group...)
	}
	line, _ := json.Marshal(all)
	fmt.Println(string(line))
	select {}
}

// gone says whether a process has ended; one that nobody has waited for yet counts.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return strings.HasPrefix(rest, "Z")
}

func awaitGone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for _, pid := range pids {
		for !gone(pid) {
			if time.Now().After(deadline) {
				t.Errorf("process %d is left behind", pid)
				syscall.Kill(pid, syscall.SIGKILL)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	parent := exec.Command(os.Args[0], roleParent)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	if err := json.Unmarshal(line, &pids); err != nil {
		t.Fatal(err)
	}
	// The announcing server, and a guard, a shell, its sleeper and its server.
	if len(pids) != 5 {
		t.Fatalf("there are %d processes, 5 expected: %v", len(pids), pids)
	}
	for _, pid := range pids {
		if gone(pid) {
			t.Fatalf("process %d was gone before its time", pid)
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pids)
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	s, err := Start(t.Context(), foreign())
	if err != nil {
		t.Fatal(err)
	}
	group, err := proc.Group(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	if own := s.Processes(); len(own) != len(group)-1 {
		t.Errorf("processes that serve are %v of the group %v; the guard is not one", own, group)
	}
	s.Stop()
	s.Stop()
	awaitGone(t, group)
}

func TestServersRunOnTheirCPUs(t *testing.T) {
	p := Place(1, 1)
	c := announcing("honest")
	c.CPUs = p.Server
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if got := allowed(s.Root); got != format(p.Server) {
		t.Errorf("the server may use CPUs %s, want %s", got, format(p.Server))
	}
}
