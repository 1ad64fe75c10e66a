package load

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"echosrv/protocol"
)

// A script is what every connection of a run says, and what it must hear: random packets, one after the
// other as they go over the wire. A connection begins at a packet of its own and goes round and round. The
// script is made once, so that sending is a write of slices of it, and checking a comparison with them.
//
// Small packets are joined in one slice, headers and all: a single write sends any number of them. Large
// ones are kept apart, headers in one slice and payloads in another where each begins a little after the
// one before, so that many different payloads take little more memory, and cache, than one.
//
// The script has more packets than are ever in flight on a connection, so an echo that was dropped,
// repeated or moved is never mistaken for the one that was due (as far as payloads of a few bytes can
// differ at all). It is read-only and shared by all loops.
type script struct {
	starts []int // the offset in the script where each packet starts, and at last the length of the whole
	framed bool  // the server knows packets; it is no plain byte echo
	sent   image // as it is said
	echo   image // as it must be heard: the same but for the kinds
}

// An image is the bytes of a script.
type image struct {
	joined   []byte // nil: apart
	headers  []byte
	payloads []byte // that of packet i begins at i*cacheLine
}

const (
	// scriptBytes is how long a joined script is where nothing asks for more: small enough to stay in the
	// second level cache.
	scriptBytes = 64 << 10
	// mostJoined is the length above which packets are kept apart, in bytes.
	mostJoined = 64 << 20
	// largePayload is the mean size from which on payloads are kept apart, in bytes.
	largePayload = 16 << 10
	// cacheLine is in bytes. Comparing large payloads is cheapest where they begin on one.
	cacheLine = 64
	// leastPackets keeps neighbouring packets of any connection different, even with one in flight.
	leastPackets = 16
	// mostPackets is where a script stops growing for the sake of variety.
	mostPackets = 4096
	// mixPackets is enough to give whole percentages their exact share.
	mixPackets = 100
)

func newScript(sizes Sizes, depth int, seed uint64, raw bool) *script {
	random := newRandom(seed, 0)
	list := drawSizes(sizes, scriptLength(sizes, depth), random)
	s := &script{framed: !raw, starts: make([]int, 1, len(list)+1)}
	for _, n := range list {
		s.starts = append(s.starts, s.size()+protocol.HeaderSize+n)
	}
	if sizes.Mean() < largePayload && s.size() <= mostJoined {
		s.join(list, random)
	} else {
		s.keepApart(list, random)
	}
	if raw {
		s.echo = s.sent
	}
	return s
}

func (s *script) join(sizes []int, random *rand.Rand) {
	s.sent.joined = make([]byte, s.size())
	fill(s.sent.joined, random)
	s.echo.joined = slices.Clone(s.sent.joined)
	for i, n := range sizes {
		protocol.PutHeader(s.sent.joined[s.starts[i]:], protocol.Header{Kind: protocol.DataSend, Length: uint32(n)})
		protocol.PutHeader(s.echo.joined[s.starts[i]:], protocol.Header{Kind: protocol.DataEcho, Length: uint32(n)})
	}
}

func (s *script) keepApart(sizes []int, random *rand.Rand) {
	s.sent.payloads = make([]byte, (len(sizes)-1)*cacheLine+slices.Max(sizes))
	fill(s.sent.payloads, random)
	s.sent.headers = make([]byte, len(sizes)*protocol.HeaderSize)
	s.echo = image{payloads: s.sent.payloads, headers: make([]byte, len(s.sent.headers))}
	for i, n := range sizes {
		at := i * protocol.HeaderSize
		protocol.PutHeader(s.sent.headers[at:], protocol.Header{Kind: protocol.DataSend, Length: uint32(n)})
		protocol.PutHeader(s.echo.headers[at:], protocol.Header{Kind: protocol.DataEcho, Length: uint32(n)})
	}
}

// newRandom gives the stream-th independent source of randomness of a seed.
func newRandom(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream))
}

func fill(b []byte, random *rand.Rand) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, random.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// scriptLength is how many packets the script of a mix has.
func scriptLength(sizes Sizes, depth int) int {
	mean := sizes.Mean() + protocol.HeaderSize
	n := min(int(scriptBytes/mean), mostPackets)
	if len(sizes) > 1 || sizes[0].Min != sizes[0].Max {
		n = max(n, mixPackets, min(rarest(sizes), mostPackets))
	}
	// Whatever there is of variety, there must be more packets than are in flight.
	return max(n, depth+1, leastPackets)
}

