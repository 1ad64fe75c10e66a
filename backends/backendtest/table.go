package backendtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// The check of a full file table has the server in a child process, so that only the child runs out of
// descriptors. The child is this test again, told by the environment to serve and not to check. It answers
// each line of its input with a line of statistics, and ends with its input.
const (
	childVariable = "BACKENDTEST_CHILD" // its value is the name of the test
	linePrefix    = "backendtest child: "
	// spare is how many descriptors the child may open once it runs.
	spare = 40
	// newcomers is how many connections are made to it at once.
	newcomers = 200
	// mostBusy is how much of one CPU a server may use that can't accept and has nothing to do. One that
	// retries without a pause uses all that it can get, which on a busy machine is not much.
	mostBusy = 0.05
	// looks is how often that is looked at before it counts: one that spins does so every time, while the
	// accepting of those who came last, on a machine with neighbours, is over soon.
	looks = 10
)

// childState is what the child says of itself.
type childState struct {
	opened, closed uint64
	logged         int64
	cpu            time.Duration // used so far
	ended          bool          // Serve has returned
}

const stateFormat = "opened %d closed %d logged %d cpu %d ended %t"

// child is the test process of a suite that serves with a small file table.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	text    strings.Builder // what is not for us
	address string
}

func (s *Suite) startChild() (*child, error) {
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(s.test), "/", "$/^") + "$"
	c := &child{command: exec.Command(os.Args[0], "-test.run="+pattern, "-test.count=1")}
	c.command.Env = append(os.Environ(), childVariable+"="+s.name)
	var err error
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	c.command.Stderr = c.command.Stdout
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	if c.address, err = c.line(); err != nil {
		c.command.Process.Kill()
		return nil, errors.Join(err, c.command.Wait())
	}
	return c, nil
}

// line is the next line that is for us.
func (c *child) line() (string, error) {
	for c.out.Scan() {
		if text, ok := strings.CutPrefix(c.out.Text(), linePrefix); ok {
			return text, nil
		}
		fmt.Fprintln(&c.text, c.out.Text())
	}
	return "", fmt.Errorf("the child process ended: %s", c.text.String())
}

// state asks the child.
func (c *child) state() (st childState, err error) {
	if _, err := fmt.Fprintln(c.in, "state"); err != nil {
		return st, err
	}
	text, err := c.line()
	if err != nil {
		return st, err
	}
	_, err = fmt.Sscanf(text, stateFormat, &st.opened, &st.closed, &st.logged, &st.cpu, &st.ended)
	return st, err
}

// stop ends the child; the error is what its own checks found.
func (c *child) stop(patience time.Duration) error {
	c.in.Close()
	late := time.AfterFunc(patience, func() { c.command.Process.Kill() })
	defer late.Stop()
	for c.out.Scan() {
		fmt.Fprintln(&c.text, c.out.Text())
	}
	if err := c.command.Wait(); err != nil {
		return fmt.Errorf("the server with the full file table: %w\n%s", err, c.text.String())
	}
	return nil
}

func (s *Suite) isChild() bool { return os.Getenv(childVariable) == s.name }

// child serves until the input ends.
func (s *Suite) child(t T) {
	var logged atomic.Int64
	s.Log = countLogs(&logged)
	srv := s.start(t, nil)
	if err := limitFiles(openFiles() + spare); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(linePrefix + srv.backend.Addr().String())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n := srv.service.Totals()
		fmt.Printf(linePrefix+stateFormat+"\n", n.Opened, n.Closed, logged.Load(), cpuTime(), len(srv.served) > 0)
	}
	srv.stop(t)
}

// checkFullTable connects far more clients than there are descriptors. Those that were there go on, the
// processor is not wasted, the log is not flooded, and when the others leave, newcomers are served again.
func checkFullTable(t T, s *Suite) {
	if !limitsFiles {
		t.Logf("the file table can't be limited on this platform")
		return
	}
	c, err := s.startChild()
	must(t, err)
	err = fillTable(c, s.Patience)
	if left := c.stop(s.Patience); err == nil {
		err = left
	}
	claim(t, s, "survives-full-table", err)
}

func fillTable(ch *child, patience time.Duration) error {
	srv := &remote{address: ch.address, patience: patience}
	defer srv.closeAll()
	for range 5 {
		if err := srv.add(patience); err != nil {
			return err
		}
	}
	if err := srv.exchange(); err != nil {
		return err
	}
	began := time.Now()
	closeCrowd := srv.crowd(newcomers)
	defer closeCrowd()
	if err := settled(ch, patience); err != nil {
		return err
	}
	if err := errors.Join(srv.exchange(), idle(ch, began), srv.exchange()); err != nil {
		return fmt.Errorf("while the table is full: %w", err)
	}
	closeCrowd()
	var err error
	if !waitFor(patience, func() bool { err = srv.add(time.Second); return err == nil }) {
		return fmt.Errorf("newcomers are not served after the table has room again: %w", err)
	}
	return srv.exchange()
}

// settled waits until the child accepts no more.
func settled(ch *child, patience time.Duration) error {
	var last childState
	since := time.Now()
	for end := since.Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		now, err := ch.state()
		if err != nil {
			return err
		}
		if now.ended {
			return errors.New("Serve returned when the table was full")
		}
		if now.opened != last.opened {
			last, since = now, time.Now()
		}
		if last.opened > 5 && time.Since(since) > stall {
			return nil
		}
	}
	return fmt.Errorf("the child goes on accepting: %+v", last)
}

// idle asks how busy the child is while it can't accept, and how much it has logged.
func idle(ch *child, began time.Time) error {
	var busy error
	for range looks {
		before, err := ch.state()
		if err != nil {
			return err
		}
		start := time.Now()
		time.Sleep(stall)
		after, err := ch.state()
		if err != nil {
			return err
		}
		if most := int64(time.Since(began)/time.Second) + 2; after.logged > most {
			return fmt.Errorf("the engine logged %d lines in %s", after.logged, time.Since(began))
		}
		used, passed := after.cpu-before.cpu, time.Since(start)
		if float64(used) <= mostBusy*float64(passed) {
			return nil
		}
		busy = fmt.Errorf("the server used %s of CPU time in %s with nothing to do", used, passed)
	}
	return busy
}
