// Package protocol is the wire format of the framed echo service: headers, kinds, limits and errors.
//
// A packet is an 8-byte header and a payload. The package turns bytes into packets and packets into
// bytes and does nothing else: no sockets, no goroutines, no clock. docs/protocol.md specifies the
// format for writers of clients in other languages, and testdata/vectors.txt holds it to the byte.
package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Packet is one packet taken from, or about to become, bytes on the wire.
type Packet struct {
	Header
	Payload []byte // aliases the bytes it was decoded from
}

// Decode takes the first packet from b, which holds bytes in the direction that check judges:
// Header.CheckClient or Header.CheckServer with a limit already applied. It returns the packet and its
// size on the wire. A size of zero with a nil error means that b ends inside the packet. An error means
// that the header breaks the rules; it is found as soon as the header is whole, before any payload.
func Decode(b []byte, check func(Header) error) (p Packet, size int, err error) {
	if len(b) < HeaderSize {
		return Packet{}, 0, nil
	}
	h := ParseHeader(b)
	if err := check(h); err != nil {
		return Packet{Header: h}, 0, err
	}
	// The limit holds from here on, so that the sum can't overflow an int of any width.
	size = HeaderSize + int(h.Length)
	if len(b) < size {
		return Packet{Header: h}, 0, nil
	}
	return Packet{Header: h, Payload: b[HeaderSize:size:size]}, size, nil
}

// FromClient is the check for Decode on the server's side, with a payload limit in bytes.
func FromClient(maxPayload uint32) func(Header) error {
	return func(h Header) error { return h.CheckClient(maxPayload) }
}

// FromServer is the check for Decode on the client's side, with a payload limit in bytes.
func FromServer(maxPayload uint32) func(Header) error {
	return func(h Header) error { return h.CheckServer(maxPayload) }
}

// Append appends a packet with this payload to dst. The payload must be shorter than 4 GiB; what a peer
// accepts is far less.
func Append(dst []byte, k Kind, payload []byte) []byte {
	dst = appendHeader(dst, k, len(payload))
	return append(dst, payload...)
}

// AppendError appends an ERROR packet: the code, then the sentence in UTF-8.
func AppendError(dst []byte, c Code, sentence string) []byte {
	dst = appendHeader(dst, Error, 4+len(sentence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(c))
	return append(dst, sentence...)
}

// ParseError decodes the payload of an ERROR packet.
func ParseError(payload []byte) (*Violation, error) {
	if len(payload) < 4 {
		return nil, fmt.Errorf("an ERROR payload has %d bytes, at least 4 are needed for its code", len(payload))
	}
	return &Violation{Code(binary.BigEndian.Uint32(payload)), string(payload[4:])}, nil
}

// AppendGoAway appends a GOAWAY packet. The time until the server closes is sent in whole milliseconds,
// rounded up, and held to what 32 bits can carry (49 days).
func AppendGoAway(dst []byte, untilClose time.Duration) []byte {
	ms := max(untilClose, 0) / time.Millisecond
	if untilClose > ms*time.Millisecond {
		ms++
	}
	dst = appendHeader(dst, GoAway, 4)
	return binary.BigEndian.AppendUint32(dst, uint32(min(ms, math.MaxUint32)))
}

// ParseGoAway decodes the payload of a GOAWAY packet: the time until the server closes.
func ParseGoAway(payload []byte) (time.Duration, error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("a GOAWAY payload has %d bytes, 4 are needed", len(payload))
	}
	return time.Duration(binary.BigEndian.Uint32(payload)) * time.Millisecond, nil
}

func appendHeader(dst []byte, k Kind, length int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(k))
	return binary.BigEndian.AppendUint32(dst, uint32(length))
}
