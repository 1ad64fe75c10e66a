package evio

import "time"

// gather gives what is to be written: what is pending, then the reply. The library copies it before the
// connection is served again. Without anything pending, which is the rule, it is the reply itself.
func (c *conn) gather(now time.Duration, reply []byte) []byte {
	out := reply
	if c.session.Queued() > 0 {
		out = append(c.pending(nil), reply...)
	}
	if len(out) > 0 {
		c.session.Sent(now, len(out), reply)
	}
	for c.session.Queued() > 0 { // Sent may have led to more
		before := len(out)
		out = c.pending(out[:before:before])
		c.session.Sent(now, len(out)-before, nil)
	}
	return out
}

// pending appends a copy of all that is queued to out.
func (c *conn) pending(out []byte) []byte {
	queued, size := c.session.Queued(), 0
	var pieces [][]byte
	for room := 16; size < queued; room *= 4 {
		pieces, size = c.session.Pending(make([][]byte, 0, room)), 0
		for _, p := range pieces {
			size += len(p)
		}
	}
	out = append(make([]byte, 0, len(out)+queued), out...)
	for _, p := range pieces {
		out = append(out, p...)
	}
	return out
}
