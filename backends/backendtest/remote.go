package backendtest

import (
	"fmt"
	"net"
	"time"
)

// remote is a server in another process, with the clients that it serves.
type remote struct {
	address  string
	patience time.Duration
	clients  []*client
}

// add connects one more client and has it served.
func (r *remote) add(patience time.Duration) error {
	conn, err := net.DialTimeout("tcp", r.address, patience)
	if err != nil {
		return err
	}
	c := newClient(conn.(Conn), patience)
	if err := c.exchange(packets(uint64(len(r.clients)), 1, 100)); err != nil {
		c.close()
		return err
	}
	c.patience = r.patience
	r.clients = append(r.clients, c)
	return nil
}

// exchange has every client exchange packets.
func (r *remote) exchange() error {
	return each(len(r.clients), len(r.clients), func(i int) error {
		if err := r.clients[i].exchange(packets(uint64(i), 20, 1000)); err != nil {
			return fmt.Errorf("a client that was connected before: %w", err)
		}
		return nil
	})
}

// crowd connects n clients that say nothing. Some may be refused.
func (r *remote) crowd(n int) (closeAll func()) {
	var conns []net.Conn
	for range n {
		conn, err := net.DialTimeout("tcp", r.address, stall)
		if err != nil {
			break // the queue of those who wait to be accepted is full
		}
		conns = append(conns, conn)
	}
	return func() {
		for _, c := range conns {
			c.Close()
		}
	}
}

func (r *remote) closeAll() {
	for _, c := range r.clients {
		c.close()
	}
}
