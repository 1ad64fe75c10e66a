package load

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A server whose listen queue is full lets a connect hang.
func TestConnectTimeout(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	fill, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		_, err := run(Config{Address: address, Connections: 2, ConnectTimeout: 50 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "not established within 50ms") {
			t.Errorf("got %v", err)
		}
	})
}

func TestFileLimit(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}()
	low := unix.Rlimit{Cur: min(100, before.Max), Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	r := mustRun(t, func(c Config) (*Result, error) { return Run(context.Background(), c) },
		Config{Address: startServer(t, honest).address(), Connections: 40})
	mustBeValid(t, r)
	// No kernel gives a process this many.
	const most = 1 << 40
	err := raiseFileLimit(most, 0)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(most)) || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("got %v", err)
	}
}

func TestPinning(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !allowed.IsSet(cpu) {
		cpu++
	}
	s := startServer(t, honest)
	run := func(c Config) (*Result, error) { return Run(context.Background(), c) }
	mustBeValid(t, mustRun(t, run, Config{Address: s.address(), Connections: 4, Threads: 2, CPUs: []int{cpu}}))
	if _, err := run(Config{Address: s.address(), Connections: 4, CPUs: []int{1000}}); err == nil || !strings.Contains(err.Error(), "CPU 1000") {
		t.Errorf("got %v", err)
	}
}
