package proc

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// child starts a process that spins or sleeps in a process group of its own.
func child(t *testing.T, script string) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func TestCPUTimeGrowsWhileAProcessSpins(t *testing.T) {
	pid := child(t, "while :; do :; done")
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		used, err := CPUTime([]int{pid})
		if err != nil {
			t.Fatal(err)
		}
		if used > 20*time.Millisecond {
			u, err := Read([]int{pid})
			if err != nil {
				t.Fatal(err)
			}
			if u.CPU < used || u.RSS == 0 || u.Threads[pid] == 0 {
				t.Errorf("after %v of CPU time the usage is %+v", used, u)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("no CPU time was seen of a process that spins")
}

func TestCPUTimeCountsThisProcess(t *testing.T) {
	before, err := CPUTime([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 5*time.Millisecond; {
	}
	after, _ := CPUTime([]int{os.Getpid()})
	if after <= before {
		t.Errorf("CPU time went from %v to %v", before, after)
	}
}

func TestGroupHoldsDescendants(t *testing.T) {
	pid := child(t, "sleep 60 & sleep 60 & wait")
	deadline := time.Now().Add(20 * time.Second)
	var got []int
	for time.Now().Before(deadline) {
		var err error
		if got, err = Group(pid); err != nil {
			t.Fatal(err)
		}
		if len(got) == 3 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("the group of a shell and two children is %v", got)
}

// A process that has ended and that nobody has waited for has no clocks left to read.
func TestGroupLeavesOutTheDead(t *testing.T) {
	pid := child(t, "sleep 0 & exec sleep 60")
	deadline := time.Now().Add(20 * time.Second)
	var got []int
	for time.Now().Before(deadline) {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Fatal(err)
		}
		if got, err = Group(pid); err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 && string(comm) == "sleep\n" {
			return // the other was started before this one became a sleep, so it has ended
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("a group of one that lives and one that is dead is %v", got)
}

func TestNoSuchProcess(t *testing.T) {
	if _, err := CPUTime([]int{1 << 22}); err == nil {
		t.Error("the CPU time of a process that can't exist was read")
	}
	if _, err := Read([]int{1 << 22}); err == nil {
		t.Error("the usage of a process that can't exist was read")
	}
}

func TestReadHost(t *testing.T) {
	h, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	if len(h.CPUs) == 0 {
		t.Error("no CPU was found")
	}
}
