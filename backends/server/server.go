// Package server is one serving process: it joins an engine, the sessions and their policy, and the log,
// from Options that were checked as a whole.
//
// The life of a server: New checks the options, confines the process to its CPUs, sets GOMAXPROCS and
// binds; Run serves until its context ends, then drains; Close ends it at once.
//
// # GOMAXPROCS
//
// There is one rule for every engine: GOMAXPROCS is the number of threads plus one. A thread that waits
// for events inside the kernel keeps its place among the GOMAXPROCS for a while, so without one to spare
// the rest of the process (timers, the collector, the admin server) would have to take it back each time,
// and the wait would cost more. For an engine without loops of its own the number is an upper bound on the
// CPUs in use; Options.CPUs is the sharper tool. Options.GOMAXPROCS overrides the rule, and the line that
// a server prints when it listens says what is in force.
package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"echosrv/backends"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// Server is one serving process. Its methods may be called from any goroutine.
type Server struct {
	mu       sync.Mutex // guards options
	options  Options
	table    []backends.Engine
	engine   backends.Engine
	threads  int
	procs    int
	ballast  []byte
	work     time.Duration // Options.Work
	log      *slog.Logger
	level    *slog.LevelVar
	service  *session.Service
	backend  backends.Backend
	events   *events
	delays   delays
	began    time.Time
	draining atomic.Bool
	drain    sync.Once
	running  atomic.Bool
	closed   atomic.Bool
}

// New makes a server with one of the engines in table and binds its address. It changes the process:
// GOMAXPROCS, and the CPUs that it may use. The log goes to logs. An error that errors.Is ErrUsage is one
// that other options would cure.
func New(o Options, table []backends.Engine, logs io.Writer) (*Server, error) {
	p, err := o.plan(table)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, table: table, engine: p.spec.Engine, work: o.Work, level: new(slog.LevelVar), began: time.Now()}
	s.level.Set(o.LogLevel)
	s.log = newLog(logs, o.LogFormat, s.level)
	if err := available(s.engine); err != nil {
		return nil, fmt.Errorf("the engine %s can't run here: %w", s.engine.Name, err)
	}
	if err := s.place(p.threads); err != nil {
		return nil, err
	}
	s.events = newEvents(s.log)
	if s.service, err = session.NewService(s.sessionSettings(&o), buffer.NewPool(0), s.events); err != nil {
		return nil, Usage(err)
	}
	if o.Admin != "" {
		s.service.Probe(backends.Now, s.delays.observe)
	}
	s.backend, err = s.engine.New(backends.Config{
		Address: o.Listen, Threads: s.threads, CPUs: o.CPUs, Open: s.open,
		Options: p.spec.Options, Log: s.log.With("engine", s.engine.Name),
	})
	if err != nil {
		return nil, ExplainListen("listen", o.Listen, err)
	}
	s.warnNoPause(o.Session)
	return s, nil
}

func available(e backends.Engine) error {
	if e.Available == nil {
		return nil
	}
	return e.Available()
}

// ballast in bytes counts as heap but is never touched, so it takes no memory. A server's live heap is a few
// megabytes and grows with its connections, of which hardly any is garbage: without it they would be collected
// for nothing, from 4 MB on, while they arrive. A higher GOGC does the same for a small heap, but lets one that
// a flood of connections has made large grow to several times that.
const ballast = 12 << 20

// place confines the process to its CPUs and settles the number of threads and GOMAXPROCS, in this order,
// as an engine's default may be the number of CPUs.
func (s *Server) place(threads int) error {
	cpus := s.options.CPUs
	if len(cpus) > 0 {
		if err := confine(cpus); err != nil {
			return err
		}
		runtime.GOMAXPROCS(len(cpus))
	}
	if s.threads = threads; s.threads == 0 {
		s.threads = s.engine.Threads()
	}
	if s.procs = s.options.GOMAXPROCS; s.procs == 0 {
		s.procs = s.threads + 1
	}
	runtime.GOMAXPROCS(s.procs)
	s.ballast = make([]byte, ballast)
	return nil
}

// open is called by the engine for every connection it accepted.
func (s *Server) open(now time.Duration, peer backends.Peer) backends.Session {
	opened := s.service.Open(now, peer)
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug(msgOpened, "connection", opened.ID(), "peer", opened.RemoteAddr())
	}
	if s.work > 0 {
		return &working{Session: opened, each: s.work}
	}
	return opened
}

