package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"echosrv/bench/proc"
)

// startTimeout is how long a server may take until it listens.
const startTimeout = 10 * time.Second

// Command says how to start a server.
type Command struct {
	// Args are the program and its arguments.
	Args []string
	// Announces: it prints one Announcement as a line of JSON on standard output when it listens, and ends
	// when its standard input does. Otherwise {port} in Args is replaced by the port that it must listen
	// on at 127.0.0.1, and Guard must be set.
	Announces bool
	// Guard is the command line that runs Guard in this program; Args are appended to it.
	Guard []string
	// CPUs that it is confined to; none: not confined.
	CPUs []int
}

// Announcement is what a server says of itself when it listens.
type Announcement struct {
	Address    string `json:"address"`
	Engine     string `json:"engine"`
	Model      string `json:"model"`
	Library    string `json:"library,omitempty"`
	Threads    int    `json:"threads"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	MaxPacket  int    `json:"max_packet"`
}

// Server is a child process that listens.
type Server struct {
	Announcement
	// Root is the process that was started, which leads a process group.
	Root int

	guarded bool
	stdin   io.Closer
	said    *tail
	ended   chan struct{} // closed when the process is gone
	status  string        // how it went; to be read when ended is closed
}

// Start starts a server and waits until it listens. Whatever happens to this process, the server ends: its
// standard input is a pipe whose end it or its guard waits for, and on Linux the kernel kills it when the
// thread that started it goes.
func Start(ctx context.Context, c Command) (*Server, error) {
	s := &Server{said: &tail{}, ended: make(chan struct{}), guarded: !c.Announces}
	args := slices.Clone(c.Args)
	if !c.Announces {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s.Address = net.JoinHostPort("127.0.0.1", port)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "{port}", port)
		}
		args = append(slices.Clone(c.Guard), args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	isolate(cmd, c.Announces)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	cmd.Stderr = s.said
	cmd.WaitDelay = time.Second // for a process that left the group and still holds the output
	announced := make(chan Announcement, 1)
	cmd.Stdout = s.said
	if c.Announces {
		cmd.Stdout = &announcements{to: announced}
	}
	if err := s.spawn(cmd, c.CPUs); err != nil {
		return nil, fmt.Errorf("failed to start %q: %w", c.Args[0], err)
	}
	if err := s.await(ctx, announced, c.Announces); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// spawn starts the process on a thread that stays until it has ended, because the kernel ties the child's
// life to that thread and not to the process.
func (s *Server) spawn(cmd *exec.Cmd, cpus []int) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := onCPUs(cpus, cmd.Start)
		if err == nil {
			s.Root = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			s.status = cmd.ProcessState.String()
			close(s.ended)
		}
	}()
	return <-started
}

func (s *Server) await(ctx context.Context, announced <-chan Announcement, announces bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it didn't listen within %v", startTimeout))
	defer cancel()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case a := <-announced:
			s.Announcement = a
			return nil
		case <-s.ended:
			return fmt.Errorf("it ended before it listened (%s)%s", s.status, s.said.sentence())
		case <-ctx.Done():
			return fmt.Errorf("%w%s", context.Cause(ctx), s.said.sentence())
		case <-poll.C:
			if announces {
				continue
			}
			if conn, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
				return conn.Close()
			}
		}
	}
}

// Processes are those that serve, without a guard.
func (s *Server) Processes() []int {
	if !s.guarded {
		return []int{s.Root}
	}
	group, err := proc.Group(s.Root)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(group, func(pid int) bool { return pid == s.Root })
}

// Ended says whether the server is gone, and with which last words.
func (s *Server) Ended() (lastWords string, ended bool) {
	select {
	case <-s.ended:
		return s.said.String(), true
	default:
		return "", false
	}
}

// Stop ends the server and everything it started, and waits until it is gone. It may be called twice.
func (s *Server) Stop() {
	if _, ended := s.Ended(); !ended || s.guarded {
		killGroup(s.Root)
	}
	_ = s.stdin.Close()
	<-s.ended
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("failed to find a free port: %w", err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// announcements takes a child's standard output: the first line that is an Announcement goes to the
// channel, everything else is dropped.
type announcements struct {
	to   chan<- Announcement
	line []byte
	done bool
}

const maxAnnouncement = 64 << 10 // bytes

func (a *announcements) Write(b []byte) (int, error) {
	if a.done || len(a.line) > maxAnnouncement {
		return len(b), nil
	}
	a.line = append(a.line, b...)
	scanner := bufio.NewScanner(bytes.NewReader(a.line))
	for scanner.Scan() {
		var got Announcement
		if json.Unmarshal(scanner.Bytes(), &got) == nil && got.Address != "" {
			a.to <- got
			a.done, a.line = true, nil
			break
		}
	}
	return len(b), nil
}

// tail keeps the last that a child wrote, for error messages.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const maxTail = 2048 // bytes

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	if over := len(t.end) - maxTail; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.end))
}

// sentence is the tail as the end of a sentence.
func (t *tail) sentence() string {
	if s := t.String(); s != "" {
		return ": " + s
	}
	return ""
}

// Guard runs a command that knows nothing of this bench, and ends it and all it started, itself included,
// when its own standard input ends. It must lead its process group. It returns the exit status of the
// command.
func Guard(args []string) int {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		killGroup(os.Getpid())
	}()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
