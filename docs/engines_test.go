package docs

import (
	"runtime"
	"strings"
	"testing"

	"echosrv/backends/all"
)

// The table of abilities in engines.md is what the engines declare on Linux.
func TestAbilitiesInThePageAreThoseDeclared(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the page describes Linux")
	}
	page := read(t, "engines.md")
	header := "| ability |"
	rule := "|---|"
	rows := map[string]string{}
	for _, e := range all.Engines() {
		header += " " + e.Name + " |"
		rule += "---|"
		for _, c := range e.Capabilities.List() {
			mark := "-"
			if c.Has {
				mark = "yes"
			}
			rows[c.Name] += " " + mark + " |"
		}
	}
	want := []string{header + "\n" + rule}
	for name, marks := range rows {
		want = append(want, "| "+name+" |"+marks)
	}
	for _, line := range want {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("engines.md should have:\n%s", line)
		}
	}
}
