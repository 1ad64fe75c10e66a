package load

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"echosrv/protocol"
)

// A script is what every connection of a run says, and what it must hear: random packets, laid out one
// after the other as they go over the wire, and once more as they must come back. A connection begins at a
// packet of its own and goes round and round. So sending is a write of a part of one long slice, and
// checking is a comparison with a part of another, whatever the number of packets.
//
// The script has more packets than are ever in flight on a connection, so an echo that was dropped,
// repeated or moved is never mistaken for the one that was due (as far as payloads of a few bytes can
// differ at all). It is read-only and shared by all loops.
type script struct {
	sent   []byte
	echo   []byte // the same slice as sent for a plain byte echo
	starts []int  // where each packet starts, and at last the length of the whole
	framed bool
}

const (
	// scriptBytes is how long a script is where nothing asks for more: small enough to stay in the second
	// level cache twice, so that looking up payloads doesn't slow the client.
	scriptBytes = 64 << 10
	// leastPackets keeps neighbouring packets of any connection different, even with one in flight.
	leastPackets = 4
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
	s.sent = make([]byte, s.size())
	fill(s.sent, random)
	for i, n := range list {
		protocol.PutHeader(s.sent[s.starts[i]:], protocol.Header{Kind: protocol.DataSend, Length: uint32(n)})
	}
	s.echo = s.sent
	if s.framed {
		s.echo = slices.Clone(s.sent)
		for _, at := range s.starts[:len(list)] {
			protocol.SetKind(s.echo[at:], protocol.DataEcho)
		}
	}
	return s
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
	// Variety gives way where payloads are huge; more packets than are in flight there must be.
	n = min(n, int(maxScriptBytes/2/mean))
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

// packetAt is the packet that the byte at offset off belongs to.
func (s *script) packetAt(off int) int {
	i, found := slices.BinarySearch(s.starts, off)
	if !found {
		i--
	}
	return i
}

// expected is packet i as it must come back; i may be any number of rounds ahead or behind.
func (s *script) expected(i int) []byte {
	n := s.packets()
	i = (i%n + n) % n
	return s.echo[s.starts[i]:s.starts[i+1]]
}