// sessionSettings are what the sessions get: the options, and what the engine can't do.
func (s *Server) sessionSettings(o *Options) session.Settings {
	set := o.Session
	set.NoPause = !s.engine.Capabilities.PauseReads
	return set
}

// warnNoPause says once what settings come to that need an engine which can stop reading.
func (s *Server) warnNoPause(set session.Settings) {
	if s.engine.Capabilities.PauseReads {
		return
	}
	if set.Outbox.Policy == buffer.Block {
		s.log.Warn(msgNoPauseFull, "engine", s.engine.Name)
	}
	if set.ConnectionRate != (session.Rate{}) || set.ServerRate != (session.Rate{}) {
		s.log.Warn(msgNoPauseRate, "engine", s.engine.Name)
	}
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.backend.Addr() }

// Log is the server's log.
func (s *Server) Log() *slog.Logger { return s.log }

// Service holds the sessions and their counters.
func (s *Server) Service() *session.Service { return s.service }

// Description says what a server runs.
type Description struct {
	Engine     string // its spec
	Threads    int
	GOMAXPROCS int
	CPUs       []int // none: the kernel chooses
}

// Description says what runs.
func (s *Server) Description() Description {
	o := s.Options()
	return Description{Engine: o.Backend, Threads: s.threads, GOMAXPROCS: s.procs, CPUs: o.CPUs}
}

// ListenLine says in one line, in words of the form key=value, what runs and where. Address has the port
// that the kernel chose, if it was left the choice.
func (s *Server) ListenLine() string {
	d, o := s.Description(), s.Options()
	cpus := "any"
	if len(d.CPUs) > 0 {
		cpus = FormatCPUs(d.CPUs)
	}
	return fmt.Sprintf("listening address=%s engine=%s threads=%d gomaxprocs=%d cpus=%s max-packet=%s",
		s.Addr(), d.Engine, d.Threads, d.GOMAXPROCS, cpus, backends.FormatBytes(o.Session.MaxPayload))
}

// drainSlack is what a drain may take beyond its timeouts before the server stops waiting: engines call
// Expire late, and the last bytes have to be written.
const drainSlack = 500 * time.Millisecond

// Run serves until ctx ends, then drains: no more connections are accepted, clients are asked to finish,
// and those that don't within the drain timeout and the linger after it are cut off. It returns nil after
// that and after Close, an error if the engine failed. It is called once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.backend.Serve() }()
	s.running.Store(true)
	defer s.running.Store(false)
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		s.Drain()
		err = s.await(served)
	}
	s.logEnd(err)
	if err != nil {
		return fmt.Errorf("the engine %s failed: %w", s.engine.Name, err)
	}
	return nil
}

// await waits for the end of a drain and cuts it off when its time is over.
func (s *Server) await(served <-chan error) error {
	set := s.service.Settings()
	if set.DrainTimeout == 0 {
		return <-served
	}
	limit := time.NewTimer(set.DrainTimeout + set.Linger + drainSlack)
	defer limit.Stop()
	select {
	case err := <-served:
		return err
	case <-limit.C:
		s.Close()
		return <-served
	}
}

// Drain stops accepting and asks every client to finish. It does not wait.
func (s *Server) Drain() {
	s.drain.Do(func() {
		s.draining.Store(true)
		s.log.Info(msgDraining, "connections", s.service.Connections(), "timeout", s.service.Settings().DrainTimeout)
		s.backend.Drain()
	})
}

// Close drops every connection and makes Run return.
func (s *Server) Close() error {
	if !s.closed.Swap(true) && s.running.Load() {
		s.log.Warn(msgClosing, "connections", s.service.Connections(), "bytes_waiting", s.service.Queued())
	}
	return s.backend.Close()
}

// logEnd writes the last line: what was served and what was not.
func (s *Server) logEnd(err error) {
	t := s.Statistics()
	attrs := []any{
		"connections", t.Opened, "packets", t.PacketsIn, "bytes_in", t.BytesIn, "bytes_out", t.BytesOut,
		"dropped", t.Dropped, "partial", t.Partial, "violations", t.Violations, "refused", t.Refused,
		"cut_off", t.CutOff, "unanswered", t.Unanswered, "uptime", time.Since(s.began).Round(time.Millisecond),
	}
	if err != nil {
		s.log.Error(msgFailed, append(attrs, "error", err)...)
		return
	}
	s.log.Info(msgStopped, attrs...)
}

// Ready reports whether the server takes new connections.
func (s *Server) Ready() bool { return s.running.Load() && !s.draining.Load() && !s.closed.Load() }
