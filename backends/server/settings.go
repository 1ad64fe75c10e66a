package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// Setting is one of Options by the name that it has everywhere: as a flag, in the environment, in a
// configuration file and in the admin server.
type Setting struct {
	Name string
	// Group is the heading that it stands under in help texts.
	Group string
	// Help is half a sentence, with the unit and what zero means.
	Help string
	// Live settings may change while the server runs.
	Live bool
	// In is the place of the setting in o.
	In func(o *Options) Value
}

// The groups of settings.
const (
	groupService = "Service"
	groupMode    = "Mode"
	groupLimits  = "Limits"
	groupRates   = "Rates"
	groupTimes   = "Times"
	groupAdmin   = "Admin"
	groupLog     = "Log"
)

// maxProcs bounds GOMAXPROCS; the runtime's own limit is higher.
const maxProcs = 2 * backends.MaxThreads

// Settings are all there are, in the order of help texts.
func Settings() []Setting {
	return slices.Concat(serviceSettings(), modeSettings(), limitSettings(), rateSettings(), timeSettings(), adminSettings(), logSettings())
}

func serviceSettings() []Setting {
	return []Setting{
		{Name: "backend", Group: groupService, Help: "engine, with options if wanted: NAME or NAME:KEY=VALUE,KEY=VALUE; empty: epoll where it can run, or else goroutine",
			In: func(o *Options) Value { return textValue{&o.Backend} }},
		{Name: "listen", Group: groupService, Help: "TCP address to serve on, HOST:PORT; port 0 lets the kernel choose",
			In: func(o *Options) Value { return textValue{&o.Listen} }},
		{Name: "threads", Group: groupService, Help: "event loops; 0: the engine's default",
			In: func(o *Options) Value { return intValue{&o.Threads, 0, backends.MaxThreads} }},
		{Name: "cpus", Group: groupService, Help: "CPUs that the process is confined to, such as 0-3,6; empty: the kernel chooses",
			In: func(o *Options) Value { return cpusValue{&o.CPUs} }},
		{Name: "gomaxprocs", Group: groupService, Help: "threads that may run Go code at once; 0: one more than event loops",
			In: func(o *Options) Value { return intValue{&o.GOMAXPROCS, 0, maxProcs} }},
	}
}

func modeSettings() []Setting {
	return []Setting{
		{Name: "mode", Group: groupMode, Live: true, Help: "real-time: each burst of packets is echoed at once; async: echoes are held and sent in batches",
			In: func(o *Options) Value { return modeValue{&o.Session.Mode} }},
		{Name: "flush-interval", Group: groupMode, Live: true, Help: "in mode async, the longest time that an echo is held",
			In: func(o *Options) Value {
				return durationValue{&o.Session.FlushInterval, time.Millisecond, session.MaxFlushInterval}
			}},
		{Name: "flush-bytes", Group: groupMode, Live: true, Help: "in mode async, the size at which held echoes are sent at once",
			In: func(o *Options) Value { return sizeValue{&o.Session.FlushBytes, 1, session.MaxOutbox} }},
		{Name: "work", Group: groupMode, Help: "time that the server computes for each packet, for experiments; 0s: none",
			In: func(o *Options) Value { return durationValue{&o.Work, 0, maxWork} }},
	}
}

func limitSettings() []Setting {
	return []Setting{
		{Name: "max-packet", Group: groupLimits, Live: true, Help: "largest payload accepted",
			In: func(o *Options) Value { return sizeValue{&o.Session.MaxPayload, 0, protocol.MaxPayload} }},
		{Name: "max-connections", Group: groupLimits, Live: true, Help: "connections at once; more are sent an ERROR and closed; 0: no limit",
			In: func(o *Options) Value { return intValue{&o.Session.MaxConnections, 0, session.MaxConnections} }},
		{Name: "outbox-bytes", Group: groupLimits, Live: true, Help: "bytes of replies that may wait for one connection",
			In: func(o *Options) Value { return sizeValue{&o.Session.Outbox.Bytes, 1, session.MaxOutbox} }},
		{Name: "outbox-packets", Group: groupLimits, Live: true, Help: "replies that may wait for one connection",
			In: func(o *Options) Value { return intValue{&o.Session.Outbox.Packets, 1, session.MaxOutboxPackets} }},
		{Name: "outbox-budget", Group: groupLimits, Live: true, Help: "bytes of replies that may wait for all connections together; 0: no limit",
			In: func(o *Options) Value { return sizeValue{&o.Session.OutboxBudget, 0, session.MaxBudget} }},
		{Name: "overflow", Group: groupLimits, Live: true, Help: "when the outbox is full: " + orList(buffer.Policies) + " (stop reading, discard the newest, disconnect)",
			In: func(o *Options) Value { return policyValue{&o.Session.Outbox.Policy} }},
	}
}