// rarest is how many packets it takes until the rarest part of a mix is due once.
func rarest(sizes Sizes) int {
	sum, least := 0.0, sizes[0].Weight
	for _, p := range sizes {
		sum += p.Weight
		least = min(least, p.Weight)
	}
	return int(min(sum/least, mostPackets))
}

// drawSizes makes n sizes in random order. How often a part of the mix occurs is not left to chance: each
// gets its share, rounded, and within a range the sizes are evenly spread.
func drawSizes(sizes Sizes, n int, random *rand.Rand) []int {
	sum := 0.0
	for _, p := range sizes {
		sum += p.Weight
	}
	list := make([]int, 0, n)
	upTo := 0.0
	for _, p := range sizes {
		upTo += p.Weight
		count := int(upTo/sum*float64(n)+0.5) - len(list)
		for j := range count {
			list = append(list, p.Min+int(float64(p.Max-p.Min+1)*(float64(j)+0.5)/float64(count)))
		}
	}
	random.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (s *script) packets() int { return len(s.starts) - 1 }
func (s *script) size() int    { return s.starts[len(s.starts)-1] }

// span is how many bytes the n packets from packet i take, n being at most one round.
func (s *script) span(i, n int) int {
	if i+n <= s.packets() {
		return s.starts[i+n] - s.starts[i]
	}
	return s.size() - s.starts[i] + s.starts[i+n-s.packets()]
}

// piece is up to n bytes of an image from offset off on, which is in packet i: as many as lie in one piece.
func (s *script) piece(m *image, i, off, n int) []byte {
	if m.joined != nil {
		return m.joined[off:min(off+n, len(m.joined))]
	}
	at := off - s.starts[i]
	if at < protocol.HeaderSize {
		return m.headers[i*protocol.HeaderSize:][at:min(at+n, protocol.HeaderSize)]
	}
	n = min(n, s.starts[i+1]-off)
	at += i*cacheLine - protocol.HeaderSize
	return m.payloads[at : at+n]
}

// run is up to n bytes to be sent, from offset off on.
func (s *script) run(off, n int) []byte {
	if s.sent.joined != nil {
		return s.piece(&s.sent, 0, off, n)
	}
	return s.piece(&s.sent, s.packetAt(off), off, n)
}

// packetAt is the packet that the byte at offset off belongs to.
func (s *script) packetAt(off int) int {
	i, found := slices.BinarySearch(s.starts, off)
	if !found {
		i--
	}
	return i
}

// expected is packet i as it must come back; i may be any number of rounds ahead or behind. It is a copy.
func (s *script) expected(i int) []byte {
	n := s.packets()
	i = (i%n + n) % n
	return s.head(i, s.starts[i+1]-s.starts[i])
}

// head is a copy of the first n bytes of packet i as it must come back.
func (s *script) head(i, n int) []byte {
	p := make([]byte, 0, n)
	for len(p) < n {
		p = append(p, s.piece(&s.echo, i, s.starts[i]+len(p), n-len(p))...)
	}
	return p
}

// A walk is how far some bytes lead through a script.
type walk struct {
	off     int // byte offset
	packet  int // that off is in
	packets int // whole ones gone past
	wire    int // their bytes, with headers
}

// match walks over b, which should be the echo of what the script says from the byte off of packet i on. It
// reports whether it is.
func (s *script) match(off, i int, b []byte) (w walk, ok bool) {
	w = walk{off: off, packet: i}
	for len(b) > 0 {
		p := s.piece(&s.echo, w.packet, w.off, len(b))
		if !bytes.Equal(b[:len(p)], p) {
			return w, false
		}
		b = b[len(p):]
		w.off += len(p)
		for s.starts[w.packet+1] <= w.off {
			w.packets++
			w.wire += s.starts[w.packet+1] - s.starts[w.packet]
			if w.packet++; w.packet == s.packets() {
				w.packet, w.off = 0, 0
				break
			}
		}
	}
	return w, true
}
