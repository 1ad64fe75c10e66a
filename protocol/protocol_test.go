package protocol

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// decodeAll takes packets from b until it ends or breaks a rule, in the notation of the vectors.
func decodeAll(b []byte, check func(Header) error) string {
	var got []string
	for {
		p, size, err := Decode(b, check)
		var v *Violation
		if errors.As(err, &v) {
			return strings.Join(append(got, fmt.Sprintf("error %d", v.Code)), ", ")
		}
		if size == 0 {
			if len(b) > 0 || len(got) == 0 {
				got = append(got, "more")
			}
			return strings.Join(got, ", ")
		}
		payload := "-"
		if len(p.Payload) > 0 {
			payload = hex.EncodeToString(p.Payload)
		}
		got = append(got, p.Kind.String()+" "+payload)
		b = b[size:]
	}
}

func TestVectors(t *testing.T) {
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") || lines.Text() == "" {
			continue
		}
		n++
		fields := strings.Split(lines.Text(), "|")
		if len(fields) != 4 {
			t.Fatalf("%q has %d fields, 4 are needed", lines.Text(), len(fields))
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		input, err := hex.DecodeString(strings.ReplaceAll(fields[2], " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", fields[0], err)
		}
		check := FromClient(DefaultMaxPayload)
		if fields[1] == "s" {
			check = FromServer(DefaultMaxPayload)
		}
		if got := decodeAll(input, check); got != fields[3] {
			t.Errorf("%s: got %q, want %q", fields[0], got, fields[3])
		}
	}
	if n < 30 {
		t.Errorf("only %d vectors were found", n)
	}
}

// What Append writes, Decode reads back, whatever follows it.
func TestDecodeReadsBackWhatAppendWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := Kind(rapid.IntRange(int(DataEcho), int(GoAway)).Draw(t, "kind"))
		payload := rapid.SliceOfN(rapid.Byte(), 0, MaxPing).Draw(t, "payload")
		behind := rapid.SliceOf(rapid.Byte()).Draw(t, "behind")
		wire := append(Append(nil, kind, payload), behind...)
		p, size, err := Decode(wire, FromServer(MaxPing))
		if err != nil || size != HeaderSize+len(payload) || p.Kind != kind || !bytes.Equal(p.Payload, payload) {
			t.Fatalf("got %v %x, size %d, error %v", p.Header, p.Payload, size, err)
		}
		for cut := range size {
			if _, n, err := Decode(wire[:cut], FromServer(MaxPing)); n != 0 || err != nil {
				t.Fatalf("cut to %d bytes: size %d, error %v; want 0 and none", cut, n, err)
			}
		}
	})
}

func TestErrorAndGoAwayPayloads(t *testing.T) {
	p, _, err := Decode(AppendError(nil, CodeTooLarge, "näher"), FromServer(100))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseError(p.Payload)
	if err != nil || *v != (Violation{CodeTooLarge, "näher"}) {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := ParseError([]byte{0, 0, 0}); err == nil {
		t.Error("an ERROR payload of 3 bytes was accepted")
	}
	for _, c := range []struct{ sent, want time.Duration }{
		{0, 0}, {-time.Second, 0}, {time.Nanosecond, time.Millisecond}, {1500 * time.Millisecond, 1500 * time.Millisecond},
		{1<<63 - 1, (1<<32 - 1) * time.Millisecond}, {60 * 24 * time.Hour, (1<<32 - 1) * time.Millisecond},
	} {
		p, _, _ := Decode(AppendGoAway(nil, c.sent), FromServer(100))
		if got, err := ParseGoAway(p.Payload); err != nil || got != c.want {
			t.Errorf("GOAWAY in %s was read as %s, %v; want %s", c.sent, got, err, c.want)
		}
	}
	if _, err := ParseGoAway(make([]byte, 5)); err == nil {
		t.Error("a GOAWAY payload of 5 bytes was accepted")
	}
}

func TestHeaderKeepsItsFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Header{Kind(rapid.Byte().Draw(t, "kind")), rapid.Uint32Max(1<<24-1).Draw(t, "flags"), rapid.Uint32().Draw(t, "length")}
		var b [HeaderSize]byte
		PutHeader(b[:], want)
		if got := ParseHeader(b[:]); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
		SetKind(b[:], Pong)
		want.Kind = Pong
		if got := ParseHeader(b[:]); got != want {
			t.Fatalf("after SetKind: got %v, want %v", got, want)
		}
	})
}

// FuzzDecode looks for inputs that panic, go beyond the limit, or disagree with themselves.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 1, 'a'}, uint32(10))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, uint32(1<<31))
	f.Fuzz(func(t *testing.T, b []byte, limit uint32) {
		limit = min(limit, MaxPayload)
		for _, check := range []func(Header) error{FromClient(limit), FromServer(limit)} {
			p, size, err := Decode(b, check)
			switch {
			case err != nil && size != 0:
				t.Fatalf("size %d with error %v", size, err)
			case size > len(b) || len(p.Payload) > int(limit):
				t.Fatalf("size %d of %d bytes, payload %d, limit %d", size, len(b), len(p.Payload), limit)
			case size > 0 && !bytes.Equal(Append(nil, p.Kind, p.Payload), b[:size]):
				t.Fatalf("%x decodes to %v, which is written otherwise", b[:size], p)
			}
		}
	})
}
