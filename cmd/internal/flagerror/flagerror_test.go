package flagerror

import (
	"errors"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestText(t *testing.T) {
	flags := []cli.Flag{&cli.IntFlag{Name: "connections"}, &cli.StringFlag{Name: "flush-bytes"}, &cli.StringFlag{Name: "size"}}
	for _, c := range []struct{ err, want string }{
		{"flag provided but not defined: -conections", "unknown flag --conections; did you mean --connections?"},
		{"flag provided but not defined: -flushbytes", "unknown flag --flushbytes; did you mean --flush-bytes?"},
		{"flag provided but not defined: -sizes", "unknown flag --sizes; did you mean --size?"},
		{"flag provided but not defined: -nonsense", "unknown flag --nonsense"},
		{"flag provided but not defined: -x", "unknown flag --x"},
		{"flag needs an argument: -size", "the flag --size needs a value"},
		{`invalid value "many" for flag -connections: parse error`, `invalid value "many" for flag --connections: parse error`},
	} {
		if got := Text(flags, errors.New(c.err)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.err, got, c.want)
		}
	}
}
