//go:build unix

package backendtest

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

func breakages() []breakage {
	return slices.Concat(brokenReplies(), brokenEnds(), brokenPressure(), brokenTimers(), brokenStops(),
		brokenSockets(), brokenContract(), leaking())
}

func brokenReplies() []breakage {
	wrong := errWrong.Error()
	return []breakage{
		{name: "corrupts the last byte of a burst", caught: map[string]string{"any cutting into writes": "", "payloads around every power of two": wrong},
			breaking: sessions(replacing(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))},
		{name: "echoes every burst twice", caught: map[string]string{
			"many packets in one write": wrong, "half-close with 8 MiB in flight": "half-close is claimed",
		}, breaking: sessions(replacing(func(b []byte) []byte { return append(append([]byte{}, b...), b...) }))},
		{name: "loses the last byte of a burst", caught: map[string]string{"many packets in one write": "", "1000 connections at once": ""},
			breaking: sessions(replacing(func(b []byte) []byte { return b[:len(b)-1] }))},
		{name: "echoes packets in the wrong order", caught: map[string]string{"many packets in one write": wrong},
			breaking: sessions(replacing(swapPackets))},
		{name: "swallows short reads", caught: map[string]string{"one byte per write": "was not read"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &swallowing{Session: s, most: 3} })},
		{name: "swallows reads of a power of two", caught: map[string]string{"payloads around every power of two": "payload of"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &swallowing{Session: s, power: 1 << 10} })},
		{name: "does not echo empty payloads", caught: map[string]string{"empty payloads": ""},
			breaking: sessions(replacing(withoutEmpty))},
		{name: "answers PING with DATA_ECHO", caught: map[string]string{"ping and pong": "expected PONG"},
			breaking: sessions(replacing(func(b []byte) []byte {
				if protocol.ParseHeader(b).Kind == protocol.Pong {
					protocol.SetKind(b, protocol.DataEcho)
				}
				return b
			}))},
		{name: "allows a byte less than it says", caught: map[string]string{"the largest payload": "too large"},
			breaking: func(s *Suite) { s.tamper = func(set *session.Settings) { set.MaxPayload-- } }},
		{name: "allows a byte more than it says", caught: map[string]string{"one byte too large": "expected ERROR"},
			breaking: func(s *Suite) { s.tamper = func(set *session.Settings) { set.MaxPayload++ } }},
		{name: "ends without saying why", caught: all("EOF", violations[:6]),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return mute{s} })},
		{name: "says nothing to garbage", caught: map[string]string{"garbage": "an ERROR was expected"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return mute{s} })},
		{name: "serves 500 connections only", caught: map[string]string{"1000 connections at once": ""},
			breaking: sessions(func(srv *server, s backends.Session) backends.Session {
				if srv.service.Totals().Opened > 500 {
					return unserved{s}
				}
				return s
			})},
		{name: "starves those who come later", caught: map[string]string{"a busy client does not starve the others": ""},
			breaking: sessions(func(srv *server, s backends.Session) backends.Session {
				if srv.service.Totals().Opened > 4 {
					return unserved{s}
				}
				return s
			})},
	}
}

func brokenEnds() []breakage {
	return []breakage{
		{name: "never closes", caught: map[string]string{
			"a peer that leaves at once": "waited", "end of input between packets": "", "end of input inside a packet": "",
			"connect and disconnect churn": "waited", "the linger after an error ends": "still open",
		}, breaking: sessions(func(_ *server, s backends.Session) backends.Session { return endless{s} })},
		{name: "takes the end of input for a reset", caught: map[string]string{
			"half-close with 8 MiB in flight": "half-close is claimed", "end of input between packets": "not of themselves",
		}, breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &abrupt{Session: s} })},
		{name: "does not notice resets", caught: map[string]string{"reset inside a packet": "waited"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return deaf{s} })},
		{name: "closes right after an ERROR", caught: map[string]string{"an error while the client is still sending": "orderly-close is claimed"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return hasty{s} })},
		{name: "disclaims half-close and has it", patience: morePatience, caught: map[string]string{"half-close with 8 MiB in flight": "it works"},
			breaking: lies(func(c *backends.Capabilities) { c.HalfClose = false })},
		{name: "disclaims orderly-close and has it", patience: morePatience, caught: map[string]string{"an error while the client is still sending": "it works"},
			breaking: lies(func(c *backends.Capabilities) { c.OrderlyClose = false })},
	}
}

