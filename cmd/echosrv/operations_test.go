package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"echosrv/backends/all"
	"echosrv/backends/server"
	"echosrv/backends/server/admin"
)

var update = flag.Bool("update", false, "write the tables of docs/operations.md")

const operationsPage = "../../docs/operations.md"

// TestOperationsPage holds the tables of the page to what the program has.
func TestOperationsPage(t *testing.T) {
	text, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for name, table := range map[string]string{
		"settings": settingsTable(), "metrics": metricsTable(), "messages": messagesTable(), "engines": enginesTable(), "faults": faultsTable(),
	} {
		begin, end := "<!-- table: "+name+" -->\n", "<!-- end -->"
		before, rest, ok1 := strings.Cut(page, begin)
		is, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("the page has no place for the table of %s", name)
		}
		if is != table && !*update {
			t.Errorf("the table of %s is not what the program has; run go test ./cmd/echosrv -run Operations -update\nwant:\n%s", name, table)
		}
		page = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(operationsPage, []byte(page), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOperationsPageNamesWhatThereIs: whatever the prose writes like a flag, a variable or a metric is one.
func TestOperationsPageNamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"config", "update", "now", "ECHOSRV_LONG"}
	for _, s := range server.Settings() {
		known = append(known, s.Name, server.EnvName(s.Name))
	}
	known = append(known, configEnv)
	for _, m := range admin.Metrics() {
		known = append(known, m.Name)
	}
	for _, m := range regexp.MustCompile(`[^-]--([a-z][a-z-]+)|(ECHOSRV_[A-Z_]+)|(echosrv_[a-z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if name := m[1] + m[2] + m[3]; !slices.Contains(known, name) {
			t.Errorf("the page speaks of %q, which isn't there", name)
		}
	}
}

// faultsTable says of each fault which engines survive it, as TestFaults, TestDrainUnderLoadLosesNothing,
// TestReloadUnderLoad and TestSoak show, and which declare that they lack what it takes.
func faultsTable() string {
	rows := append(slices.Clone(faults),
		fault{text: "SIGTERM under full load: every packet that was sent before the GOAWAY arrived is echoed", needs: []string{"lossless-drain"}},
		fault{text: "100 changes of the configuration under load: nothing is lost", needs: []string{"lossless-drain", "pause-reads"}},
		fault{text: "a minute of resets, garbage and traffic without a pause: memory, descriptors and goroutines stay flat"})
	engines := all.Engines()
	var b strings.Builder
	b.WriteString("| fault |")
	for _, e := range engines {
		fmt.Fprintf(&b, " %s |", e.Name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(engines)) + "\n")
	for _, f := range rows {
		fmt.Fprintf(&b, "| %s |", f.text)
		for _, e := range engines {
			cell := "survives"
			if missing := lacks(e, f.needs); missing != nil {
				cell = "lacks " + strings.Join(missing, ", ")
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| flag | default | live | meaning |\n|---|---|---|---|\n")
	o := server.DefaultOptions()
	for _, s := range server.Settings() {
		value, live := "`"+s.In(&o).String()+"`", "no"
		if value == "``" {
			value = "empty"
		}
		if s.Live {
			live = "yes"
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s |\n", s.Name, value, live, s.Help)
	}
	return b.String()
}

func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | label | meaning |\n|---|---|---|\n")
	for _, m := range admin.Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, m.Label, m.Help)
	}
	return b.String()
}

func messagesTable() string {
	var b strings.Builder
	b.WriteString("| level | message | when |\n|---|---|---|\n")
	for _, m := range server.Messages() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ToLower(m.Level.String()), m.Text, m.When)
	}
	return b.String()
}

func enginesTable() string {
	var b strings.Builder
	b.WriteString("| engine | can't |\n|---|---|\n")
	for _, e := range all.Engines() {
		_, lacks := capabilities(e)
		if lacks == "" {
			lacks = "nothing is missing"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.Name, lacks)
	}
	return b.String()
}
