package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"echosrv/backends"
	"echosrv/backends/goroutine"
	"echosrv/backends/server"
	"echosrv/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server with an admin server.
type running struct {
	*server.Server
	admin *Admin
	drain func()
	done  chan error
}

const token = "a token that is long enough"

func tokenFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newServer(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	o := server.DefaultOptions()
	o.Backend, o.Listen, o.Admin = "goroutine", "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&o)
	}
	s, err := server.New(o, []backends.Engine{goroutine.Engine()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func start(t *testing.T, change func(*server.Options)) *running {
	t.Helper()
	r := &running{Server: newServer(t, change), done: make(chan error, 1)}
	var err error
	if r.admin, err = Start(r.Server); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.drain = cancel
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() {
		r.Close()
		<-r.done
		r.admin.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// ask sends a request that change may alter and returns the status and the body.
func (r *running) ask(t *testing.T, method, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+r.admin.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// header returns a change that sets one header, Host included.
func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
}

func TestPages(t *testing.T) {
	r := start(t, nil)
	for path, want := range map[string]string{
		"/": "live charts", "/healthz": "ok", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/statsviz/": "#echosrv-packets{order", "/config": `"max-packet": "1MiB"`, "/metrics": "echosrv_info{engine=\"goroutine\"",
	} {
		if status, body := r.ask(t, "GET", path, "", nil); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, no %q in %.300q", path, status, want, body)
		}
	}
	if status, _ := r.ask(t, "GET", "/nowhere", "", nil); status != 404 {
		t.Errorf("/nowhere: status %d", status)
	}
	if status, _ := r.ask(t, "POST", "/config", "{}", nil); status != 405 {
		t.Errorf("POST: status %d", status)
	}
}

func TestReadinessEndsWithTheDrain(t *testing.T) {
	r := start(t, func(o *server.Options) { o.Session.DrainTimeout = 0 })
	conn := exchange(t, r.Addr())
	for deadline := time.Now().Add(patience); ; {
		status, _ := r.ask(t, "GET", "/readyz", "", nil)
		if status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %d", status)
		}
	}
	r.drain()
	if kind := protocol.ParseHeader(read(t, conn, protocol.HeaderSize+4)).Kind; kind != protocol.GoAway {
		t.Fatalf("got %v", kind)
	}
	if status, body := r.ask(t, "GET", "/readyz", "", nil); status != 503 {
		t.Errorf("status %d, %q", status, body)
	}
	if status, _ := r.ask(t, "GET", "/healthz", "", nil); status != 200 {
		t.Errorf("a draining server is not healthy: %d", status)
	}
	conn.Close()
}

const patience = 20 * time.Second

// exchange opens a connection and sees an echo on it.
func exchange(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(protocol.Append(nil, protocol.DataSend, []byte("hello"))); err != nil {
		t.Fatal(err)
	}
	read(t, conn, protocol.HeaderSize+5)
	return conn
}

func read(t *testing.T, conn net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPatch(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"a text and a number", `{"max-packet": 1024, "linger": "1s"}`, 200, `"from": "1MiB"`},
		{"nothing new", `{"max-packet": "1KiB"}`, 200, "[]"},
		{"one good, one bad", `{"linger": "3s", "overflow": "maybe"}`, 400, "allowed are block, drop, close"},
		{"unknown", `{"speed": 1}`, 400, `unknown setting "speed"`},
		{"fixed", `{"linger": "3s", "threads": 7}`, 400, "restart it for: threads"},
		{"at odds", `{"heartbeat": "3s", "idle-timeout": "2s"}`, 400, "must be shorter"},
		{"list", `{"cpus": [1]}`, 400, `"cpus" must be a text or a number`},
		{"null", `{"linger": null}`, 400, `"linger" must be a text or a number`},
		{"not an object", `[1]`, 400, "must be a JSON object"},
		{"nothing", ``, 400, "must be a JSON object"},
		{"no JSON", `linger=3s`, 400, "must be a JSON object such as"},
		{"cut short", `{"linger": "3s"`, 400, "must be a JSON object"},
		{"no key", `{1: 2}`, 400, "must be a JSON object"},
		{"twice", `{"linger": "3s", "linger": "4s"}`, 400, `"linger" is there twice`},
		{"not closed as it was opened", `{"linger": "3s"]`, 400, "must be a JSON object"},
		{"two", `{} {}`, 400, "one JSON object and nothing else"},
		{"too large", `{"listen": "` + strings.Repeat("x", maxPatch) + `"}`, 400, "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := r.ask(t, "PATCH", "/config", c.body, nil); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("status %d, %q; want %d, %q", status, body, c.status, c.want)
			}
		})
	}
	var values map[string]string
	_, body := r.ask(t, "GET", "/config", "", nil)
	if err := json.Unmarshal([]byte(body), &values); err != nil || values["max-packet"] != "1KiB" || values["linger"] != "1s" {
		t.Errorf("got %v, %v", values, err)
	}
	if set := r.Service().Settings(); set.MaxPayload != 1024 || set.Linger != time.Second {
		t.Errorf("the sessions have %+v", set)
	}
}

