// Package admin is what an operator sees of a running server, over HTTP:
//
//	GET   /healthz         the process answers
//	GET   /readyz          it takes new connections: 503 from the beginning of a drain on
//	GET   /metrics         for Prometheus
//	GET   /config          the settings in force, as a JSON object of texts
//	PATCH /config          changes some of them, all or nothing
//	GET   /debug/statsviz/ a page with live charts
//	GET   /debug/pprof/    profiles of the process
//
// Who may ask: see guard.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/arl/statsviz"
	"golang.org/x/net/netutil"

	"echosrv/backends/server"
)

// Limits of the HTTP server. Profiles and live charts last as long as is asked for, so there is no limit on
// the time of a reply.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = time.Minute
	maxHeader      = 16 << 10 // bytes
	maxConnections = 64       // others wait, and take no descriptor from those who are served
	closeTimeout   = time.Second
)

// Admin is a running admin server.
type Admin struct {
	listener net.Listener
	http     *http.Server
	live     *statsviz.Server
	served   chan struct{}
}

// Start serves what s is and does on the address in its options, which must have one. An error that
// errors.Is server.ErrUsage is one that other options would cure.
func Start(s *server.Server) (*Admin, error) {
	o := s.Options()
	token, err := readToken(o.AdminTokenFile)
	if err != nil {
		return nil, err
	}
	address, err := net.ResolveTCPAddr("tcp", o.Admin)
	if err != nil {
		return nil, fmt.Errorf("can't find the admin address: %w", err)
	}
	if token == "" && !address.IP.IsLoopback() {
		return nil, server.Usage(fmt.Errorf("admin=%s is not a loopback address, so others could reach it: give --admin-token-file too, or use 127.0.0.1", o.Admin))
	}
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return nil, server.ExplainListen("admin", o.Admin, err)
	}
	a := &Admin{listener: listener, served: make(chan struct{})}
	if err := a.serve(s, guard{token: token}); err != nil {
		listener.Close()
		return nil, err
	}
	return a, nil
}

func (a *Admin) serve(s *server.Server, g guard) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", readyz(s))
	mux.Handle("GET /metrics", metricsHandler(s))
	mux.HandleFunc("GET /config", getConfig(s))
	mux.HandleFunc("PATCH /config", patchConfig(s))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	var err error
	if a.live, err = liveCharts(s); err != nil {
		return fmt.Errorf("failed to prepare the live charts: %w", err)
	}
	a.live.Register(mux)
	mux.HandleFunc("GET "+liveRoot+"{$}", ordered(a.live.Index()))
	a.http = &http.Server{
		Handler: g.protect(mux), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log().Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(a.served)
		if err := a.http.Serve(netutil.LimitListener(a.listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.LogAdminEnded(err)
		}
	}()
	return nil
}

// Addr is where it listens.
func (a *Admin) Addr() net.Addr { return a.listener.Addr() }

// Close ends it; requests that are being answered have a second.
func (a *Admin) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	a.live.Close()
	if err := a.http.Shutdown(ctx); err != nil {
		a.http.Close()
	}
	<-a.served
}

func healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func readyz(s *server.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "not ready: the server takes no new connections", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	}
}

const indexPage = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>echosrv</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<h1>echosrv</h1><ul>
<li><a href="debug/statsviz/">live charts</a>
<li><a href="metrics">metrics</a>
<li><a href="config">configuration</a>
<li><a href="debug/pprof/">profiles</a>
<li><a href="healthz">health</a>, <a href="readyz">readiness</a>
</ul></html>
`

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, indexPage)
}
