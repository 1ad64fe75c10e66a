// Package docs holds what people read about this project, and the tests that hold it true.
package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type arrow struct {
	from string
	to   []string
	why  string
}

// arrows says which packages of this project another may import, in its code proper. A pattern ending in
// "/..." stands for a package and all below it.
var arrows = []arrow{
	{"protocol", nil, "the wire format must be usable without the rest"},
	{"protocol/buffer", nil, "the pool knows bytes, not packets"},
	{"protocol/session", []string{"protocol", "protocol/buffer"}, "a session must not know what moves its bytes"},
	{"backends", nil, "the contract must not depend on what is on either side of it"},
	{"backends/internal/...", []string{"backends"}, "what engines share knows the contract at most, and no engine"},
	{"backends/all", []string{"backends/..."}, "the table lists engines"},
	{"backends/backendtest", []string{"backends", "protocol/..."}, "the suite holds engines to the contract with the real session"},
	{"backends/server/...", []string{"backends/...", "protocol/..."}, "a server has engines and sessions, and no load"},
	{"backends/...", []string{"backends", "backends/internal/...", "protocol/buffer"}, "an engine knows sockets, never packets"},
	{"bench/...", []string{"bench/...", "protocol", "protocol/buffer"}, "a bench pushes from outside: it must not share code with what it measures"},
	{"cmd/internal/...", nil, "what the commands share is about command lines"},
	{"cmd/...", []string{"backends/...", "protocol/...", "bench/...", "cmd/internal/..."}, "commands wire"},
	{"docs/...", nil, "docs explain"},
}

// outside says which modules the packages that must stay pure may import.
var outside = map[string][]string{
	"protocol":         nil,
	"protocol/buffer":  nil,
	"protocol/session": {"golang.org/x/time/rate"},
	"backends":         nil,
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		for _, p := range list(t, goos) {
			from := strings.TrimPrefix(p.ImportPath, "echosrv/")
			rule := slices.IndexFunc(arrows, func(a arrow) bool { return covers(a.from, from) })
			if rule < 0 {
				t.Errorf("package %s is in no place of the architecture: see docs/architecture.md", from)
				continue
			}
			for _, i := range p.Imports {
				to, ours := strings.CutPrefix(i, "echosrv/")
				if ours && !slices.ContainsFunc(arrows[rule].to, func(pattern string) bool { return covers(pattern, to) }) {
					t.Errorf("%s imports %s, but may import only %v of this project: %s", from, to, arrows[rule].to, arrows[rule].why)
				}
				allowed, pure := outside[from]
				first, _, _ := strings.Cut(i, "/") // the standard library has no dot there
				if pure && strings.Contains(first, ".") && !slices.Contains(allowed, i) {
					t.Errorf("%s imports %s, but may import only the standard library and %v", from, i, allowed)
				}
			}
		}
	}
}

// Below a session there is neither I/O nor a clock: what is tested with bytes and made-up times holds for
// every engine.
func TestSessionsHaveNoIO(t *testing.T) {
	for _, p := range list(t, "linux") {
		if !covers("protocol/...", strings.TrimPrefix(p.ImportPath, "echosrv/")) {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains([]string{"net", "os", "syscall", "log", "log/slog"}, i) {
				t.Errorf("%s imports %s; it must do no I/O", p.ImportPath, i)
			}
		}
	}
}

func covers(pattern, name string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return name == pattern
}

// list asks the go command for the packages of this project and their imports, tests left out.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "echosrv/...")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages were listed", len(all))
	}
	return all
}