func rateSettings() []Setting {
	rate := func(name, help string, in func(*session.Settings) *float64) Setting {
		return Setting{Name: name, Group: groupRates, Live: true, Help: help + "; above it, reading pauses; 0: no limit",
			In: func(o *Options) Value { return rateValue{in(&o.Session)} }}
	}
	return []Setting{
		rate("connection-packet-rate", "packets per second from one connection", func(s *session.Settings) *float64 { return &s.ConnectionRate.Packets }),
		rate("connection-byte-rate", "bytes per second from one connection", func(s *session.Settings) *float64 { return &s.ConnectionRate.Bytes }),
		rate("server-packet-rate", "packets per second from all connections together", func(s *session.Settings) *float64 { return &s.ServerRate.Packets }),
		rate("server-byte-rate", "bytes per second from all connections together", func(s *session.Settings) *float64 { return &s.ServerRate.Bytes }),
	}
}

func timeSettings() []Setting {
	duration := func(name, help string, in func(*session.Settings) *time.Duration) Setting {
		return Setting{Name: name, Group: groupTimes, Live: true, Help: help,
			In: func(o *Options) Value { return durationValue{in(&o.Session), 0, maxDuration} }}
	}
	return []Setting{
		duration("heartbeat", "silence after which a peer is sent a PING; 0s: never", func(s *session.Settings) *time.Duration { return &s.Heartbeat }),
		duration("idle-timeout", "silence after which a peer is disconnected; 0s: never", func(s *session.Settings) *time.Duration { return &s.IdleTimeout }),
		duration("packet-timeout", "time from the first byte of a packet to its last; 0s: no limit", func(s *session.Settings) *time.Duration { return &s.PacketTimeout }),
		duration("write-timeout", "time in which a peer takes none of the replies that wait for it; 0s: no limit", func(s *session.Settings) *time.Duration { return &s.WriteTimeout }),
		duration("linger", "time that a connection is still read, and its input thrown away, after an ERROR; 0s: closed at once", func(s *session.Settings) *time.Duration { return &s.Linger }),
		duration("drain-timeout", "time that clients have to finish when the server stops; 0s: no limit", func(s *session.Settings) *time.Duration { return &s.DrainTimeout }),
	}
}

func adminSettings() []Setting {
	return []Setting{
		{Name: "admin", Group: groupAdmin, Help: "address of the admin server over HTTP, such as 127.0.0.1:9090; empty: none",
			In: func(o *Options) Value { return textValue{&o.Admin} }},
		{Name: "admin-token-file", Group: groupAdmin, Help: "file with the token that admin requests must have; needed on any address but loopback",
			In: func(o *Options) Value { return textValue{&o.AdminTokenFile} }},
	}
}

func logSettings() []Setting {
	return []Setting{
		{Name: "log-level", Group: groupLog, Live: true, Help: "least level that is logged: " + orList(levels),
			In: func(o *Options) Value { return levelValue{&o.LogLevel} }},
		{Name: "log-format", Group: groupLog, Help: "form of the log on standard error: text or json",
			In: func(o *Options) Value { return choiceValue{&o.LogFormat, []string{"text", "json"}} }},
	}
}

// FindSetting returns the setting with this name. Its error lists what there is.
func FindSetting(name string) (Setting, error) {
	var names []string
	for _, s := range Settings() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Setting{}, fmt.Errorf("unknown setting %q; there are %s", name, strings.Join(names, ", "))
}

func orList(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
