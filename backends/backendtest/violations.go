package backendtest

import (
	"math"
	"strings"

	"echosrv/protocol"
	"echosrv/protocol/session"
)

var violations = []check{
	{name: "one byte too large", run: checkTooLarge},
	{name: "lengths near the top of 32 bits", run: checkHuge},
	{name: "unknown kinds", run: checkUnknownKinds},
	{name: "unknown flags", run: checkUnknownFlags},
	{name: "kinds that only a server sends", run: checkServerKinds},
	{name: "a ping too long", run: checkLongPing},
	{name: "garbage", run: checkGarbage},
}

// offend sends whole packets and then a header that breaks a rule, at once or byte by byte, and no
// payload. What was whole is echoed, the ERROR says what was wrong, and then the connection ends.
func offend(t T, srv *server, h protocol.Header, code protocol.Code) {
	t.Helper()
	for _, send := range []func(*client, []byte) error{(*client).send, srv.trickle} {
		c := srv.dial(t)
		good := packets(1, 3, 40)
		bad := make([]byte, protocol.HeaderSize)
		protocol.PutHeader(bad, h)
		must(t, send(c, append(good.bytes(), bad...)))
		must(t, c.expectStream(good))
		if _, err := c.expectError(code); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if err := c.expectEnd(); err != nil {
			t.Fatalf("%+v: after the ERROR: %v", h, err)
		}
		c.close()
	}
}

// checkTooLarge has a limit that is no power of two, and a packet just within it.
func checkTooLarge(t T, s *Suite) {
	const limit = 5000
	srv := s.start(t, func(set *session.Settings) { set.MaxPayload = limit })
	offend(t, srv, protocol.Header{Kind: protocol.DataSend, Length: limit + 1}, protocol.CodeTooLarge)
	must(t, srv.dial(t).exchange(packets(1, 3, limit)))
}

func checkHuge(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, n := range []uint32{math.MaxUint32, math.MaxUint32 - 7, 1 << 31, 1<<31 - 8} {
		offend(t, srv, protocol.Header{Kind: protocol.DataSend, Length: n}, protocol.CodeTooLarge)
	}
}

func checkUnknownKinds(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, k := range []protocol.Kind{0, 7, 255} {
		offend(t, srv, protocol.Header{Kind: k, Length: 10}, protocol.CodeUnsupported)
	}
}

func checkUnknownFlags(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, f := range []uint32{1, 1 << 23} {
		offend(t, srv, protocol.Header{Kind: protocol.DataSend, Flags: f, Length: 10}, protocol.CodeMalformed)
	}
}

func checkServerKinds(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, k := range []protocol.Kind{protocol.DataEcho, protocol.Error, protocol.GoAway} {
		offend(t, srv, protocol.Header{Kind: k, Length: 4}, protocol.CodeUnsupported)
	}
}

func checkLongPing(t T, s *Suite) {
	offend(t, s.start(t, nil), protocol.Header{Kind: protocol.Ping, Length: protocol.MaxPing + 1}, protocol.CodeMalformed)
}

// checkGarbage speaks another protocol. Nothing of it may be echoed.
func checkGarbage(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 500),
		strings.Repeat("\xff", 4096),
	} {
		c := srv.dial(t)
		must(t, c.send([]byte(text)))
		p, err := c.receive()
		if err != nil || p.Kind != protocol.Error {
			t.Fatalf("%.20q was answered with %s, %v; an ERROR was expected", text, describe(p), err)
		}
		must(t, c.expectEnd())
		c.close()
	}
	must(t, srv.dial(t).exchange(packets(1, 10, 100)))
}
