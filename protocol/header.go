package protocol

import (
	"encoding/binary"
	"fmt"
)

// Sizes and limits of the wire format, in bytes. docs/protocol.md is the specification.
const (
	// HeaderSize is the length of the header in front of every payload.
	HeaderSize = 8
	// DefaultMaxPayload is the largest payload accepted unless a server is told otherwise.
	DefaultMaxPayload = 1 << 20
	// MaxPayload is the largest limit a server or client can be given.
	MaxPayload = 256 << 20
	// MaxPing is the largest payload of a PING or PONG.
	MaxPing = 64
)

// Kind says what a packet is: the low 8 bits of the type field.
type Kind uint8

// The kinds of packets, numbered as on the wire.
const (
	DataSend Kind = 1 // client to server: echo this payload
	DataEcho Kind = 2 // server to client: the payload of a DataSend, unchanged
	Ping     Kind = 3 // either way: are you there? up to MaxPing bytes come back in the Pong
	Pong     Kind = 4 // either way: the payload of a Ping, unchanged
	Error    Kind = 5 // server to client: a Code, then a sentence
	GoAway   Kind = 6 // server to client: send no more, the server closes within this many milliseconds
)

var kindNames = [...]string{DataSend: "DATA_SEND", DataEcho: "DATA_ECHO", Ping: "PING", Pong: "PONG", Error: "ERROR", GoAway: "GOAWAY"}

// Known reports whether k is one of the kinds above.
func (k Kind) Known() bool { return k >= DataSend && k <= GoAway }

// FromClient reports whether a client may send k.
func (k Kind) FromClient() bool { return k == DataSend || k == Ping || k == Pong }

func (k Kind) String() string {
	if k.Known() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Header is the decoded form of a packet's first HeaderSize bytes.
type Header struct {
	Kind   Kind
	Flags  uint32 // 24 bits; no flag is defined yet, so anything but zero is an error
	Length uint32 // payload bytes, header not counted
}

// ParseHeader decodes the header at the start of b, which must hold at least HeaderSize bytes.
// It judges nothing: see Header.CheckClient and Header.CheckServer.
func ParseHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	t := binary.BigEndian.Uint32(b)
	return Header{Kind: Kind(t), Flags: t >> 8, Length: binary.BigEndian.Uint32(b[4:])}
}

// PutHeader writes h over the first HeaderSize bytes of b. Flags beyond 24 bits are cut off.
func PutHeader(b []byte, h Header) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint32(b, h.Flags<<8|uint32(h.Kind))
	binary.BigEndian.PutUint32(b[4:], h.Length)
}

// SetKind changes only the kind of the packet at the start of b: this is how an echo is made in place.
func SetKind(b []byte, k Kind) { b[3] = byte(k) }

// CheckClient says what is wrong with a header that a client sent to a server whose payload limit is
// maxPayload; nil if nothing is. The error is a *Violation with the Code to answer with. The order of
// the checks is part of the specification: kind, flags, length.
func (h Header) CheckClient(maxPayload uint32) error {
	if !h.Kind.FromClient() {
		return unsupported(h.Kind, "DATA_SEND, PING and PONG")
	}
	return h.checkRest(maxPayload)
}

// CheckServer is CheckClient for the other direction: a header that a server sent to a client.
func (h Header) CheckServer(maxPayload uint32) error {
	if !h.Kind.Known() || h.Kind == DataSend {
		return unsupported(h.Kind, "DATA_ECHO, PING, PONG, ERROR and GOAWAY")
	}
	return h.checkRest(maxPayload)
}

func (h Header) checkRest(maxPayload uint32) error {
	switch {
	case h.Flags != 0:
		return &Violation{CodeMalformed, fmt.Sprintf("%s has flags 0x%06x, but no flag is defined", h.Kind, h.Flags)}
	case (h.Kind == Ping || h.Kind == Pong) && h.Length > MaxPing:
		return &Violation{CodeMalformed, fmt.Sprintf("%s has %d bytes, at most %d are allowed", h.Kind, h.Length, MaxPing)}
	case h.Length > maxPayload:
		return &Violation{CodeTooLarge, fmt.Sprintf("%s has %d bytes, at most %d are allowed", h.Kind, h.Length, maxPayload)}
	}
	return nil
}

func unsupported(k Kind, allowed string) error {
	if k.Known() {
		return &Violation{CodeUnsupported, fmt.Sprintf("%s is not accepted in this direction, only %s are", k, allowed)}
	}
	return &Violation{CodeUnsupported, fmt.Sprintf("%s is unknown, only %s are accepted", k, allowed)}
}
