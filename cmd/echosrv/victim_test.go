package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
)

// childEnv makes the test binary behave as echosrv.
const childEnv = "ECHOSRV_TEST_CHILD"

// victim is an echosrv in a process of its own, with a bystander: a client that did nothing wrong and must
// be served all the time.
type victim struct {
	t         *testing.T
	engine    backends.Engine
	cmd       *exec.Cmd
	address   string
	admin     string
	log       string
	bystander chan error // its end; nil if it was served until it was told to stop
	leave     chan struct{}
}

// startVictim runs echosrv with an engine and these flags. descriptors limits its file descriptors; 0 leaves them.
func startVictim(t *testing.T, e backends.Engine, descriptors int, flags ...string) *victim {
	t.Helper()
	v := &victim{t: t, engine: e, log: t.TempDir() + "/log", bystander: make(chan error, 1), leave: make(chan struct{})}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	flags = append([]string{"--backend", e.Name, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, flags...)
	v.cmd = exec.Command(self, flags...)
	if descriptors > 0 {
		shell := fmt.Sprintf("ulimit -n %d && exec \"$0\" \"$@\"", descriptors)
		v.cmd = exec.Command("sh", append([]string{"-c", shell, self}, flags...)...)
	}
	v.cmd.Env = append(os.Environ(), childEnv+"=1")
	logFile, err := os.Create(v.log)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	v.cmd.Stderr = logFile
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if v.cmd.ProcessState == nil {
			v.cmd.Process.Kill()
			v.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the log:\n%.4000s", v.logged())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("echosrv %s: %v\n%s", strings.Join(flags, " "), err, v.logged())
	}
	v.address, v.admin = word(line, "address"), word(line, "admin")
	go v.stand(v.dial())
	return v
}

// word is the value of key in a line of words of the form key=value.
func word(line, key string) string {
	for _, w := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(w, key+"="); ok {
			return value
		}
	}
	return ""
}

func (v *victim) logged() string {
	text, _ := os.ReadFile(v.log)
	return string(text)
}

// stand is the bystander.
func (v *victim) stand(conn net.Conn) {
	defer conn.Close()
	for i := 0; ; i++ {
		select {
		case <-v.leave:
			v.bystander <- nil
			return
		case <-time.After(5 * time.Millisecond):
		}
		if err := echo(conn, fmt.Sprintf("bystander %d", i)); err != nil {
			v.bystander <- fmt.Errorf("packet %d: %w", i, err)
			return
		}
	}
}

// echo sends a packet and expects it back; PINGs before it are answered.
func echo(conn net.Conn, text string) error {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(protocol.Append(nil, protocol.DataSend, []byte(text))); err != nil {
		return err
	}
	for {
		p, err := receive(conn)
		switch {
		case err != nil:
			return err
		case p.Kind == protocol.Ping:
			if _, err := conn.Write(protocol.Append(nil, protocol.Pong, p.Payload)); err != nil {
				return err
			}
		case p.Kind != protocol.DataEcho || string(p.Payload) != text:
			return fmt.Errorf("got %s %.80q", p.Kind, p.Payload)
		default:
			return nil
		}
	}
}

// receive reads one packet.
func receive(conn net.Conn) (protocol.Packet, error) {
	head := make([]byte, protocol.HeaderSize)
	if _, err := io.ReadFull(conn, head); err != nil {
		return protocol.Packet{}, err
	}
	p := protocol.Packet{Header: protocol.ParseHeader(head)}
	p.Payload = make([]byte, p.Length)
	_, err := io.ReadFull(conn, p.Payload)
	return p, err
}

func (v *victim) dial() *net.TCPConn {
	v.t.Helper()
	conn, err := net.Dial("tcp", v.address)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// metric is the sum of all series of a metric.
func (v *victim) metric(name string) float64 {
	v.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + v.admin + "/metrics")
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	sum, found := 0.0, false
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if before, _, _ := strings.Cut(series, "{"); before == name {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				v.t.Fatal(err)
			}
			sum, found = sum+n, true
		}
	}
	if !found {
		v.t.Fatalf("no metric %s", name)
	}
	return sum
}

// collect has the process collect its garbage.
func (v *victim) collect() {
	v.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + v.admin + "/debug/pprof/heap?gc=1")
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		v.t.Fatalf("asking for a collection: status %s, %v", resp.Status, err)
	}
}

// await waits until a metric is at most this.
func (v *victim) await(name string, atMost float64) {
	v.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		is := v.metric(name)
		if is <= atMost {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s stays at %g, want %g at most", name, is, atMost)
		}
	}
}

// check is what must be so after every fault: the bystander was served, newcomers are, nothing is left of
// the others, and the server stops as it should.
func (v *victim) check() {
	v.t.Helper()
	newcomer := v.dial()
	if err := echo(newcomer, "newcomer"); err != nil {
		v.t.Errorf("a newcomer is not served: %v", err)
	}
	newcomer.Close()
	v.await("echosrv_connections_open", 1)
	v.await("echosrv_buffers_in_use", 0)
	v.await("echosrv_outbox_bytes", 0)
	close(v.leave)
	if err := <-v.bystander; err != nil {
		v.t.Errorf("the bystander was not served: %v", err)
	}
	v.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { v.cmd.Process.Kill() })
	defer kill.Stop()
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("the server ended with %v", err)
	}
	if bytes.Contains([]byte(v.logged()), []byte("panic")) {
		v.t.Error("the log has a panic")
	}
}