// TestOtherPages: what a web page in the operator's browser could send.
func TestOtherPages(t *testing.T) {
	r := start(t, nil)
	const patch = `{"linger": "9s"}`
	for _, c := range []struct {
		name, method string
		change       func(*http.Request)
		status       int
	}{
		{"no browser", "PATCH", nil, 200},
		{"the server's own page", "PATCH", header("Origin", "http://"+r.admin.Addr().String()), 200},
		{"by name", "PATCH", header("Host", "localhost:80"), 200},
		{"another page", "PATCH", header("Origin", "http://example.com"), 403},
		{"a page without origin", "PATCH", header("Origin", "null"), 403},
		{"another site", "PATCH", header("Sec-Fetch-Site", "cross-site"), 403},
		{"another port here", "PATCH", header("Origin", "http://127.0.0.1:1"), 403},
		{"a name that resolves to here", "PATCH", header("Host", "example.com"), 403},
		{"reading by such a name", "GET", header("Host", "example.com"), 403},
		{"a name like an address", "GET", header("Host", "127.0.0.1.example.com"), 403},
		{"a form", "PATCH", header("Content-Type", "text/plain"), 415},
		{"a form that posts", "POST", header("Origin", "http://example.com"), 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := r.ask(t, c.method, "/config", patch, c.change); status != c.status {
				t.Errorf("status %d, %q; want %d", status, body, c.status)
			}
		})
	}
	if _, answer := r.openCharts(t, "http://example.com"); !strings.Contains(answer, " 403 ") {
		t.Errorf("another page may read the live charts: %s", answer)
	}
}

// openCharts asks for the live data as a page of this origin would, and returns the connection with the
// first line of the answer.
func (r *running) openCharts(t *testing.T, origin string) (*bufio.Reader, string) {
	t.Helper()
	address := r.admin.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /debug/statsviz/ws HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", address, origin)
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return in, line
}

func TestToken(t *testing.T) {
	path := tokenFile(t, token+"\n")
	r := start(t, func(o *server.Options) { o.Admin, o.AdminTokenFile = "0.0.0.0:0", path })
	r.admin.listener.Addr().(*net.TCPAddr).IP = net.IPv4(127, 0, 0, 1)
	bearer := func(text string) func(*http.Request) { return header("Authorization", "Bearer "+text) }
	for _, c := range []struct {
		name, path string
		change     func(*http.Request)
		status     int
	}{
		{"none", "/metrics", nil, 401},
		{"none, for the configuration", "/config", nil, 401},
		{"none, for the charts", "/debug/statsviz/", nil, 401},
		{"wrong", "/metrics", bearer(token + "."), 401},
		{"empty", "/metrics", bearer(""), 401},
		{"right", "/metrics", bearer(token), 200},
		{"as a password", "/config", func(r *http.Request) { r.SetBasicAuth("anybody", token) }, 200},
		{"as a wrong password", "/config", func(r *http.Request) { r.SetBasicAuth(token, "") }, 401},
		{"probe", "/healthz", nil, 200},
		{"under any name", "/metrics", func(r *http.Request) { r.Host = "server7"; bearer(token)(r) }, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := r.ask(t, "GET", c.path, "", c.change); status != c.status {
				t.Errorf("status %d, %.100q; want %d", status, body, c.status)
			}
		})
	}
	cross := func(r *http.Request) { bearer(token)(r); r.Header.Set("Origin", "http://example.com") }
	if status, _ := r.ask(t, "PATCH", "/config", `{}`, cross); status != 403 {
		t.Errorf("with the token, but from another page: status %d", status)
	}
}

func TestStartRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	short, long := tokenFile(t, " too short \n"), tokenFile(t, strings.Repeat("x", maxToken+1))
	for name, c := range map[string]struct {
		admin, token string
		usage        bool
		want         string
	}{
		"everywhere without a token": {admin: "0.0.0.0:0", usage: true, want: "not a loopback address"},
		"no host":                    {admin: ":0", usage: true, want: "not a loopback address"},
		"every IPv6 address":         {admin: "[::]:0", usage: true, want: "not a loopback address"},
		"short token":                {admin: "127.0.0.1:0", token: short, usage: true, want: "has 9 bytes, 16 to 4096"},
		"long token":                 {admin: "127.0.0.1:0", token: long, usage: true, want: "16 to 4096"},
		"no such file":               {admin: "127.0.0.1:0", token: short + "x", want: "can't read the admin token"},
		"port in use":                {admin: busy.Addr().String(), want: "choose another with --admin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *server.Options) { o.Admin, o.AdminTokenFile = c.admin, c.token })
			a, err := Start(s)
			if err == nil {
				a.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), c.want) || errors.Is(err, server.ErrUsage) != c.usage {
				t.Errorf("got %v (usage %t)", err, errors.Is(err, server.ErrUsage))
			}
		})
	}
}

// TestMetricsCount: what happened is in the metrics.
func TestMetricsCount(t *testing.T) {
	r := start(t, func(o *server.Options) { o.Session.MaxConnections = 1 })
	conn := exchange(t, r.Addr())
	refused, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	refused.SetDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, refused)
	refused.Close()
	for range 300 { // enough for one to be timed
		conn.Write(protocol.Append(nil, protocol.DataSend, nil))
		read(t, conn, protocol.HeaderSize)
	}
	wants := []string{
		"echosrv_connections_open 1", "echosrv_connections_total 2", `echosrv_connections_closed_total{cause="error"} 1`,
		"echosrv_connections_refused_total 1", "echosrv_packets_received_total 301", "echosrv_received_bytes_total 2413",
		`echosrv_errors_total{code="too-many-connections"} 1`, "echosrv_draining 0", `echosrv_read_to_write_seconds_bucket{le="+Inf"} 2`,
	}
	missing := func() string {
		_, body := r.ask(t, "GET", "/metrics", "", nil)
		for _, want := range wants {
			if !strings.Contains(body, want+"\n") {
				return want + "\n" + body
			}
		}
		return ""
	}
	for deadline := time.Now().Add(patience); missing() != ""; {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", missing())
		}
	}
}

// TestLiveCharts: the page's data come, with the server's own series.
func TestLiveCharts(t *testing.T) {
	r := start(t, nil)
	in, answer := r.openCharts(t, "http://"+r.admin.Addr().String())
	if !strings.Contains(answer, " 101 ") {
		t.Fatal(answer)
	}
	var seen strings.Builder
	for !strings.Contains(seen.String(), "echosrv-packets") {
		if _, err := io.CopyN(&seen, in, 1); err != nil {
			t.Fatalf("%v after %.500q", err, seen.String())
		}
	}
}