func brokenPressure() []breakage {
	return []breakage{
		{name: "reads on while the session has paused", caught: map[string]string{"block: a client that never reads": "the server read on"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return greedy{s} })},
		{name: "holds without bound what it reads", caught: map[string]string{"block: a client that never reads": "buffers are in use"},
			breaking: func(s *Suite) {
				s.tamper = func(set *session.Settings) { set.Outbox.Bytes *= 64; set.Outbox.Packets *= 64 }
			}},
		{name: "never goes on after a pause", caught: map[string]string{
			"block: pausing and going on, many times": "", "a client above its rate waits": "pause-reads is claimed",
		},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &stuck{Session: s} })},
		{name: "blocks where it ought to drop or close", caught: map[string]string{
			"drop: a client that never reads": "nothing was dropped", "close: a client that never reads": "was not ended",
		}, breaking: func(s *Suite) { s.tamper = func(set *session.Settings) { set.Outbox.Policy = buffer.Block } }},
		{name: "drops more than it says", caught: map[string]string{"drop: a client that never reads": "reported as discarded"},
			breaking: sessions(func(srv *server, s backends.Session) backends.Session { return &forgetful{Session: s, server: srv} })},
		{name: "disclaims full-duplex and has it", caught: map[string]string{
			"block: a client that never reads": "a half-duplex engine took", "drop: a client that never reads": "a half-duplex engine took",
			"drain refuses newcomers": "was not spoken to",
		}, breaking: lies(func(c *backends.Capabilities) { c.FullDuplex = false })},
		{name: "disclaims pause-reads and has it", caught: map[string]string{"block: a client that never reads": "ErrNoPause"},
			breaking: lies(func(c *backends.Capabilities) { c.PauseReads = false })},
	}
}

func brokenTimers() []breakage {
	return []breakage{
		{name: "has no timers", caught: all("timers is claimed", timers, modes[:1]),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return timeless{s} })},
		{name: "is late", caught: map[string]string{"timers are on time": "late"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return tardy{s} })},
		{name: "keeps the first deadline", caught: map[string]string{"deadlines that move": "timers is claimed"},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &faithful{Session: s} })},
		{name: "disclaims timers and has them", caught: map[string]string{
			"heartbeats on silent connections": "it works", "idle connections are closed": "it works", "a packet must arrive in time": "it works",
			"replies must be taken in time": "it works", "deadlines that move": "it works",
		}, breaking: lies(func(c *backends.Capabilities) { c.Timers = false })},
		{name: "waits for ever in a drain", caught: map[string]string{"drain ends at its deadline": ""},
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return timeless{s} })},
	}
}

func brokenStops() []breakage {
	return []breakage{
		{name: "ignores Close", caught: map[string]string{"stop under load": "Serve did not return", "close before serve": "", "close while draining": ""},
			breaking: backend(newUntouchable)},
		{name: "returns an error when it is closed", caught: map[string]string{"stop under load": "Serve returned"},
			breaking: backend(func(b backends.Backend) backends.Backend { return complaining{b} })},
		{name: "returns before its sessions are closed", caught: map[string]string{"stop under load": "closed when Serve returned"},
			breaking: backend(newEarly)},
		{name: "drains only while serving", caught: map[string]string{"drain before serve": "Serve did not return"},
			breaking: backend(func(b backends.Backend) backends.Backend { return &undrained{Backend: b} })},
		{name: "drains by closing", caught: map[string]string{"drain under load": "lossless-drain is claimed", "drain refuses newcomers": "expected GOAWAY"},
			breaking: backend(func(b backends.Backend) backends.Backend { return brusque{b} })},
		{name: "disclaims lossless-drain and has it", patience: morePatience, caught: map[string]string{"drain under load": "it works"},
			breaking: lies(func(c *backends.Capabilities) { c.LosslessDrain = false })},
		{name: "keeps refused connections open", caught: map[string]string{"sessions refused": "stays open"},
			breaking: func(s *Suite) {
				listen := s.Engine.New
				s.Engine.New = func(cfg backends.Config) (backends.Backend, error) {
					open := cfg.Open
					cfg.Open = func(now time.Duration, p backends.Peer) backends.Session {
						if s := open(now, p); s != nil {
							return s
						}
						return &idler{}
					}
					return listen(cfg)
				}
			}},
		{name: "listens where it likes", caught: map[string]string{
			"port in use": "did not fail", "addresses that can't be": "did not fail", "IPv6": "",
		},
			breaking: func(s *Suite) {
				listen := s.Engine.New
				s.Engine.New = func(cfg backends.Config) (backends.Backend, error) {
					b, err := listen(cfg)
					if err != nil || strings.HasPrefix(cfg.Address, "[") {
						if b != nil {
							b.Close()
						}
						cfg.Address = "127.0.0.1:0"
						return listen(cfg)
					}
					return b, err
				}
			}},
	}
}

