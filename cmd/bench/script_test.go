package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"echosrv/bench/liar"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bench": main})
}

// patience bounds every wait; it is only ever used up by a failure.
const patience = 60 * time.Second

// TestScripts runs the command as its users do. Besides testscript's own commands there are
//
//	server NAME SORT         listen; $NAME is then the address. SORT is a lie of package liar, or one of
//	                         garbage, hang and slam: it speaks something else, says nothing, hangs up
//	statusof STATUS [ARG ...] run bench to its end and expect this exit status
//	interrupt SIGNAL [ARG ...] run bench, send it a signal after its first line of progress, and expect
//	                         exit status 1 and no process left behind
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": serverCommand, "statusof": statusOfCommand, "interrupt": interruptCommand,
		},
		RequireExplicitExec: true,
	})
}

func serverCommand(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	behave := map[string]func(net.Conn){
		"garbage": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			io.Copy(io.Discard, c)
			c.Close()
		},
		"hang": func(c net.Conn) { io.Copy(io.Discard, c); c.Close() },
		"slam": func(c net.Conn) { c.Close() },
	}[args[1]]
	if behave == nil {
		lie, err := liar.ParseLie(args[1])
		ts.Check(err)
		s := &liar.Server{Lie: lie}
		go s.Serve(l)
	} else {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go behave(c)
			}
		}()
	}
	ts.Defer(func() { l.Close() })
}

// statusOfCommand leaves the program's output for stdout and stderr, as exec does.
func statusOfCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("bench", args[1:]...)
	got := "0"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

func interruptCommand(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath("bench")
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.Getenv("WORK")
	out, err := os.Create(filepath.Join(cmd.Dir, "interrupted.out"))
	ts.Check(err)
	defer out.Close()
	cmd.Stdout = out
	progress, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer kill.Stop()
	lines := bufio.NewReader(progress)
	first, err := lines.ReadString('\n')
	ts.Check(err)
	children := descendants(cmd.Process.Pid)
	ts.Check(cmd.Process.Signal(map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[0]]))
	rest, _ := io.ReadAll(lines)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); args[0] != "KILL" && got != exitFailure {
		ts.Fatalf("exit status %d after a signal\n%s%s", got, first, rest)
	}
	ts.Check(os.WriteFile(filepath.Join(cmd.Dir, "interrupted.err"), append([]byte(first), rest...), 0o666))
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if left := alive(children); len(left) == 0 {
			return
		} else if time.Now().After(deadline) {
			ts.Fatalf("processes %v were left behind", left)
		}
	}
}

// descendants are the children of a process and theirs, where the platform tells.
func descendants(pid int) (all []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			all = append(append(all, child), descendants(child)...)
		}
	}
	return all
}

func alive(pids []int) (left []int) {
	for _, pid := range pids {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
			left = append(left, pid)
		}
	}
	return left
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		"a b  c":                    {"a", "b", "c"},
		`/bin/x --name='a b' "c d"`: {"/bin/x", "--name=a b", "c d"},
		`a\ b '' "\""`:              {"a b", "", `"`},
	} {
		got, err := words(text)
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s is split to %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`a "b`, `a 'b`, `a\`} {
		if _, err := words(text); err == nil {
			t.Errorf("%s has no end, and no error", text)
		}
	}
}

func TestFlagsMayFollowArguments(t *testing.T) {
	app := (&command{}).app()
	for text, want := range map[string]string{
		"bench compare epoll --rounds 3 evio":       "bench compare --rounds 3 epoll evio",
		"bench compare epoll --rounds=3 --raw evio": "bench compare --rounds=3 --raw epoll evio",
		"bench report r.json -o x.html":             "bench report -o x.html r.json",
		"bench compare --rounds 3 -- --x":           "bench compare --rounds 3 -- --x",
		"bench nothing a --b":                       "bench nothing a --b",
		"bench":                                     "bench",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(text)), " "); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// TestServeEndsWithItsParent holds what keeps a comparison from leaving servers behind on every platform.
func TestServeEndsWithItsParent(t *testing.T) {
	path, err := exec.LookPath("bench")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, serveName, "--backend", "goroutine", "--listen", "127.0.0.1:0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer kill.Stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil || !json.Valid(line) {
		t.Fatalf("it announced %q, %v", line, err)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
