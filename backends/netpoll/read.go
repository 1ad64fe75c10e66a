package netpoll

import (
	"context"

	lib "github.com/cloudwego/netpoll"

	"echosrv/backends"
)

// onRequest is the library's handler. One at a time runs for a connection, and it must take all the input
// there is or close the connection, or it is called again at once.
func onRequest(ctx context.Context, _ lib.Connection) error {
	c := ctx.(*conn)
	c.mu.Lock()
	defer c.unlock()
	input := c.sock.Reader()
	for c.alive() {
		n := input.Len()
		if n == 0 {
			break
		}
		from := input
		if n > lib.BinaryInplaceThreshold {
			// The reply will be written from this memory. As a slice it is held apart from the rest of
			// the input, which can be read and released while the write blocks.
			var err error
			if from, err = input.Slice(n); err != nil {
				c.doom(reset(err))
				break
			}
		}
		b, err := from.Next(n)
		if err != nil {
			c.doom(reset(err))
			break
		}
		now := backends.Now()
		c.reply(now, c.session.Receive(now, b))
		if c.alive() {
			// After a write that failed, a poller may still read this memory: it goes the way of the
			// connection then.
			_ = from.Release()
		}
	}
	return nil
}