func brokenSockets() []breakage {
	crowded := func(then func(*server)) func(*Suite) {
		var once sync.Once
		return sessions(func(srv *server, s backends.Session) backends.Session {
			if srv.service.Totals().Opened > 20 {
				once.Do(func() { then(srv) })
			}
			return s
		})
	}
	broken := []breakage{
		{name: "disclaims nodelay and has it", caught: map[string]string{"no delay": "it works"},
			breaking: lies(func(c *backends.Capabilities) { c.NoDelay = false })},
		{name: "delays", caught: map[string]string{"no delay": "TCP_NODELAY off"},
			breaking: sessions(func(srv *server, s backends.Session) backends.Session {
				_, port, _ := net.SplitHostPort(s.(*watched).RemoteAddr())
				delay(port, srv.backend.Addr().(*net.TCPAddr).Port)
				return s
			})},
		{name: "disclaims survives-full-table and does", patience: morePatience, caught: map[string]string{"a full file table": "it works"},
			breaking: lies(func(c *backends.Capabilities) { c.SurvivesFullTable = false })},
		{name: "stops when the table is full", patience: morePatience, caught: map[string]string{"a full file table": "survives-full-table is claimed"},
			breaking: crowded(func(srv *server) { go srv.backend.Close() })},
		{name: "spins when the table is full", patience: morePatience, caught: map[string]string{"a full file table": "CPU time"},
			breaking: crowded(func(srv *server) {
				go func() {
					for len(srv.served) == 0 {
					}
				}()
			})},
		{name: "floods its log when the table is full", patience: morePatience, caught: map[string]string{"a full file table": "logged"},
			breaking: crowded(func(srv *server) {
				for range 100 {
					srv.suite.Log.Warn("the table is full")
				}
			})},
		{name: "serves nobody after the table was full", patience: morePatience, caught: map[string]string{"a full file table": "newcomers are not served"},
			breaking: crowded(func(srv *server) { srv.setRefuse(true) })},
	}
	if canSeePinning() {
		broken = append(broken, breakage{name: "claims to pin its loops", caught: map[string]string{"loops pinned to CPUs": "cpu-pinning is claimed"},
			breaking: lies(func(c *backends.Capabilities) { c.CPUPinning = true })})
	}
	return broken
}

func brokenContract() []breakage {
	caught := func(text string) map[string]string {
		return map[string]string{"end of input between packets": "contract: " + text}
	}
	return []breakage{
		{name: "closes a session twice", caught: caught("Close was called after Close"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return closedTwice{s} })},
		{name: "closes without a reason", caught: caught("Close was called without a reason"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return &abrupt{Session: s, silent: true} })},
		{name: "closes with a reason of its own", caught: caught("Close was called with the reason"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return original{s} })},
		{name: "does not settle replies", caught: caught("Expire was called before Sent"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return unsettled{s} })},
		{name: "settles more than there is", caught: caught("Sent was called with"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return generous{s} })},
		{name: "calls from two goroutines", caught: caught("Queued was called while another call was going on"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return shared{s} })},
		{name: "goes back in time", caught: caught("Expire was given a time"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return backward{s} })},
		{name: "receives nothing", caught: caught("Receive was called with no bytes"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return empty{s} })},
		{name: "receives after the end", caught: caught("Receive was called after EOF"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session { return posthumous{s} })},
	}
}

func leaking() []breakage {
	caught := func(text string) map[string]string {
		return map[string]string{"end of input between packets": text, "restarts under load": text}
	}
	return []breakage{
		{name: "leaks a buffer", leaks: true, caught: caught("buffers of"),
			breaking: sessions(func(srv *server, s backends.Session) backends.Session { srv.pool.Get(100); return s })},
		{name: "leaks a goroutine", leaks: true, caught: caught("goroutines are left"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session {
				end := make(chan struct{})
				atEnd(func() { close(end) })
				go func() { <-end }()
				return s
			})},
		{name: "leaks a descriptor", leaks: true, caught: caught("descriptors are open"),
			breaking: sessions(func(_ *server, s backends.Session) backends.Session {
				if f, err := os.Open(os.DevNull); err == nil {
					atEnd(func() { f.Close() })
				}
				return s
			})},
	}
}

// delay has a connection of this process wait for acknowledgements before it sends more.
func delay(client string, server int) {
	n, _ := strconv.Atoi(client)
	if fd, ok := serverSocket(n, server); ok {
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 0)
	}
}
