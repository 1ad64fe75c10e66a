package main

import (
	"bufio"
	"bytes"
	"errors"
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

	"echosrv/backends/server"
	"echosrv/protocol"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"echosrv": main})
}

// TestScripts runs the command as its users do. Besides testscript's own commands there are
//
//	serve NAME [FLAG ...]    start echosrv and wait for its line; $NAME is then its address
//	echo NAME TEXT           send a packet to the server and expect its echo
//	hold NAME                connect to the server, see an echo, and stay connected in silence
//	burst NAME N             connect, send N packets at once, see their echoes, and stay connected in silence
//	signal NAME SIGNAL       HUP, INT or TERM
//	exits NAME STATUS        wait for the server's end; its output is then stdout and stderr
//	statusof STATUS [ARG ...] run echosrv to its end and expect this exit status
//	awaitlog NAME TEXT       wait until the server's log has a line with TEXT
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveCommand, "echo": echoCommand, "hold": holdCommand, "burst": burstCommand, "signal": signalCommand,
			"exits": exitsCommand, "awaitlog": awaitLogCommand, "statusof": statusOfCommand,
		},
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(3 * patience), // a server that starts against all expectation ends then
		Setup: func(env *testscript.Env) error {
			env.Values[serversKey{}] = map[string]*child{}
			return nil
		},
	})
}

// patience bounds every wait; it is only ever used up by a failure.
const patience = 30 * time.Second

type serversKey struct{}

// child is a server that a script started. Its log goes to a file, as that can be read while it grows.
type child struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	log    string
	line   string
}

func (c *child) logged(ts *testscript.TestScript) string {
	text, err := os.ReadFile(c.log)
	ts.Check(err)
	return string(text)
}

func servers(ts *testscript.TestScript) map[string]*child {
	return ts.Value(serversKey{}).(map[string]*child)
}

func find(ts *testscript.TestScript, name string) *child {
	c := servers(ts)[name]
	if c == nil {
		ts.Fatalf("no server %q was started", name)
	}
	return c
}

func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	c := &child{cmd: exec.Command("echosrv", args[1:]...), log: filepath.Join(ts.Getenv("WORK"), name+".log")}
	path, err := exec.LookPath("echosrv")
	ts.Check(err)
	c.cmd.Path, c.cmd.Err = path, nil
	c.cmd.Dir = ts.Getenv("WORK")
	c.cmd.Env = os.Environ()
	for _, setting := range server.Settings() {
		c.cmd.Env = append(c.cmd.Env, server.EnvName(setting.Name)+"="+ts.Getenv(server.EnvName(setting.Name)))
	}
	logFile, err := os.Create(c.log)
	ts.Check(err)
	defer logFile.Close()
	c.cmd.Stderr = logFile
	out, err := c.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(c.cmd.Start())
	ts.Defer(func() {
		if c.cmd.ProcessState == nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
	})
	c.stdout = bufio.NewReader(out)
	if c.line, err = c.stdout.ReadString('\n'); err != nil {
		ts.Fatalf("the server said nothing: %v\n%s", err, c.logged(ts))
	}
	servers(ts)[name] = c
	ts.Setenv(name, field(ts, c.line, "address"))
}

// field is the value of key in a line of words of the form key=value.
func field(ts *testscript.TestScript, line, key string) string {
	for _, word := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	ts.Fatalf("no %s in %q", key, line)
	return ""
}

func echoCommand(ts *testscript.TestScript, neg bool, args []string) {
	conn := exchange(ts, args[0], args[1], 1)
	conn.Close()
}

func holdCommand(ts *testscript.TestScript, neg bool, args []string) {
	conn := exchange(ts, args[0], "hold", 1)
	ts.Defer(func() { conn.Close() })
}

func burstCommand(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	conn := exchange(ts, args[0], "burst", n)
	ts.Defer(func() { conn.Close() })
}

// exchange sends a packet n times and expects as many echoes.
func exchange(ts *testscript.TestScript, name, text string, n int) net.Conn {
	conn, err := net.Dial("tcp", ts.Getenv(name))
	ts.Check(err)
	conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Write(bytes.Repeat(protocol.Append(nil, protocol.DataSend, []byte(text)), n))
	ts.Check(err)
	want := bytes.Repeat(protocol.Append(nil, protocol.DataEcho, []byte(text)), n)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		ts.Fatalf("got %q, %v; want the echo %q", got, err, want)
	}
	return conn
}

func signalCommand(ts *testscript.TestScript, neg bool, args []string) {
	sig := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[1]]
	ts.Check(find(ts, args[0]).cmd.Process.Signal(sig))
}

func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	c := find(ts, args[0])
	kill := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	rest, err := io.ReadAll(c.stdout)
	ts.Check(err)
	c.cmd.Wait()
	if got, want := c.cmd.ProcessState.String(), "exit status "+args[1]; got != want {
		ts.Fatalf("the server ended with %q, want %q\n%s", got, want, c.logged(ts))
	}
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), args[0]+".out"), append([]byte(c.line), rest...), 0o666))
}

func awaitLogCommand(ts *testscript.TestScript, neg bool, args []string) {
	c := find(ts, args[0])
	for deadline := time.Now().Add(patience); !strings.Contains(c.logged(ts), args[1]); {
		if time.Now().After(deadline) {
			ts.Fatalf("no %q in the log:\n%s", args[1], c.logged(ts))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// statusOfCommand leaves the program's output for stdout and stderr, as exec does.
func statusOfCommand(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("echosrv", args[1:]...)
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
