package evio

import "time"

// gather gives what is to be written: what is pending, then the reply. The library copies it before the
// loop goes on. Without anything pending, which is the rule, it is the reply itself.
func (c *conn) gather(now time.Duration, reply []byte) []byte {
	out := reply
	if c.session.Queued() > 0 {
		out = append(c.copyQueued(nil), reply...)
	}
	if len(out) > 0 {
		c.session.Sent(now, len(out), reply)
	}
	for c.session.Queued() > 0 { // Sent may have led to more
		before := len(out)
		out = c.copyQueued(out)
		c.session.Sent(now, len(out)-before, nil)
	}
	return out
}

// copyQueued gives out and all that is queued, in memory that is good until the loop's next callback.
func (c *conn) copyQueued(out []byte) []byte {
	queued, size := c.session.Queued(), 0
	var few [4][]byte
	pieces := c.session.Pending(few[:0])
	for size = total(pieces); size < queued; size = total(pieces) {
		pieces = c.session.Pending(make([][]byte, 0, 8*cap(pieces)))
	}
	all := append(c.scratch(len(out)+queued), out...)
	for _, p := range pieces {
		all = append(all, p...)
	}
	return all
}

func total(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

// maxScratch is the most memory that a loop keeps to put output together in, in bytes. It has room for
// the rest of a read behind a packet of 1 MiB.
const maxScratch = 1<<20 + 128<<10

// scratch is an empty slice with room for size bytes and, if it is the loop's, for another read.
func (c *conn) scratch(size int) []byte {
	if c.loop == nil || size > maxScratch {
		return make([]byte, 0, size)
	}
	if cap(c.loop.scratch) < size {
		c.loop.scratch = make([]byte, 0, min(2*size, maxScratch))
	}
	return c.loop.scratch
}
