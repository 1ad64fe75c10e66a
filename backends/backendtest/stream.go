package backendtest

import (
	"bytes"
	"encoding/binary"

	"echosrv/protocol"
)

// stream is a run of packets whose contents follow from a seed, so that both ends can make them: no two
// packets of a check are alike, and each begins with its number if it has room for one.
type stream struct {
	seed  uint64
	sizes []int // payload bytes
}

// packets is a stream of n payloads of size bytes.
func packets(seed uint64, n, size int) stream {
	s := stream{seed: seed, sizes: make([]int, n)}
	for i := range s.sizes {
		s.sizes[i] = size
	}
	return s
}

// bytes is the stream as a client sends it.
func (s stream) bytes() []byte {
	var all []byte
	for i := range s.sizes {
		all = s.append(all, i)
	}
	return all
}

// append appends packet i as a client sends it.
func (s stream) append(dst []byte, i int) []byte {
	start := len(dst) + protocol.HeaderSize
	dst = protocol.Append(dst, protocol.DataSend, make([]byte, s.sizes[i]))
	s.fill(dst[start:], i)
	return dst
}

// payload is the contents of packet i.
func (s stream) payload(i int) []byte {
	b := make([]byte, s.sizes[i])
	s.fill(b, i)
	return b
}

// fill writes the contents of packet i over b: its number, then the output of splitmix64.
func (s stream) fill(b []byte, i int) {
	x := s.seed<<32 + uint64(i)
	var word [8]byte
	binary.BigEndian.PutUint64(word[:], uint64(i))
	n := copy(b, word[:])
	for n < len(b) {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(word[:], z^z>>31)
		n += copy(b[n:], word[:])
	}
}

// total is the number of bytes on the wire.
func (s stream) total() int {
	n := 0
	for _, size := range s.sizes {
		n += protocol.HeaderSize + size
	}
	return n
}

// find is the number of the packet with these contents, from number from on; -1: there is none. Payloads
// must have room for their number.
func (s stream) find(payload []byte, from int) int {
	if len(payload) < 8 {
		return -1
	}
	i := binary.BigEndian.Uint64(payload)
	if i < uint64(from) || i >= uint64(len(s.sizes)) || !bytes.Equal(payload, s.payload(int(i))) {
		return -1
	}
	return int(i)
}
