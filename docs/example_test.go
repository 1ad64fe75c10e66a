package docs_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"echosrv/backends"
	"echosrv/backends/goroutine"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// A server and a client in one program: an engine, a session for each connection, and packets.
func Example() {
	service, err := session.NewService(session.DefaultSettings(), buffer.NewPool(0), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := backends.ParseSpec("goroutine:read-buffer=4KiB", []backends.Engine{goroutine.Engine()})
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, err := spec.Engine.New(backends.Config{
		Address: "127.0.0.1:0",
		Threads: 1,
		Options: spec.Options,
		Log:     slog.New(slog.DiscardHandler),
		Open: func(now time.Duration, peer backends.Peer) backends.Session {
			return service.Open(now, peer)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- backend.Serve() }()

	client, err := net.Dial("tcp", backend.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Write(protocol.Append(nil, protocol.DataSend, []byte("hello")))
	client.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(client)
	packet, _, err := protocol.Decode(answer, protocol.FromServer(protocol.DefaultMaxPayload))
	fmt.Println(packet.Kind, string(packet.Payload), err)

	backend.Drain()
	fmt.Println(<-served)
	// Output:
	// DATA_ECHO hello <nil>
	// <nil>
}
