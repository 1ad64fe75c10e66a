package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	block   = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	command = regexp.MustCompile(`(?m)^\$ (.*)$`)
	goRun   = regexp.MustCompile(`^go run (\./cmd/\w+)(.*)$`)
)

// The README's snippets of Go are those that are compiled and run, to the letter.
func TestReadmeShowsTheCompiledExample(t *testing.T) {
	example := strings.ReplaceAll(read(t, "example_test.go"), "\n\t", "\n")
	shown := 0
	for _, m := range block.FindAllStringSubmatch(read(t, "../README.md"), -1) {
		if m[1] != "go" {
			continue
		}
		shown++
		if !strings.Contains(example, m[2]) {
			t.Errorf("example_test.go does not have these lines of the README:\n%s", m[2])
		}
	}
	if shown == 0 {
		t.Error("the README shows no Go")
	}
}

// Every command that the pages tell people to run exists, with these subcommands and flags.
func TestCommandsInPagesExist(t *testing.T) {
	binaries := map[string]string{}
	checked := 0
	for _, page := range pages(t) {
		for _, b := range block.FindAllStringSubmatch(read(t, page), -1) {
			for _, c := range command.FindAllStringSubmatch(b[2], -1) {
				m := goRun.FindStringSubmatch(strings.TrimSpace(c[1]))
				if m == nil {
					continue
				}
				checked++
				if binaries[m[1]] == "" {
					binaries[m[1]] = build(t, m[1])
				}
				help(t, page, binaries[m[1]], strings.Fields(m[2]))
			}
		}
	}
	if checked < 4 {
		t.Errorf("only %d commands were checked", checked)
	}
}

func build(t *testing.T, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", bin, "./"+pkg)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return bin
}

// help asks the subcommand for its help, which must name every flag used.
func help(t *testing.T, page, bin string, args []string) {
	t.Helper()
	var sub []string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		sub = args[:1:1]
	}
	cmd := exec.Command(bin, append(sub, "--help")...)
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil || len(sub) > 0 && !strings.Contains(string(out), sub[0]) {
		t.Errorf("%s: %s %v --help: %v\n%s", page, filepath.Base(bin), sub, err, out)
		return
	}
	for _, a := range args {
		flag, _, _ := strings.Cut(a, "=")
		if strings.HasPrefix(flag, "--") && !regexp.MustCompile(regexp.QuoteMeta(flag)+`\b`).Match(out) {
			t.Errorf("%s uses %s %s, which has no such flag", page, filepath.Base(bin), flag)
		}
	}
}
