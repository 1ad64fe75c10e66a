package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"echosrv/backends"
	"echosrv/protocol/session"
)

// Options are everything that a user can choose about a server. Settings lists them by name, with their
// ranges; DefaultOptions gives a usable set.
type Options struct {
	// Backend is the spec of an engine; empty: epoll where it can run, or else goroutine.
	Backend string
	// Listen is the TCP address of the service, "host:port"; port 0 lets the kernel choose.
	Listen string
	// Threads is the number of event loops; 0: what the spec says, or else the engine's default.
	Threads int
	// CPUs that the process is confined to; none leaves the choice to the kernel. Only on Linux.
	CPUs []int
	// GOMAXPROCS for the process; 0: threads + 1, see Server.
	GOMAXPROCS int
	// Session is the policy for each connection.
	Session session.Settings
	// Work is the time that the server computes for each packet, for experiments with servers that do more
	// than echo.
	Work time.Duration
	// Admin is the address of the admin server, empty: there is none. AdminTokenFile is needed unless that
	// is a loopback address. See package admin.
	Admin          string
	AdminTokenFile string
	// LogLevel is the least level that is logged; LogFormat is "text" or "json".
	LogLevel  slog.Level
	LogFormat string
}

// DefaultOptions are those of a server that nobody configured.
func DefaultOptions() Options {
	return Options{
		Listen:    "127.0.0.1:7000",
		Session:   session.DefaultSettings(),
		LogLevel:  slog.LevelInfo,
		LogFormat: "text",
	}
}

// ErrUsage is wrapped by the errors that a change of the options would cure; other errors of New come from
// the machine, such as a port in use.
var ErrUsage = errors.New("wrong usage")

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error      { return e.error }

// Usage marks err as one that a change of the options would cure: errors.Is(err, ErrUsage).
func Usage(err error) error { return usageError{err} }

// DefaultBackend is the engine of a server that nobody chose one for.
func DefaultBackend(table []backends.Engine) string {
	for _, name := range []string{"epoll", "goroutine"} {
		i := slices.IndexFunc(table, func(e backends.Engine) bool { return e.Name == name })
		if i >= 0 && table[i].Available() == nil {
			return name
		}
	}
	return table[0].Name
}

// plan is what Options come to on this machine with the engines of a table.
type plan struct {
	spec    backends.Spec
	threads int // 0: the engine's default, which depends on the CPUs that the process is confined to
}

// Check says everything that is wrong with the options, given the engines there are; nil: nothing. It does
// not ask the machine, so a port may still be taken. An empty Backend is replaced by the default's name.
func (o *Options) Check(table []backends.Engine) error {
	_, err := o.plan(table)
	return err
}

// plan checks the options as a whole and names everything that is wrong with them.
func (o *Options) plan(table []backends.Engine) (plan, error) {
	if o.Backend == "" {
		o.Backend = DefaultBackend(table)
	}
	var p plan
	spec, err := backends.ParseSpec(o.Backend, table)
	wrong := []error{err}
	if err == nil {
		p, err = planThreads(spec, o.Threads)
		wrong = append(wrong, err)
	}
	wrong = append(wrong, checkAddress("listen", o.Listen))
	if o.Admin != "" {
		wrong = append(wrong, checkAddress("admin", o.Admin))
	}
	if err := o.Session.Check(); err != nil {
		wrong = append(wrong, err)
	}
	wrong = append(wrong, checkTimes(&o.Session))
	if o.Work < 0 || o.Work > maxWork {
		wrong = append(wrong, fmt.Errorf("work=%s: 0s to %s are allowed", o.Work, maxWork))
	}
	if len(o.CPUs) > 0 && runtime.GOOS != "linux" {
		wrong = append(wrong, fmt.Errorf("cpus=%s: only Linux lets a process choose", FormatCPUs(o.CPUs)))
	}
	if err := errors.Join(wrong...); err != nil {
		return plan{}, Usage(err)
	}
	return p, nil
}

func planThreads(spec backends.Spec, threads int) (plan, error) {
	switch {
	case threads == 0:
		threads = spec.Threads
	case spec.Threads != 0 && spec.Threads != threads:
		return plan{}, fmt.Errorf("threads=%d, but the engine spec %q says %d; give one of them", threads, spec.Text, spec.Threads)
	}
	if threads != 0 {
		if err := spec.Engine.CheckThreads(threads); err != nil {
			return plan{}, err
		}
	}
	return plan{spec: spec, threads: threads}, nil
}

func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s=%q is not an address such as 127.0.0.1:7000 or [::1]:7000", name, address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s=%q: the port %q is not a number from 0 to 65535", name, address, port)
	}
	return nil
}
